package stream

import (
	"errors"
	"fmt"
	"io"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
)

// ErrNoTopic: the topic, or that partition of it, does not exist.
var ErrNoTopic = errors.New("no such topic or partition")

// ErrTopicReplaced: the topic was deleted and made anew while it was being read; its offsets mean something else now.
var ErrTopicReplaced = errors.New("the topic was deleted and created again")

// ErrTooLarge: a record is larger than the broker or the topic allows (message.max.bytes).
var ErrTooLarge = errors.New("record is larger than the broker allows")

// OutOfRange is an offset below the log's start (retention took it) or beyond its end (another life of the topic, or
// lost data). Nothing is skipped silently: what to do is the caller's decision.
type OutOfRange struct {
	Topic       string
	Partition   int
	Offset      int64 // the one asked for
	First, Next int64 // the log holds [First, Next)
}

func (e *OutOfRange) Error() string {
	return fmt.Sprintf("read %s/%d at offset %d: the log holds [%d, %d)", e.Topic, e.Partition, e.Offset, e.First, e.Next)
}

// ErrNoRight: the broker knows us and does not let us do it.
var ErrNoRight = errors.New("the broker refuses the right to it")

// Permanent marks an error of a group's handler as one that joining again cannot mend: RunGroup returns it.
func Permanent(err error) error { return backoff.Permanent(err) }

// Error codes of the Kafka protocol that decide what is done next.
const (
	codeOffsetOutOfRange     = int16(kafka.OffsetOutOfRange)
	codeUnknownTopic         = int16(kafka.UnknownTopicOrPartition)
	codeLeaderNotAvailable   = int16(kafka.LeaderNotAvailable)
	codeTopicAlreadyExists   = int16(kafka.TopicAlreadyExists)
	codeMessageTooLarge      = int16(kafka.MessageSizeTooLarge)
	codeRecordListTooLarge   = int16(18)
	codeUnknownTopicID       = int16(100)
	codeInconsistentTopicID  = int16(103)
	codeDuplicateSequence    = int16(46)
	codeOutOfOrderSequence   = int16(45)
	codeUnknownProducerID    = int16(59)
	codeTopicRefused         = int16(kafka.TopicAuthorizationFailed)
	codeGroupRefused         = int16(kafka.GroupAuthorizationFailed)
	codeClusterRefused       = int16(kafka.ClusterAuthorizationFailed)
	codeInvalidProducerEpoch = int16(47)
)

// codeErr turns an error code of an answer into an error; 0 is nil.
func codeErr(code int16) error {
	switch code {
	case 0:
		return nil
	case codeUnknownTopic, codeUnknownTopicID:
		return ErrNoTopic
	case codeMessageTooLarge, codeRecordListTooLarge:
		return fmt.Errorf("%w: %w", ErrTooLarge, kafka.Error(code))
	case codeTopicRefused, codeGroupRefused, codeClusterRefused:
		return fmt.Errorf("%w: %w", ErrNoRight, kafka.Error(code))
	}
	return kafka.Error(code)
}

// temporary tells whether the same request may succeed later or elsewhere: everything that the network does, and what
// brokers answer while leaders and coordinators move.
func temporary(err error) bool {
	if errors.Is(err, errHistoryLost) {
		return true
	}
	if oor := (*OutOfRange)(nil); errors.As(err, &oor) {
		return false
	}
	if code := kafka.Error(0); errors.As(err, &code) {
		if c := int16(code); c == codeUnknownTopicID || c == codeInconsistentTopicID {
			return true // a leader that has not heard of the topic yet, or not yet that it is gone: metadata says which
		}
		return code.Temporary()
	}
	for _, lasting := range []error{ErrNoTopic, ErrTooLarge, ErrTopicReplaced, ErrRefused, errClosed, errMalformed, errUnsupported} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// brokenConnection tells whether the connection that err came from can still be used: an answer with an error code
// was read to its end, everything else leaves bytes in flight.
func brokenConnection(err error) bool {
	code := kafka.Error(0)
	return err != nil && !errors.As(err, &code) && !errors.Is(err, ErrNoTopic) && !errors.Is(err, ErrTooLarge)
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

package stream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoTopic: the topic does not exist.
var ErrNoTopic = errors.New("no such topic")

// ErrTopicReplaced: the topic was deleted and made anew; its offsets mean something else now.
var ErrTopicReplaced = errors.New("topic was deleted and created again")

// OutOfRange: an offset below the log's start (retention) or beyond its end (another life of the topic, or lost data).
type OutOfRange struct {
	Topic       string
	Partition   int
	Offset      int64
	First, Next int64 // the log holds [First, Next)
}

func (e *OutOfRange) Error() string {
	return fmt.Sprintf("read %s/%d at %d: the log holds [%d, %d)", e.Topic, e.Partition, e.Offset, e.First, e.Next)
}

// Topic is a topic's identity and shape.
type Topic struct {
	Name       string
	ClusterID  string
	ID         string // the topic id; another id is another life of the topic
	Partitions []int  // ascending
}

type Record struct {
	Offset     int64
	Timestamp  int64 // µs UTC
	Key, Value []byte
}

type Message struct {
	Key, Value []byte
	Timestamp  int64 // µs UTC, kept to the millisecond; 0: now
}

type Assignment struct {
	Topics map[string][]int
	Commit func(ctx context.Context, next map[string]map[int]int64) error
}

var errNotYet = errors.New("stream: not built yet")

func (c *Client) EnsureTopic(ctx context.Context, topic string, partitions int) error {
	return errNotYet
}
func (c *Client) Topic(ctx context.Context, topic string) (Topic, error) { return Topic{}, errNotYet }
func (c *Client) Bounds(ctx context.Context, topic string, partition int) (first, next int64, err error) {
	return 0, 0, errNotYet
}
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int, tsMicros int64) (int64, error) {
	return 0, errNotYet
}
func (c *Client) Committed(ctx context.Context, group, topic string) (map[int]int64, error) {
	return nil, errNotYet
}

type Reader struct{}

func (c *Client) Reader(topic string, partition int, offset int64) *Reader { return &Reader{} }
func (r *Reader) Fetch(ctx context.Context, max int, wait time.Duration, dst []Record) ([]Record, error) {
	return dst, errNotYet
}
func (r *Reader) Offset() int64 { return 0 }
func (r *Reader) Close() error  { return nil }

func (c *Client) RunGroup(ctx context.Context, group string, topics []string, handle func(ctx context.Context, a Assignment) error) error {
	return errNotYet
}

// Permanent marks an error of a group's handler as one that trying again cannot mend.
func Permanent(err error) error { return err }

type Producer struct{}

func (c *Client) Producer(topic string) *Producer                   { return &Producer{} }
func (p *Producer) Write(ctx context.Context, msgs []Message) error { return errNotYet }
func (p *Producer) Close() error                                    { return nil }

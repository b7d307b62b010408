package stream

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Versions of Fetch. By name is the oldest with which brokers hand out zstd batches (Kafka 2.1). By id is the first that names a topic by
// its id (Kafka 3.1): a topic that was deleted and created again between two fetches answers the second one with an error, where by its
// name it would hand out records of another life under the offsets of this one.
const (
	fetchByName = 10
	fetchByID   = 13
)

// idBytes are the bytes of a topic's id as Kafka prints it; false where there is none.
func idBytes(id string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.DecodeString(id)
	return b, err == nil && len(b) == 16
}

// fill fetches the next answer. wait is how long the broker may wait for data.
func (r *Reader) fill(ctx context.Context, wait time.Duration) error {
	if r.cn == nil {
		if err := r.connect(ctx); err != nil {
			return err
		}
	}
	wait = min(max(wait, 0), r.c.cfg.RequestTimeout)
	id, byID := idBytes(r.id)
	byID = byID && r.cn.supports(protocol.Fetch, fetchByID) == nil
	version, write := int16(fetchByName), r.writeByName
	if byID {
		version, write = fetchByID, func(e *encoder, wait time.Duration) { r.writeByID(e, wait, id) }
	}
	body, err := r.cn.exchange(ctx, protocol.Fetch, version, byID, wait, r.buffer(), func(e *encoder) { write(e, wait) })
	if err != nil {
		return err
	}
	r.answer = body
	return r.accept(ctx, body, byID)
}

func (r *Reader) writeByName(e *encoder, wait time.Duration) {
	r.writeHead(e, wait)
	e.int32(1)
	e.string(r.topic)
	e.int32(1)
	e.int32(int32(r.partition))
	e.int32(-1) // leader epoch: any
	e.int64(r.next)
	e.int64(-1) // log start: for replicas
	e.int32(int32(r.fetchSize))
	e.int32(0) // topics to forget
}

func (r *Reader) writeByID(e *encoder, wait time.Duration, id []byte) {
	r.writeHead(e, wait)
	e.uvarint(1 + 1)
	e.b = append(e.b, id...)
	e.uvarint(1 + 1)
	e.int32(int32(r.partition))
	e.int32(-1) // leader epoch: any
	e.int64(r.next)
	e.int32(-1) // epoch of the last fetch: for replicas
	e.int64(-1) // log start: for replicas
	e.int32(int32(r.fetchSize))
	e.uvarint(0)
	e.uvarint(0)
	e.uvarint(1) // topics to forget: none
	e.compactString("")
	e.uvarint(0)
}

// writeHead appends what requests of all versions begin with.
func (r *Reader) writeHead(e *encoder, wait time.Duration) {
	e.int32(-1) // not a replica
	e.int32(int32(wait.Milliseconds()))
	e.int32(1) // bytes at least
	e.int32(int32(r.fetchSize))
	e.int8(readCommitted)
	e.int32(0)  // no fetch session
	e.int32(-1) // no fetch session
}

// fetchAnswer is what an answer says of the partition.
type fetchAnswer struct {
	code    int16
	aborted []abortedProducer
	records []byte
}

// accept reads the head of an answer and leaves its batches pending.
func (r *Reader) accept(ctx context.Context, body []byte, byID bool) error {
	d := decoder{b: body}
	d.int32() // throttle: the broker has waited itself
	if code := d.int16(); code != 0 {
		return kafka.Error(code)
	}
	d.int32() // session
	read := r.readByName
	if byID {
		read = r.readByID
	}
	got, ok := read(&d)
	if err := d.err(); err != nil {
		return err
	}
	if !ok {
		return errMalformed
	}
	slices.SortFunc(got.aborted, func(a, b abortedProducer) int { return int(min(max(a.first-b.first, -1), 1)) })
	r.rollbacks = rollbacks{coming: got.aborted}
	if got.code == codeOffsetOutOfRange {
		return r.outOfRange(ctx)
	}
	if got.code != 0 {
		return kafka.Error(got.code) // an unknown topic too: whether it is gone for good, metadata says
	}
	if len(got.records) > 0 {
		if _, _, ok, err := cutBatch(got.records); err != nil {
			return err
		} else if !ok { // brokers answer with one whole batch at least, however large; those that do not are asked for more
			r.fetchSize = min(2*r.fetchSize, maxAnswer/2)
			got.records = nil
		}
	}
	r.pending = got.records
	return nil
}

// readByName reads the one partition of an answer; not ok if it is another.
func (r *Reader) readByName(d *decoder) (a fetchAnswer, ok bool) {
	if d.count() != 1 || d.string() != r.topic || d.count() != 1 || int(d.int32()) != r.partition {
		return a, false
	}
	a.code = d.int16()
	d.int64() // high watermark
	d.int64() // last stable offset
	d.int64() // log start
	for range d.count() {
		a.aborted = append(a.aborted, abortedProducer{d.int64(), d.int64()})
	}
	a.records = d.take(int(max(d.int32(), 0)))
	return a, true
}

// readByID does so where the topic is named by its id.
func (r *Reader) readByID(d *decoder) (a fetchAnswer, ok bool) {
	if d.length() != 1 {
		return a, false
	}
	id := d.uuid()
	if base64.RawURLEncoding.EncodeToString(id[:]) != r.id || d.length() != 1 || int(d.int32()) != r.partition {
		return a, false
	}
	a.code = d.int16()
	d.int64() // high watermark
	d.int64() // last stable offset
	d.int64() // log start
	for range d.length() {
		a.aborted = append(a.aborted, abortedProducer{d.int64(), d.int64()})
		d.tags()
	}
	d.int32() // a replica to read from, which was not asked for
	a.records = d.take(d.length())
	return a, true
}

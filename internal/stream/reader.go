package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// callBytes bounds, in multiples of Config.FetchBytes, what one Fetch gathers before it returns early.
const callBytes = 4

// restAfter is how long nothing must have come before a Reader gives its buffers back.
const restAfter = 2 * time.Second

// Record is one record of a partition.
type Record struct {
	Offset    int64
	Timestamp int64 // µs UTC, of millisecond precision
	Key       []byte
	Value     []byte // nil: a tombstone
}

// Reader reads one partition in order from an offset. It keeps one connection to the partition's leader and finds the
// new leader when it moves. It is not safe for concurrent use.
//
// Only committed records are handed out: a rolled back or still open transaction's are not.
type Reader struct {
	c         *Client
	topic     string
	partition int
	next      int64  // the offset to read next
	id        string // of the topic's life that is being read, once known

	cn        *conn
	pause     *backoff.ExponentialBackOff
	resume    time.Time // not before then is the next attempt to be made
	fetchSize int

	answer    []byte // the last answer's buffer
	pending   []byte // its batches not begun yet
	rollbacks rollbacks
	current   batch
	inflated  []byte   // buffer of the current batch where that was compressed
	held      [][]byte // buffers done with in this Fetch, but handed out
	spare     [][]byte
	came      time.Time // when records were handed out last
	traces    []string  // that records of this Fetch are part of; at most mostTraces
}

// Reader returns a reader of the partition from offset on. It does not speak to a broker before the first Fetch.
func (c *Client) Reader(topic string, partition int, offset int64) *Reader {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, 2*time.Second
	return &Reader{c: c, topic: topic, partition: partition, next: offset, pause: pause, fetchSize: c.cfg.FetchBytes}
}

// ReaderOf returns a reader of a partition in the life of the topic that t names: another life is never read, but ErrTopicReplaced.
func (c *Client) ReaderOf(t Topic, partition int, offset int64) *Reader {
	r := c.Reader(t.Name, partition, offset)
	r.id = t.ID
	return r
}

// Offset is the fetch position: the next offset to read. It moves past control markers and rolled back records, so at
// the end of a log it equals Bounds' next.
func (r *Reader) Offset() int64 { return r.next }

// Close closes the reader's connection.
func (r *Reader) Close() error {
	r.disconnect()
	return nil
}

// Fetch appends up to max records to dst. It returns when there are max, or much data, or when wait has passed, with
// what is there: none is no error. Bytes of the records are valid until the next Fetch.
//
// A broker that is away, or a leader that moves, is no error either: Config.OnError is told and the next attempts are
// spaced out. Errors are ctx's, *OutOfRange, ErrNoTopic, ErrTopicReplaced, or an answer that makes no sense; the
// records appended before it are valid, and Offset is behind them.
func (r *Reader) Fetch(ctx context.Context, max int, wait time.Duration, dst []Record) ([]Record, error) {
	now := time.Now()
	r.recycle(now)
	r.traces = r.traces[:0]
	deadline := now.Add(wait)
	end := len(dst) + max
	for tried := false; ; tried = true {
		var err error
		if dst, err = r.decode(dst, end-len(dst)); err != nil {
			return dst, r.failed(err)
		}
		left := time.Until(deadline)
		if len(dst) >= end || r.heldBytes() > callBytes*r.c.cfg.FetchBytes || tried && left <= 0 {
			return dst, nil
		}
		if err := r.rest(ctx, left); err != nil {
			return dst, err
		}
		if left = time.Until(deadline); tried && left <= 0 {
			return dst, nil
		}
		err = r.fill(ctx, left)
		if ctx.Err() != nil {
			r.disconnect()
			return dst, ctx.Err()
		}
		if err == nil {
			r.pause.Reset()
			continue
		}
		if err = r.failed(err); !temporary(err) {
			return dst, err
		}
		r.c.cfg.OnError(err)
		r.resume = time.Now().Add(r.pause.NextBackOff())
	}
}

func (r *Reader) failed(err error) error {
	r.disconnect()
	if oor := (*OutOfRange)(nil); errors.As(err, &oor) {
		return err
	}
	return fmt.Errorf("read %s/%d at offset %d: %w", r.topic, r.partition, r.next, err)
}

// rest waits for the end of a pause after a failure, but not longer than left.
func (r *Reader) rest(ctx context.Context, left time.Duration) error {
	d := min(time.Until(r.resume), left)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decode appends up to n records of what has been fetched.
func (r *Reader) decode(dst []Record, n int) ([]Record, error) {
	end := len(dst) + n
	for len(dst) < end {
		if r.current.left > 0 {
			var err error
			r.current.traces = r.traces
			dst, err = r.current.read(dst, end-len(dst), r.next)
			r.traces = r.current.traces
			if err != nil {
				return dst, err
			}
			if len(dst) > 0 {
				r.came = time.Now()
				r.next = max(r.next, dst[len(dst)-1].Offset+1)
			}
			if r.current.left > 0 {
				return dst, nil
			}
		}
		if r.current.records != nil {
			r.next = max(r.next, r.current.last+1)
			r.release(&r.inflated)
			r.current = batch{}
		}
		if len(r.pending) == 0 {
			r.release(&r.answer)
			return dst, nil
		}
		if err := r.begin(); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// begin makes the next batch of the answer the current one.
func (r *Reader) begin() error {
	bt, rest, ok, err := cutBatch(r.pending)
	if err != nil {
		return err
	}
	r.pending = rest
	if !ok {
		r.pending = nil
		return nil
	}
	if bt.last < r.next {
		return nil
	}
	if r.rollbacks.skip(&bt) {
		bt.left = 0
	} else if bt.attributes&attrCompression != 0 {
		if r.inflated, err = bt.inflate(r.buffer()); err != nil {
			return err
		}
		bt.records = r.inflated
	}
	r.current = bt
	return nil
}

// outOfRange asks for the log's bounds. An offset within them was refused by a leader that lags behind: to be retried.
func (r *Reader) outOfRange(ctx context.Context) error {
	r.disconnect()
	if err := r.connect(ctx); err != nil { // another life of the topic is the better explanation
		return err
	}
	first, next, err := r.c.bounds(ctx, r.topic, r.partition, readUncommitted)
	if err != nil {
		return err
	}
	if r.next >= first && r.next <= next {
		return kafka.OffsetNotAvailable
	}
	return &OutOfRange{Topic: r.topic, Partition: r.partition, Offset: r.next, First: first, Next: next}
}

// connect finds the partition's leader and connects to it.
func (r *Reader) connect(ctx context.Context) error {
	addr, id, err := r.c.leader(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	if r.id != "" && id != "" && id != r.id {
		return ErrTopicReplaced
	}
	if id != "" {
		r.id = id
	}
	cn, err := r.c.dial(ctx, addr)
	if err != nil {
		return err
	}
	if err := cn.supports(protocol.Fetch, fetchByName); err != nil {
		cn.Close()
		return err
	}
	r.cn = cn
	return nil
}

// disconnect drops the connection and what of its last answer has not been handed out.
func (r *Reader) disconnect() {
	if r.cn != nil {
		r.cn.Close()
		r.cn = nil
	}
	r.pending, r.current = nil, batch{}
	r.release(&r.inflated)
	r.release(&r.answer)
}

// buffer takes a buffer that nobody refers to any more.
func (r *Reader) buffer() []byte {
	if n := len(r.spare); n > 0 {
		b := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return b
	}
	return nil
}

// release keeps a buffer until the next Fetch: records handed out refer to it.
func (r *Reader) release(b *[]byte) {
	if *b != nil {
		r.held = append(r.held, *b)
		*b = nil
	}
}

// recycle takes back the buffers of the last Fetch, but not those of a few huge records. A log at rest needs none of that size.
func (r *Reader) recycle(now time.Time) {
	for _, b := range r.held {
		if cap(b) <= 2*callBytes*r.c.cfg.FetchBytes && len(r.spare) < 2*callBytes {
			r.spare = append(r.spare, b[:0])
		}
	}
	clear(r.held)
	r.held = r.held[:0]
	if now.Sub(r.came) > restAfter {
		r.spare = nil
	}
}

func (r *Reader) heldBytes() (n int) {
	for _, b := range r.held {
		n += len(b)
	}
	return n
}

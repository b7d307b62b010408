package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

const (
	// produceVersion is the oldest version of Produce that every broker from 2.1 to 4.x speaks.
	produceVersion = 7
	// keylessRun is how many messages without a key in a row go to one partition: alternating would make small batches.
	keylessRun = 500
	// layoutAge is how old a producer's knowledge of the topic's partitions may get.
	layoutAge = time.Minute
	// spareBatches bounds how many batches' buffers are kept for later ones.
	spareBatches = 16
)

// Message is one record to be written.
type Message struct {
	Key, Value []byte // a nil value is a tombstone
	Timestamp  int64  // µs UTC, kept to the millisecond; 0: now
	Partition  *int   // nil: the key chooses
	Trace      string // the W3C traceparent of the trace that it is part of; "": none
}

// Producer writes to one topic. It is safe for concurrent use: what several callers write to a partition at the same
// time goes in one request. It is idempotent per partition, so a request that is sent again because its answer was lost
// is not stored twice; a producer that is started again knows nothing of that, so event ids are still needed.
type Producer struct {
	c     *Client
	topic string

	mu       sync.Mutex
	layout   *layout
	learned  time.Time
	lanes    map[int]*lane
	keyless  int      // messages without a key so far
	spare    [][]byte // buffers of batches that are done
	closed   bool
	stop     context.CancelFunc
	ctx      context.Context
	lanesRun sync.WaitGroup
	balancer kafka.Murmur2Balancer
}

// Producer returns a producer for the topic. It does not speak to a broker before the first Write.
func (c *Client) Producer(topic string) *Producer {
	p := &Producer{c: c, topic: topic, lanes: map[int]*lane{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Close makes pending writes fail and closes the connections.
func (p *Producer) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.lanesRun.Wait()
	for _, l := range p.lanes {
		l.disconnect()
	}
	return nil
}

// Write stores the messages with acknowledgement of all in-sync replicas, in order per partition, and returns when all
// are stored. The partition follows from the key as in Java's clients (murmur2). Brokers that are away are waited for
// until ctx ends; then, and on other errors, some of the messages may be stored and others not. A message that the
// broker finds too large makes the error ErrTooLarge.
func (p *Producer) Write(ctx context.Context, msgs []Message) error {
	parts, err := p.partitions(ctx)
	if err != nil {
		return fmt.Errorf("write to kafka topic %q: %w", p.topic, err)
	}
	var waits []*outgoing
	now := time.Now().UnixMilli()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return fmt.Errorf("write to kafka topic %q: %w", p.topic, errClosed)
	}
	last := map[*lane]*outgoing{}
	for i := range msgs {
		m := &msgs[i]
		l := p.lane(p.choose(m, parts))
		if o := l.add(m, now); o != last[l] {
			last[l] = o
			o.waiters++
			waits = append(waits, o)
		}
	}
	for l := range last {
		if !l.running {
			l.running = true
			p.lanesRun.Go(l.run)
		}
	}
	p.mu.Unlock()

	if err := p.await(ctx, waits); err != nil {
		return fmt.Errorf("write to kafka topic %q: %w", p.topic, err)
	}
	return nil
}

// await waits until the batches are stored or ctx ends, and returns the first error of many that mostly say the same.
// A batch that nobody waits for any more is given up.
func (p *Producer) await(ctx context.Context, batches []*outgoing) (first error) {
	for _, o := range batches {
		var err error
		select {
		case <-o.done:
			err = o.err
		case <-ctx.Done():
			err = ctx.Err()
		}
		if errors.Is(err, context.Canceled) && p.ctx.Err() != nil {
			err = errClosed
		}
		if first == nil {
			first = err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range batches {
		if o.waiters--; o.waiters == 0 {
			o.abandon()
		}
	}
	return first
}

func (p *Producer) lane(partition int) *lane {
	l := p.lanes[partition]
	if l == nil {
		l = &lane{p: p, partition: partition, producer: -1}
		p.lanes[partition] = l
	}
	return l
}

func (p *Producer) choose(m *Message, parts []int) int {
	if m.Partition != nil {
		return *m.Partition
	}
	if m.Key == nil {
		p.keyless++
		return parts[p.keyless/keylessRun%len(parts)]
	}
	return p.balancer.Balance(kafka.Message{Key: m.Key}, parts...)
}

// partitions returns the topic's partitions, asking again now and then.
func (p *Producer) partitions(ctx context.Context) ([]int, error) {
	p.mu.Lock()
	l := p.layout
	fresh := l != nil && time.Since(p.learned) < layoutAge
	p.mu.Unlock()
	if fresh {
		return l.Partitions, nil
	}
	err := p.c.retry(ctx, func() (err error) {
		l, err = p.c.lookUp(ctx, p.topic)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.layout, p.learned = l, time.Now()
	p.mu.Unlock()
	return l.Partitions, nil
}

// lane sends the batches of one partition, one at a time, over its own connection. Its queue is guarded by Producer.mu;
// the rest belongs to the goroutine that runs while there is something to send.
type lane struct {
	p         *Producer
	partition int
	running   bool
	queue     []*outgoing

	cn       *conn
	producer int64 // id; -1: none
	epoch    int16
	sequence int32
	packed   []byte // buffer
	answer   []byte // buffer
}

// add appends the message to the open batch, or to a new one, and returns that.
func (l *lane) add(m *Message, now int64) *outgoing {
	ms := now
	if m.Timestamp != 0 {
		ms = m.Timestamp / 1000
	}
	if n := len(l.queue); n > 0 {
		if o := l.queue[n-1]; o.ctx.Err() == nil && o.size()+len(m.Key)+len(m.Value) <= l.p.c.cfg.BatchBytes {
			o.add(m, ms)
			return o
		}
	}
	var buf []byte
	if n := len(l.p.spare); n > 0 {
		buf, l.p.spare = l.p.spare[n-1], l.p.spare[:n-1]
	}
	o := newOutgoing(l.p.ctx, buf, ms)
	o.add(m, ms)
	l.queue = append(l.queue, o)
	return o
}

// run sends until the queue is empty.
func (l *lane) run() {
	var o *outgoing
	for {
		l.p.mu.Lock()
		if o != nil && cap(o.records.b) <= 2*l.p.c.cfg.BatchBytes && len(l.p.spare) < spareBatches {
			l.p.spare = append(l.p.spare, o.records.b)
		}
		if len(l.queue) == 0 {
			l.running = false
			l.p.mu.Unlock()
			return
		}
		o = l.queue[0]
		l.queue = l.queue[1:]
		l.p.mu.Unlock()
		o.err = l.deliver(o)
		o.abandon()
		close(o.done)
	}
}

// deliver sends the batch until it is stored, or cannot be, or nobody waits for it any more.
func (l *lane) deliver(o *outgoing) error {
	l.packed = o.pack(l.packed[:0], compress.Lz4)
	err := l.p.c.retry(o.ctx, func() error {
		err := l.attempt(o)
		if err != nil {
			l.disconnect()
		}
		return err
	})
	if err != nil {
		l.producer = -1 // whether it was stored is unknown, and so is the next sequence number
		return err
	}
	l.sequence = (l.sequence + int32(o.count)) & 0x7fffffff
	return nil
}

func (l *lane) attempt(o *outgoing) error {
	if l.cn == nil {
		if err := l.connect(o.ctx); err != nil {
			return err
		}
	}
	seal(l.packed, l.producer, l.epoch, l.sequence)
	body, err := l.cn.exchange(o.ctx, protocol.Produce, produceVersion, false, 0, l.answer, func(e *encoder) {
		e.int16(-1) // no transaction
		e.int16(-1) // acknowledged by all
		e.int32(int32(l.p.c.cfg.RequestTimeout.Milliseconds()))
		e.int32(1)
		e.string(l.p.topic)
		e.int32(1)
		e.int32(int32(l.partition))
		e.int32(int32(len(l.packed)))
		e.b = append(e.b, l.packed...)
	})
	if err != nil {
		return err
	}
	l.answer = body
	d := decoder{b: body}
	if d.count() != 1 || d.string() != l.p.topic || d.count() != 1 || int(d.int32()) != l.partition {
		return errMalformed
	}
	code := d.int16()
	if err := d.err(); err != nil {
		return err
	}
	switch code {
	case 0, codeDuplicateSequence: // stored now, or by the attempt whose answer was lost
		return nil
	case codeOutOfOrderSequence, codeUnknownProducerID, codeInvalidProducerEpoch: // the broker has lost our history
		l.producer = -1
		return fmt.Errorf("%w: %w", errHistoryLost, kafka.Error(code))
	case codeUnknownTopic:
		return kafka.Error(code) // whether it is gone for good, metadata says
	}
	return codeErr(code)
}

// errHistoryLost: the broker no longer knows which sequence number comes next; a new producer id starts again.
var errHistoryLost = errors.New("the broker has forgotten the producer")

func (l *lane) connect(ctx context.Context) error {
	addr, _, err := l.p.c.leader(ctx, l.p.topic, l.partition)
	if err != nil {
		return err
	}
	cn, err := l.p.c.dial(ctx, addr)
	if err != nil {
		return err
	}
	if err := l.identify(ctx, cn); err != nil {
		cn.Close()
		return err
	}
	l.cn = cn
	return nil
}

// identify gets a producer id unless the lane has one.
func (l *lane) identify(ctx context.Context, cn *conn) error {
	if err := cn.supports(protocol.Produce, produceVersion); err != nil || l.producer >= 0 {
		return err
	}
	m, err := cn.call(ctx, &initproducerid.Request{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return err
	}
	res := m.(*initproducerid.Response)
	if err := codeErr(res.ErrorCode); err != nil {
		return err
	}
	l.producer, l.epoch, l.sequence = res.ProducerID, res.ProducerEpoch, 0
	return nil
}

func (l *lane) disconnect() {
	if l.cn != nil {
		l.cn.Close()
		l.cn = nil
	}
}

package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

// What only tests do to a cluster of one broker.

func (c *Client) admin(ctx context.Context, key protocol.ApiKey, version int16, fill func(*encoder), code func(*decoder) int16) error {
	return c.retry(ctx, func() error {
		return c.ask(ctx, c.any, func(cn *conn) error {
			body, err := cn.exchange(ctx, key, version, false, 0, nil, fill)
			if err != nil {
				return err
			}
			d := decoder{b: body}
			if err := codeErr(code(&d)); err != nil {
				return fmt.Errorf("%v: %w", key, err)
			}
			return d.err()
		})
	})
}

// DeleteRecords makes the log of a partition begin at the offset, as retention does.
func (c *Client) DeleteRecords(ctx context.Context, topic string, partition int, before int64) error {
	return c.admin(ctx, protocol.DeleteRecords, 0, func(e *encoder) {
		e.int32(1)
		e.string(topic)
		e.int32(1)
		e.int32(int32(partition))
		e.int64(before)
		e.int32(5000)
	}, func(d *decoder) int16 {
		d.int32()
		d.count()
		d.string()
		d.count()
		d.int32()
		d.int64()
		return d.int16()
	})
}

// DeleteTopic deletes the topic and waits until the broker knows it no more.
func (c *Client) DeleteTopic(ctx context.Context, topic string) error {
	err := c.admin(ctx, protocol.DeleteTopics, 1, func(e *encoder) {
		e.int32(1)
		e.string(topic)
		e.int32(5000)
	}, func(d *decoder) int16 {
		d.int32()
		d.count()
		d.string()
		return d.int16()
	})
	for err == nil {
		_, err = c.lookUp(ctx, topic)
	}
	if errors.Is(err, ErrNoTopic) {
		return nil
	}
	return err
}

// Transaction is an open transaction that has written to one partition.
type Transaction struct {
	c        *Client
	name     string
	producer int64
	epoch    int16
}

// Begin writes the messages to the partition in a new transaction and leaves it open.
func (c *Client) Begin(ctx context.Context, name, topic string, partition int, msgs []Message) (*Transaction, error) {
	tx := &Transaction{c: c, name: name}
	err := c.admin(ctx, protocol.FindCoordinator, 1, func(e *encoder) { // makes the topic of transactions
		e.string(name)
		e.int8(1)
	}, func(d *decoder) int16 {
		d.int32()
		return d.int16()
	})
	if err != nil {
		return nil, err
	}
	err = c.admin(ctx, protocol.InitProducerId, 0, func(e *encoder) {
		e.string(name)
		e.int32(60_000)
	}, func(d *decoder) int16 {
		d.int32()
		code := d.int16()
		tx.producer, tx.epoch = d.int64(), d.int16()
		return code
	})
	if err != nil {
		return nil, err
	}
	err = c.admin(ctx, protocol.AddPartitionsToTxn, 0, func(e *encoder) {
		e.string(name)
		e.int64(tx.producer)
		e.int16(tx.epoch)
		e.int32(1)
		e.string(topic)
		e.int32(1)
		e.int32(int32(partition))
	}, func(d *decoder) int16 {
		d.int32()
		d.count()
		d.string()
		d.count()
		d.int32()
		return d.int16()
	})
	if err != nil {
		return nil, err
	}
	o := newOutgoing(ctx, nil, time.Now().UnixMilli())
	for i := range msgs {
		o.add(&msgs[i], o.firstTime)
	}
	packed := o.pack(nil, compress.None)
	packed[22] |= attrTransactional
	seal(packed, tx.producer, tx.epoch, 0)
	return tx, c.admin(ctx, protocol.Produce, produceVersion, func(e *encoder) {
		e.string(name)
		e.int16(-1)
		e.int32(5000)
		e.int32(1)
		e.string(topic)
		e.int32(1)
		e.int32(int32(partition))
		e.int32(int32(len(packed)))
		e.b = append(e.b, packed...)
	}, func(d *decoder) int16 {
		d.count()
		d.string()
		d.count()
		d.int32()
		return d.int16()
	})
}

// End commits or rolls back.
func (tx *Transaction) End(ctx context.Context, commit bool) error {
	return tx.c.admin(ctx, protocol.EndTxn, 0, func(e *encoder) {
		e.string(tx.name)
		e.int64(tx.producer)
		e.int16(tx.epoch)
		e.bool(commit)
	}, func(d *decoder) int16 {
		d.int32()
		return d.int16()
	})
}

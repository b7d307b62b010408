package stream

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// What ListOffsets takes in place of a timestamp.
const (
	atFirst = -2
	atNext  = -1
)

// Which records of unfinished transactions count.
const (
	readUncommitted = int8(0)
	readCommitted   = int8(1)
)

// Bounds returns the partition's first offset and the next one to be readable: the log holds [first, next). Records of
// a transaction that is still open are not readable yet.
func (c *Client) Bounds(ctx context.Context, topic string, partition int) (first, next int64, err error) {
	return c.bounds(ctx, topic, partition, readCommitted)
}

func (c *Client) bounds(ctx context.Context, topic string, partition int, isolation int8) (first, next int64, err error) {
	err = c.atLeader(ctx, topic, partition, func(cn *conn) error {
		if first, err = cn.listOffset(ctx, topic, partition, atFirst, isolation); err != nil {
			return err
		}
		next, err = cn.listOffset(ctx, topic, partition, atNext, isolation)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the bounds of %s/%d: %w", topic, partition, err)
	}
	return first, max(first, next), nil
}

// OffsetAt returns the lowest offset whose record has a timestamp (µs UTC) of at least ts, or the log's end where there
// is none. Kafka keeps milliseconds, so ts is rounded up to one.
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int, ts int64) (int64, error) {
	ms := ts / 1000
	if ts > 0 && ts%1000 != 0 {
		ms++
	}
	ms = max(ms, 0) // below 0 stand the special values
	var offset int64
	err := c.atLeader(ctx, topic, partition, func(cn *conn) (err error) {
		offset, err = cn.listOffset(ctx, topic, partition, ms, readCommitted)
		if err == nil && offset < 0 {
			offset, err = cn.listOffset(ctx, topic, partition, atNext, readCommitted)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the offset of %s/%d at %d µs: %w", topic, partition, ts, err)
	}
	return offset, nil
}

// listOffset asks the partition's leader for one offset; -1 means none.
func (cn *conn) listOffset(ctx context.Context, topic string, partition int, at int64, isolation int8) (int64, error) {
	m, err := cn.call(ctx, &listoffsets.Request{
		ReplicaID:      -1,
		IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{
			{Partition: int32(partition), CurrentLeaderEpoch: -1, Timestamp: at},
		}}},
	})
	if err != nil {
		return 0, err
	}
	topics := m.(*listoffsets.Response).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("list offsets: %w", errMalformed)
	}
	p := topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return 0, kafka.Error(p.ErrorCode) // an unknown topic too: metadata has it, so its leader will learn of it
	}
	return p.Offset, nil
}

// Committed returns the offsets that the group last committed on the topic, by partition. Partitions without one are
// absent. It is a gauge of lag: no layer reads its position from here.
func (c *Client) Committed(ctx context.Context, group, topic string) (map[int]int64, error) {
	l, err := c.lookUp(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("look up kafka topic %q: %w", topic, err)
	}
	want := make([]int32, len(l.Partitions))
	for i, p := range l.Partitions {
		want[i] = int32(p)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	var next map[int]int64
	err = c.retry(ctx, func() error {
		var coordinator string
		err := c.ask(ctx, c.any, func(cn *conn) (err error) {
			coordinator, err = cn.coordinator(ctx, group)
			return err
		})
		if err != nil {
			return err
		}
		return c.ask(ctx, func(ctx context.Context) (*conn, error) { return c.to(ctx, coordinator) }, func(cn *conn) (err error) {
			next, err = cn.committed(ctx, group, topic, want)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the offsets of group %q on topic %q: %w", group, topic, err)
	}
	return next, nil
}

func (cn *conn) coordinator(ctx context.Context, group string) (string, error) {
	m, err := cn.call(ctx, &findcoordinator.Request{Key: group})
	if err != nil {
		return "", err
	}
	res := m.(*findcoordinator.Response)
	return kafkaBroker(res.Host, res.Port), codeErr(res.ErrorCode)
}

func (cn *conn) committed(ctx context.Context, group, topic string, partitions []int32) (map[int]int64, error) {
	m, err := cn.call(ctx, &offsetfetch.Request{
		GroupID: group,
		Topics:  []offsetfetch.RequestTopic{{Name: topic, PartitionIndexes: partitions}},
	})
	if err != nil {
		return nil, err
	}
	res := m.(*offsetfetch.Response)
	if res.ErrorCode != 0 {
		return nil, kafka.Error(res.ErrorCode)
	}
	next := map[int]int64{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := codeErr(p.ErrorCode); err != nil {
				return nil, err
			}
			if p.CommittedOffset >= 0 {
				next[int(p.PartitionIndex)] = p.CommittedOffset
			}
		}
	}
	return next, nil
}

package stream

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Topic is a topic's identity and shape. ClusterID and ID together name one life of the topic.
type Topic struct {
	Name       string
	ClusterID  string
	ID         string // as Kafka prints it; empty where the broker knows none (before Kafka 2.8)
	Partitions []int  // ascending
}

// layout is what a metadata answer says about one topic.
type layout struct {
	Topic
	leaders    map[int]string // address by partition; a partition without a leader is absent
	controller string         // address
	code       int16          // error code of the topic or of one of its partitions
}

// Topic returns the topic as the cluster sees it now, or an error that is ErrNoTopic.
func (c *Client) Topic(ctx context.Context, topic string) (Topic, error) {
	l, err := c.lookUp(ctx, topic)
	if err != nil {
		return Topic{}, fmt.Errorf("look up kafka topic %q: %w", topic, err)
	}
	return l.Topic, nil
}

// EnsureTopic creates the topic with so many partitions unless it exists, with the broker's default replication, and
// waits until every partition has a leader. A topic that exists keeps the partitions that it has.
func (c *Client) EnsureTopic(ctx context.Context, topic string, partitions int) error {
	if partitions <= 0 {
		return fmt.Errorf("create kafka topic %q: %d partitions", topic, partitions)
	}
	created := false
	err := c.retry(ctx, func() error {
		l, err := c.fetchLayout(ctx, topic)
		if err == nil && l.code == codeUnknownTopic && !created {
			if err := c.create(ctx, l.controller, topic, partitions); err != nil {
				return err
			}
			created = true
			l, err = c.fetchLayout(ctx, topic)
		}
		if err == nil && l.code != 0 {
			err = kafka.Error(l.code)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("create kafka topic %q: %w", topic, err)
	}
	return nil
}

func (c *Client) create(ctx context.Context, controller, topic string, partitions int) error {
	get := func(ctx context.Context) (*conn, error) { return c.to(ctx, controller) }
	if controller == "" {
		get = c.any
	}
	return c.ask(ctx, get, func(cn *conn) error {
		m, err := cn.call(ctx, &createtopics.Request{
			Topics:    []createtopics.RequestTopic{{Name: topic, NumPartitions: int32(partitions), ReplicationFactor: -1}},
			TimeoutMs: int32(c.cfg.RequestTimeout.Milliseconds()),
		})
		if err != nil {
			return err
		}
		for _, t := range m.(*createtopics.Response).Topics {
			if t.ErrorCode != 0 && t.ErrorCode != codeTopicAlreadyExists {
				return fmt.Errorf("%w: %s", kafka.Error(t.ErrorCode), t.ErrorMessage)
			}
		}
		return nil
	})
}

// lookUp asks for the topic's layout and refuses a topic that does not exist. Partitions may be without a leader.
func (c *Client) lookUp(ctx context.Context, topic string) (*layout, error) {
	l, err := c.fetchLayout(ctx, topic)
	if err != nil {
		return nil, err
	}
	if l.code != 0 && l.code != codeLeaderNotAvailable {
		return nil, codeErr(l.code)
	}
	if len(l.Partitions) == 0 {
		return nil, kafka.LeaderNotAvailable
	}
	return l, nil
}

func (c *Client) fetchLayout(ctx context.Context, topic string) (*layout, error) {
	var l *layout
	err := c.ask(ctx, c.any, func(cn *conn) (err error) {
		if cn.supports(protocol.Metadata, 10) == nil {
			l, err = cn.metadata10(ctx, topic)
		} else {
			l, err = cn.metadata(ctx, topic)
		}
		return err
	})
	return l, err
}

// metadata10 asks with version 10, the first that has topic ids.
func (cn *conn) metadata10(ctx context.Context, topic string) (*layout, error) {
	body, err := cn.exchange(ctx, protocol.Metadata, 10, true, 0, nil, func(e *encoder) {
		e.uvarint(1 + 1)
		e.int64(0)
		e.int64(0) // by name, not by id
		e.compactString(topic)
		e.uvarint(0)
		e.bool(false) // creates nothing
		e.bool(false)
		e.bool(false)
		e.uvarint(0)
	})
	if err != nil {
		return nil, err
	}
	d := decoder{b: body}
	d.int32() // throttle
	brokers := map[int32]string{}
	for range d.length() {
		id, host, port := d.int32(), d.compactString(), d.int32()
		d.compactString() // rack
		d.tags()
		brokers[id] = kafkaBroker(host, port)
	}
	l := &layout{leaders: map[int]string{}}
	l.ClusterID = d.compactString()
	l.controller = brokers[d.int32()]
	for range d.length() {
		l.code = d.int16()
		l.Name = d.compactString()
		if id := d.uuid(); id != [16]byte{} {
			l.ID = base64.RawURLEncoding.EncodeToString(id[:])
		}
		d.int8() // internal
		for range d.length() {
			d.int16() // a missing or lagging replica is no obstacle while there is a leader
			p, leader := int(d.int32()), d.int32()
			d.int32() // leader epoch
			for range 3 {
				d.take(4 * d.length()) // replicas, in sync, offline
			}
			d.tags()
			l.add(p, brokers[leader])
		}
		d.int32() // authorised operations
		d.tags()
	}
	if err := d.err(); err != nil {
		return nil, fmt.Errorf("read metadata of topic %q: %w", topic, err)
	}
	slices.Sort(l.Partitions)
	return l, nil
}

// metadata asks an old broker, which knows no topic ids.
func (cn *conn) metadata(ctx context.Context, topic string) (*layout, error) {
	m, err := cn.call(ctx, &metadata.Request{TopicNames: []string{topic}})
	if err != nil {
		return nil, err
	}
	res := m.(*metadata.Response)
	brokers := map[int32]string{}
	for _, b := range res.Brokers {
		brokers[b.NodeID] = kafkaBroker(b.Host, b.Port)
	}
	l := &layout{leaders: map[int]string{}, controller: brokers[res.ControllerID]}
	l.ClusterID = res.ClusterID
	for _, t := range res.Topics {
		l.Name, l.code = t.Name, t.ErrorCode
		for _, p := range t.Partitions {
			l.add(int(p.PartitionIndex), brokers[p.LeaderID])
		}
	}
	slices.Sort(l.Partitions)
	return l, nil
}

func (l *layout) add(partition int, leader string) {
	l.Partitions = append(l.Partitions, partition)
	switch {
	case leader != "":
		l.leaders[partition] = leader
	case l.code == 0:
		l.code = codeLeaderNotAvailable
	}
}

// leader returns the address of the partition's leader and the topic's id.
func (c *Client) leader(ctx context.Context, topic string, partition int) (addr, id string, err error) {
	l, err := c.lookUp(ctx, topic)
	if err != nil {
		return "", "", err
	}
	if addr, ok := l.leaders[partition]; ok {
		return addr, l.ID, nil
	}
	if slices.Contains(l.Partitions, partition) {
		return "", "", kafka.LeaderNotAvailable
	}
	return "", "", ErrNoTopic
}

// atLeader calls f with the shared connection to the partition's leader, and again when the leader has moved, for as
// long as a request may take.
func (c *Client) atLeader(ctx context.Context, topic string, partition int, f func(*conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	return c.retry(ctx, func() error {
		addr, _, err := c.leader(ctx, topic, partition)
		if err != nil {
			return err
		}
		return c.ask(ctx, func(ctx context.Context) (*conn, error) { return c.to(ctx, addr) }, f)
	})
}

package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// MayJoin says whether we have the rights that a member of a consumer group needs, which reads a topic. It joins nothing and changes nothing: it
// sends the offset of a member that there is not, which a broker refuses for that only after it has seen to the rights. (A heartbeat would
// do, but kafka-go 0.4.51 reads its answer's fields in the wrong order and finds no error in any.) ErrNoRight where they lack.
func (c *Client) MayJoin(ctx context.Context, group, topic string) error {
	transport := &kafka.Transport{Dial: c.cfg.Dial, DialTimeout: c.cfg.DialTimeout, ClientID: c.cfg.ClientID, TLS: c.cfg.TLS, SASL: c.sasl}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.cfg.Brokers...), Timeout: c.cfg.RequestTimeout, Transport: transport}
	answer, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: 1, MemberID: "caudal-doctor", Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 0}}},
	})
	if err == nil {
		for _, p := range answer.Topics[topic] {
			err = p.Error
		}
	}
	switch {
	case err == nil, errors.Is(err, kafka.UnknownMemberId), errors.Is(err, kafka.IllegalGeneration), errors.Is(err, kafka.RebalanceInProgress):
		return nil
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		err = fmt.Errorf("%w: %w", ErrNoRight, err)
	}
	return fmt.Errorf("join kafka group %q: %w", group, err)
}

// MayRead says whether we have the right to read a topic, by reading what its log begins with. ErrNoRight where it lacks.
func (c *Client) MayRead(ctx context.Context, topic string, partition int) error {
	first, _, err := c.Bounds(ctx, topic, partition)
	if err != nil {
		return err
	}
	r := c.Reader(topic, partition, first)
	defer r.Close()
	if _, err = r.Fetch(ctx, 1, 1, nil); errors.Is(err, kafka.TopicAuthorizationFailed) {
		return fmt.Errorf("%w: %w", ErrNoRight, err)
	}
	return err
}

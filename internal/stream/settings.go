package stream

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
)

// Settings are a topic's that decide how long its records stay.
type Settings struct {
	Retention time.Duration // of records; 0: for ever
	Bytes     int64         // of a partition, beyond which the oldest records go; 0: no limit
	Cleanup   string        // cleanup.policy: "delete", "compact" or both; "" where the broker does not say
}

// topicResource is Kafka's number of the kind of resource.
const topicResource = 2

// Settings asks a broker for a topic's. It needs the right to describe the topic's configuration.
func (c *Client) Settings(ctx context.Context, topic string) (s Settings, err error) {
	err = c.ask(ctx, c.any, func(cn *conn) error {
		m, err := cn.call(ctx, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{{
			ResourceType: topicResource, ResourceName: topic, ConfigNames: []string{"retention.ms", "retention.bytes", "cleanup.policy"},
		}}})
		if err != nil {
			return err
		}
		for _, r := range m.(*describeconfigs.Response).Resources {
			if r.ErrorCode != 0 {
				return fmt.Errorf("%w: %s", kafka.Error(r.ErrorCode), r.ErrorMessage)
			}
			for _, e := range r.ConfigEntries {
				if err := s.set(e.ConfigName, e.ConfigValue); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("ask for the settings of kafka topic %q: %w", topic, err)
	}
	return s, nil
}

func (s *Settings) set(name, value string) error {
	if name == "cleanup.policy" {
		s.Cleanup = value
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is %q: %w", name, value, err)
	}
	switch n = max(n, 0); name { // -1 is no limit
	case "retention.ms":
		s.Retention = time.Duration(min(n, int64(time.Duration(1<<63-1)/time.Millisecond))) * time.Millisecond
	case "retention.bytes":
		s.Bytes = n
	}
	return nil
}

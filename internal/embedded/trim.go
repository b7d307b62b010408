package embedded

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Trim makes the log of a partition begin at an offset, as retention would: what is below is gone.
func (b *Broker) Trim(ctx context.Context, topic string, partition int, before int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		return fmt.Errorf("trim %s/%d: %w", topic, partition, err)
	}
	defer client.Close()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = int32(partition), before
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Topics, request.TimeoutMillis = append(request.Topics, t), 5000
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("trim %s/%d: %w", topic, partition, err)
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("trim %s/%d: %w", topic, partition, err)
			}
		}
	}
	return nil
}

package testservices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topics does to the topics of a cluster what an operator, or the retention, does to them.
type Topics struct{ Brokers []string }

// Create makes a topic, and waits until the deletion of its namesake is over.
func (t Topics) Create(ctx context.Context, topic string, partitions int) error {
	return t.with(ctx, "create topic "+topic, func(ctx context.Context, c *kgo.Client) error {
		of := kmsg.NewCreateTopicsRequestTopic()
		of.Topic, of.NumPartitions, of.ReplicationFactor = topic, int32(partitions), -1 // the brokers' own default
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Topics, request.TimeoutMillis = append(request.Topics, of), 5000
		for {
			response, err := request.RequestWith(ctx, c)
			if err == nil {
				err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
			}
			if !errors.Is(err, kerr.TopicAlreadyExists) {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// Delete deletes a topic.
func (t Topics) Delete(ctx context.Context, topic string) error {
	return t.with(ctx, "delete topic "+topic, func(ctx context.Context, c *kgo.Client) error {
		request := kmsg.NewPtrDeleteTopicsRequest()
		request.TopicNames, request.TimeoutMillis = []string{topic}, 5000
		of := kmsg.NewDeleteTopicsRequestTopic()
		of.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, of)
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	})
}

// exists says whether there is such a topic.
func (t Topics) exists(ctx context.Context, topic string) (there bool, err error) {
	err = t.with(ctx, "look for topic "+topic, func(ctx context.Context, c *kgo.Client) error {
		of := kmsg.NewMetadataRequestTopic()
		of.Topic = kmsg.StringPtr(topic)
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = append(request.Topics, of)
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
		there = err == nil
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil
		}
		return err
	})
	return there, err
}

// AddPartitions gives a topic so many partitions in all.
func (t Topics) AddPartitions(ctx context.Context, topic string, partitions int) error {
	return t.with(ctx, "add partitions to topic "+topic, func(ctx context.Context, c *kgo.Client) error {
		of := kmsg.NewCreatePartitionsRequestTopic()
		of.Topic, of.Count = topic, int32(partitions)
		request := kmsg.NewPtrCreatePartitionsRequest()
		request.Topics, request.TimeoutMillis = append(request.Topics, of), 5000
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	})
}

// Trim makes the log of a partition begin at an offset, as retention does: what is below is gone.
func (t Topics) Trim(ctx context.Context, topic string, partition int, before int64) error {
	return t.with(ctx, fmt.Sprintf("trim %s/%d", topic, partition), func(ctx context.Context, c *kgo.Client) error {
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = int32(partition), before
		of := kmsg.NewDeleteRecordsRequestTopic()
		of.Topic, of.Partitions = topic, append(of.Partitions, p)
		request := kmsg.NewPtrDeleteRecordsRequest()
		request.Topics, request.TimeoutMillis = append(request.Topics, of), 5000
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	})
}

func (t Topics) with(ctx context.Context, what string, do func(context.Context, *kgo.Client) error) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(t.Brokers...))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := do(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

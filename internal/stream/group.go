package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
)

// partitionWatch is how often a group looks for new partitions, and for a topic that did not exist yet.
const partitionWatch = 2 * time.Second

// leaveWait bounds how long RunGroup may take to say goodbye.
const leaveWait = 2 * time.Second

// Assignment is what one generation of a consumer group has given to this member.
type Assignment struct {
	Topics map[string][]int // partitions, ascending; a topic without any is absent
	// Commit stores the next offset to read by topic and partition in the group, as a gauge of lag for people and
	// tools. It fails once the generation has ended.
	Commit func(ctx context.Context, next map[string]map[int]int64) error
}

// RunGroup joins the consumer group and calls handle with the partitions of each generation. The handler's ctx ends when
// they are revoked, and no generation begins before the handler of the last one has returned; so at most one handler
// runs at a time, and it should return promptly (the group waits for it for up to the session timeout ×5).
//
// It is Generation and not kafka-go's Reader with a GroupID: that one's queue outlives a rebalance.
//
// RunGroup returns when ctx ends (with ctx's error) or when handle returns an error marked by Permanent. All other
// errors, the brokers' and the handler's, are told to Config.OnError and tried again with growing pauses. A handler that
// returns nil before its ctx ends asks for the next generation.
func (c *Client) RunGroup(ctx context.Context, group string, topics []string, handle func(ctx context.Context, a Assignment) error) error {
	watched := newWatch(c, topics)
	watched.changed(ctx) // before the first assignment
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:      group,
		Brokers: c.cfg.Brokers,
		Topics:  topics,
		Dialer: &kafka.Dialer{
			ClientID: c.cfg.ClientID,
			Timeout:  c.cfg.DialTimeout,
			DialFunc: c.cfg.Dial,
			TLS:      c.cfg.TLS, SASLMechanism: c.sasl,
		},
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		SessionTimeout:    c.cfg.SessionTimeout,
		HeartbeatInterval: c.cfg.HeartbeatInterval,
		RebalanceTimeout:  5 * c.cfg.SessionTimeout,
		JoinGroupBackoff:  200 * time.Millisecond,
		StartOffset:       kafka.FirstOffset,
	})
	if err != nil {
		return fmt.Errorf("join kafka group %q: %w", group, err)
	}
	defer leave(cg)

	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for {
		err := c.generation(ctx, cg, watched, handle, pause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		if p := (*backoff.PermanentError)(nil); errors.As(err, &p) {
			return p.Unwrap()
		}
		c.cfg.OnError(fmt.Errorf("kafka group %q: %w", group, err))
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave leaves the group, so that the others need not wait for the session timeout. It does not wait for long: kafka-go
// may be in a join that the broker answers only after a rebalance, and nothing of ours runs any more.
func leave(cg *kafka.ConsumerGroup) {
	left := make(chan struct{})
	go func() {
		cg.Close()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(leaveWait):
	}
}

// generation waits for the next generation and runs the handler in it.
func (c *Client) generation(ctx context.Context, cg *kafka.ConsumerGroup, watched *watch, handle func(context.Context, Assignment) error,
	pause *backoff.ExponentialBackOff) error {
	gen, err := cg.Next(ctx)
	if err != nil {
		return err
	}
	a := Assignment{Topics: map[string][]int{}, Commit: func(ctx context.Context, next map[string]map[int]int64) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return gen.CommitOffsets(next)
	}}
	for topic, ps := range gen.Assignments {
		for _, p := range ps {
			a.Topics[topic] = append(a.Topics[topic], p.ID)
		}
		slices.Sort(a.Topics[topic])
	}
	done := make(chan error, 1)
	gen.Start(func(revoked context.Context) { // kafka-go waits for it before it joins again
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(revoked, cancel)()
		var watching sync.WaitGroup
		watching.Go(func() { watched.run(ctx); cancel() })
		defer watching.Wait()
		defer cancel()
		began := time.Now()
		err := handle(ctx, a)
		if ctx.Err() != nil && !isPermanent(err) {
			err = nil // the generation ended, and that is what the handler says in its own words
		}
		if time.Since(began) > pause.MaxInterval {
			pause.Reset()
		}
		done <- err
	})
	return <-done
}

func isPermanent(err error) bool {
	p := (*backoff.PermanentError)(nil)
	return errors.As(err, &p)
}

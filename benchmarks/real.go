package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// What issue 8 aims at on two cores with Kafka and Redis on the same two, in events a second.
const (
	aimWhileProduced = 400_000
	aimBoth          = 200_000
	aimBacklog       = 450_000
)

const microseconds = "µs/event"

// realPaths measures the speed layer and the archive as in production: each a process of its own, from Apache Kafka to Redis and a lake in a folder, everything on this machine;
// with so many more events than the other parts that what a start takes is little beside them.
func realPaths(ctx context.Context, n int) ([]row, error) {
	n *= 3
	var rows []row
	for _, measure := range []func(context.Context, *stage, int) ([]row, error){backlog, whileProduced, bothLayers} {
		s, err := realStage(ctx)
		if err != nil {
			return nil, err
		}
		more, err := measure(ctx, s, n)
		if err := errors.Join(err, s.close()); err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// realStage is a stage of the rollups over Apache Kafka and Redis; its topic exists.
func realStage(ctx context.Context) (*stage, error) {
	s, err := openStage(ctx, rollups, realKafka, realRedis)
	if err != nil {
		return nil, err
	}
	src := s.project.Sources[0]
	if err := s.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// realKafka starts Apache Kafka, which keeps its log in a folder of its own.
func realKafka(string) ([]string, func() error, error) {
	k, err := testservices.StartKafka()
	if err != nil {
		return nil, nil, err
	}
	return k.Brokers(), func() error { k.Stop(); return nil }, nil
}

// realRedis starts a redis-server.
func realRedis() (string, func() error, error) {
	r, err := testservices.StartRedis()
	if err != nil {
		return "", nil, err
	}
	return r.Addr(), func() error { r.Stop(); return nil }, nil
}

// backlog measures the speed layer from offset 0 of a log that is there already.
func backlog(ctx context.Context, s *stage, n int) ([]row, error) {
	if err := s.fill(ctx, newEvents(1), n); err != nil {
		return nil, err
	}
	var rate float64
	used, err := s.beside(duty{Project: rollups, Speed: true}, func(p *process) (err error) {
		rate, err = s.speedRate(ctx, p)
		return err
	})
	return []row{
		{Item: "g", Name: "speed layer, Kafka to Redis, from offset 0 of a backlog", Value: rate, Unit: perSecond, Limit: limitSpeed, Aim: aimBacklog},
		{Item: "g", Name: "processor time of the speed layer in it", Value: float64(used.Microseconds()) / float64(n), Unit: microseconds},
	}, err
}

// whileProduced measures the speed layer while the producer is at work on the same cores: from the first event to the last one's flush.
func whileProduced(ctx context.Context, s *stage, n int) ([]row, error) {
	if err := s.warm(ctx); err != nil {
		return nil, err
	}
	// a first event lets the layer take its partitions before the clock runs
	if err := s.fill(ctx, warmEvents(), 1); err != nil {
		return nil, err
	}
	var produced, counted time.Duration
	_, err := s.beside(duty{Project: rollups, Speed: true}, func(p *process) error {
		if err := await(ctx, p.ended, s.counted); err != nil {
			return err
		}
		_, err := s.beside(duty{Project: rollups, Fill: n}, func(producer *process) (err error) {
			produced, counted, err = s.sentAndCounted(ctx, producer, p)
			return err
		})
		return err
	})
	return []row{
		{Item: "d", Name: "speed layer, Kafka to Redis, while the events are produced", Value: float64(n) / counted.Seconds(), Unit: perSecond, Limit: limitSpeed, Aim: aimWhileProduced},
		{Item: "d", Name: "the producer meanwhile", Value: float64(n) / produced.Seconds(), Unit: perSecond},
	}, err
}

// warm sends the broker events of another topic, as one that has just been started compiles itself on the cores that are measured.
func (s *stage) warm(ctx context.Context) error {
	const topic, events = "warm-up", 1_000_000
	if err := s.stream.EnsureTopic(ctx, topic, s.project.Sources[0].Partitions); err != nil {
		return err
	}
	return s.writeTo(ctx, topic, warmEvents().batches(events))
}

// sentAndCounted lets the producer send what it has made, and returns how long that took, and how long it took until a process had counted all of it.
func (s *stage) sentAndCounted(ctx context.Context, producer, counting *process) (sent, counted time.Duration, err error) {
	if err := producer.says("made"); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := producer.Process.Signal(syscall.SIGUSR2); err != nil {
		return 0, 0, fmt.Errorf("ask the producer to send: %w", err)
	}
	if <-producer.ended; producer.err != nil {
		return 0, 0, fmt.Errorf("produce: %w", producer.err)
	}
	sent = time.Since(began)
	if err := s.note(ctx); err != nil {
		return 0, 0, err
	}
	err = await(ctx, counting.ended, s.counted)
	return sent, time.Since(began), err
}

// bothLayers measures the speed layer and the archive side by side over the same backlog.
func bothLayers(ctx context.Context, s *stage, n int) ([]row, error) {
	if err := s.fill(ctx, newEvents(1), n); err != nil {
		return nil, err
	}
	var slower float64
	_, err := s.beside(duty{Project: rollups, Archive: true}, func(*process) error {
		_, err := s.beside(duty{Project: rollups, Speed: true}, func(p *process) error {
			began := time.Now()
			if err := await(ctx, p.ended, s.counted); err != nil {
				return err
			}
			counted := time.Since(began)
			archived, err := s.archived(ctx)
			slower = min(float64(n), float64(archived)) / counted.Seconds()
			return err
		})
		return err
	})
	return []row{{Item: "f", Name: "speed layer and archive together, the slower of the two", Value: slower, Unit: perSecond, Limit: limitArchive, Aim: aimBoth}}, err
}

// archived is how many records are in committed chunks.
func (s *stage) archived(ctx context.Context) (int64, error) {
	sum := int64(0)
	for p := range s.ends {
		next, _, _, err := s.lake.Next(ctx, s.topic, p)
		if err != nil {
			return 0, err
		}
		sum += next
	}
	return sum, nil
}

// warmEvents come before those that are measured.
func warmEvents() *eventSource {
	e := newEvents(1)
	e.ids = "warm"
	return e
}

// watchEvery is how often progress is looked at.
const watchEvery = 10 * time.Millisecond

// await waits until done says so; what is waited beside may not end before (nil: there is nothing).
func await(ctx context.Context, ended <-chan struct{}, done func(context.Context) bool) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for !done(ctx) {
		select {
		case <-ended:
			return errors.New("the process ended by itself")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// speedRate is how many events a second the speed layer counts, from the first flush that is seen to the last: how long it takes to join a consumer group is not in it.
func (s *stage) speedRate(ctx context.Context, p *process) (float64, error) {
	var first time.Time
	var from int64
	err := await(ctx, p.ended, func(ctx context.Context) bool {
		want, done := s.progress(ctx)
		if first.IsZero() && done > 0 {
			first, from = time.Now(), done
		}
		return done == want
	})
	want, _ := s.progress(ctx)
	return float64(want-from) / float64(len(s.project.Views)) / time.Since(first).Seconds(), err
}

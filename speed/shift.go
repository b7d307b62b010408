package speed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
)

// shift is one generation of the consumer group for one source: the loop that turns its partitions' records into flushes.
type shift struct {
	w      *Worker
	lane   *lane
	m      *sourceMetrics
	topic  lake.Topic
	seen   stream.Topic  // whose records are read, and no other life's
	starts map[int]int64 // of the partitions' logs
	parts  []*partition
	commit func(ctx context.Context, next map[string]map[int]int64) error

	fetched chan fetched
	batch   microBatch
	tick    int64 // number of the micro-batch
	refs    []ref
	lessons []int // values.marks before the first and after each part that resolve went through
	arena   []byte
	failing []fetched // feeds that ended
	polled  time.Time
	worked  time.Time // when the last micro-batch was through; zero: none was since rest gave its memory back
	told    told
}

// told is what the shift has let others know.
type told struct {
	offsets      time.Time // when they were committed to the consumer group
	cells, bytes int64     // in memory, as in the metrics
}

// errCrash is what a step of a test ends the worker with.
type errCrash struct{ error }

func crashed(err error) bool {
	var c errCrash
	return errors.As(err, &c)
}

// step marks a point between two steps.
func (s *shift) step(name string) error {
	if s.w.cfg.Steps == nil {
		return nil
	}
	if err := s.w.cfg.Steps(name); err != nil {
		return errCrash{fmt.Errorf("stopped at step %s: %w", name, err)}
	}
	return nil
}

func (w *Worker) newShift(ctx context.Context, l *lane, numbers []int, commit func(context.Context, map[string]map[int]int64) error) (*shift, error) {
	s := &shift{w: w, lane: l, m: w.metrics.of(l.src.Name), commit: commit, starts: map[int]int64{}, fetched: make(chan fetched)}
	var err error
	if s.seen, s.topic, err = w.lifeOf(ctx, l.src.Topic); err != nil {
		return nil, err
	}
	l.input.OfIncarnation(s.topic.Incarnation)
	for _, p := range s.seen.Partitions {
		if s.starts[p], _, err = w.cfg.Stream.Bounds(ctx, l.src.Topic, p); err != nil {
			return nil, err
		}
	}
	for _, n := range numbers {
		s.parts = append(s.parts, newPartition(l, w.cfg.Project, s.topic, n))
	}
	s.batch = newMicroBatch(l.src)
	return s, nil
}

// run works until ctx ends. What is merged by then is still flushed.
func (s *shift) run(ctx context.Context) error {
	defer s.end()
	work, stop := detached(ctx, s.w.cfg.StopWithin)
	defer stop()
	measuring, done := context.WithCancel(ctx)
	var measured sync.WaitGroup
	measured.Go(func() { s.measure(measuring) })
	defer measured.Wait()
	defer done()
	for ctx.Err() == nil {
		if err := s.takeDue(ctx); err != nil {
			return err
		}
		if time.Since(s.polled) >= s.w.cfg.Poll {
			s.polled = time.Now()
			if err := s.poll(ctx); err != nil {
				return err
			}
			s.report()
		}
		if err := s.gather(ctx); err != nil {
			return err
		}
		if s.batch.records > 0 {
			if err := s.process(work); err != nil {
				return err
			}
			s.tell(ctx)
			s.work()
		}
		s.rest()
		if err := s.flushDue(work, false); err != nil {
			return err
		}
		for _, f := range s.failing {
			if over(f.err) {
				return fmt.Errorf("%s: %w", s.topic, f.err)
			}
			if f.feed.p.feed == f.feed {
				s.drop(f.feed.p, "read failed", f.err)
			}
		}
		s.failing = s.failing[:0]
	}
	if crashed(context.Cause(ctx)) {
		return ctx.Err() // another loop of the worker
	}
	if err := s.flushDue(work, true); err != nil {
		return err
	}
	return ctx.Err()
}

// detached is a context that ends so long after ctx has.
func detached(ctx context.Context, within time.Duration) (context.Context, func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(within, cancel) })
	return work, func() { stop(); cancel() }
}

func (s *shift) end() {
	for _, p := range s.parts {
		if p.feed != nil {
			p.feed.stop()
		}
	}
	s.tellMemory(0, 0)
	if !s.worked.IsZero() {
		s.w.quiet.rest()
	}
	s.w.forget(s.parts)
}

// gather folds what the feeds hand over into the micro-batch until it closes, or returns without records when there is something
// else to do.
func (s *shift) gather(ctx context.Context) error {
	s.batch.reset()
	s.tick++
	timer := time.NewTimer(s.idle())
	defer timer.Stop()
	for s.batch.records < s.w.cfg.BatchRecords {
		select {
		case f := <-s.fetched:
			if f.feed.p.feed != f.feed {
				continue // of a feed that was stopped meanwhile
			}
			if f.err != nil {
				s.m.errors.WithLabelValues(s.lane.src.Name, "read").Inc()
				s.failing = append(s.failing, f) // after what it handed over before
				return s.step("read")
			}
			if s.batch.records == 0 {
				s.batch.began = time.Now()
				timer.Reset(s.w.cfg.BatchWait)
			}
			if f.stored != nil {
				s.batch.addStored(f.feed.p, f.stored, s.m)
			} else {
				s.batch.add(f.feed.p, f.records, s.m)
				s.batch.traces = trace.Join(s.batch.traces, f.traces)
			}
			f.feed.folded <- struct{}{}
		case <-timer.C:
			return s.step("read")
		case <-ctx.Done():
			// What was folded is dropped with the generation: nothing of it has been merged.
			s.batch.reset()
			return nil
		}
	}
	return s.step("read")
}

// idle is how long there is nothing to do but to wait for records.
func (s *shift) idle() time.Duration {
	d := s.w.cfg.Poll - time.Since(s.polled)
	for _, p := range s.parts {
		if !p.up() {
			d = min(d, time.Until(p.again))
		}
	}
	return max(d, 0)
}

// process takes the micro-batch through the engine, memory and Redis.
func (s *shift) process(ctx context.Context) (err error) {
	b := &s.batch
	ctx, end := s.w.cfg.Trace.Take(ctx, "speed micro-batch", b.began, b.traces, "caudal.source", s.lane.src.Name)
	defer func() { end(err) }()
	for i, q := range s.lane.queries {
		if err := s.lane.compute(ctx, q, b, i, s.w.cfg.FlushCells); err != nil {
			return err
		}
	}
	if err := s.step("query"); err != nil {
		return err
	}
	s.arena = s.arena[:0]
	var calls []call
	for part := range b.parts {
		more, err := s.prepareAll(ctx, b, part)
		if err != nil {
			if crashed(err) || ctx.Err() != nil {
				return err
			}
			s.drop(b.parts[part].p, "merge failed", err)
			continue
		}
		calls = append(calls, more...)
	}
	if err := s.step("before flush"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.flush(ctx, b, calls); err != nil {
		return err
	}
	now := time.Now()
	s.m.flush.Observe(now.Sub(began).Seconds())
	s.m.batch.Observe(now.Sub(b.began).Seconds())
	s.arrived(b, now)
	for _, share := range b.parts {
		if share.p.up() {
			share.p.trouble = ""
		}
		for _, g := range share.p.groups {
			g.endBatch()
		}
	}
	if err := s.evict(ctx); err != nil {
		return err
	}
	return s.step("after flush")
}

// prepareAll merges a partition's share into all of its groups.
func (s *shift) prepareAll(ctx context.Context, b *microBatch, part int) ([]call, error) {
	var calls []call
	for i, q := range s.lane.queries {
		more, err := s.prepare(ctx, q, b, i, part, 0)
		if err != nil {
			return nil, err
		}
		calls = append(calls, more...)
	}
	return calls, nil
}

// tell commits the offsets to the consumer group now and then: a gauge of lag, read by people and tools only.
func (s *shift) tell(ctx context.Context) {
	if time.Since(s.told.offsets) < time.Second {
		return
	}
	s.told.offsets = time.Now()
	next := map[int]int64{}
	for _, p := range s.parts {
		if p.up() {
			next[p.number] = p.lowest()
		}
	}
	if err := s.commit(ctx, map[string]map[int]int64{s.lane.src.Topic: next}); err != nil && ctx.Err() == nil {
		s.m.errors.WithLabelValues(s.lane.src.Name, "commit").Inc()
	}
}

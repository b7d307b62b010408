package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
)

// partition archives one partition of one life of a topic.
type partition struct {
	archive *Archive
	feed    *feed
	topic   lake.Topic
	seen    stream.Topic // whose records are read, and no other life's
	id      int
	defined bool // the lake has the feed's definition
	// chunkBytes of keys and values close a chunk.
	chunkBytes int64
	reader     func(offset int64) reader
	committed  func(ctx context.Context, next int64) error // tells the group, as a gauge
}

// reader is what a partition is read with: a *stream.Reader.
type reader interface {
	Fetch(ctx context.Context, max int, wait time.Duration, dst []stream.Record) ([]stream.Record, error)
	Traces() []string // of the last Fetch
	Offset() int64
	Close() error
}

func (a *Archive) partition(t lake.Topic, seen stream.Topic, id int) *partition {
	return &partition{
		archive: a, feed: a.feeds[t.Name], topic: t, seen: seen, id: id, chunkBytes: a.cfg.ChunkBytes,
		reader:    func(offset int64) reader { return a.cfg.Stream.ReaderOf(seen, id, offset) },
		committed: func(context.Context, int64) error { return nil },
	}
}

// Back-off between attempts after a failure, with jitter.
const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// run archives until ctx ends. Whatever fails, memory is dropped and the lake asked anew where to go on. An error means that the topic has to
// be looked at anew: it is no longer the one that was assigned.
func (p *partition) run(ctx context.Context) error {
	defer func() { p.archive.metrics.release(p.topic.Name, p.label()) }()
	backoff := firstBackoff
	for {
		began := time.Now()
		err := p.life(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case over(err):
			return err
		case errors.Is(err, lake.ErrExists) || errors.Is(err, lake.ErrChanged):
			// Another archive was faster; it may still be at work, after a rebalance.
			p.archive.cfg.Logger.Info("another archive wrote the chunk", "topic", p.topic.Name, "partition", p.id, "error", err)
		default:
			p.archive.metrics.errors.WithLabelValues(p.topic.Name).Inc()
			p.archive.cfg.Logger.Warn("archive begins again from the lake", "topic", p.topic.Name, "partition", p.id, "error", err)
		}
		if time.Since(began) > lastBackoff {
			backoff = firstBackoff
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// life goes on from where the lake ends, until something fails.
func (p *partition) life(ctx context.Context) error {
	next, at, err := p.finishOpen(ctx)
	if err != nil {
		return err
	}
	if next < 0 {
		begin, err := p.archive.cfg.Lake.Begin(ctx, p.topic)
		if err != nil {
			return err
		}
		next = begin[p.id]
	}
	if err := p.weigh(ctx); err != nil {
		return err
	}
	w, err := p.open(ctx, p.feed, next, at)
	if err != nil {
		return err
	}
	defer w.close()
	for {
		c, err := w.read(ctx)
		if err != nil {
			return errors.Join(err, p.farewell(ctx, w, err))
		}
		if err := p.write(ctx, c); err != nil {
			return err
		}
		w.reset()
	}
}

// weigh tells how much of the partition stands in the lake; count adds what comes. An erasure that takes from it is seen by the next life.
func (p *partition) weigh(ctx context.Context) error {
	chunks, err := p.archive.cfg.Lake.Committed(ctx, p.topic, p.id)
	if err != nil {
		return err
	}
	p.archive.metrics.release(p.topic.Name, p.label())
	p.archive.metrics.hold(p.topic.Name, p.label(), chunks...)
	return nil
}

// label is the partition's number, as metrics have it.
func (p *partition) label() string { return strconv.Itoa(p.id) }

// finishOpen carries out an intent that was left without its commit, and says where the lake ends then.
func (p *partition) finishOpen(ctx context.Context) (next int64, at intake.Progress, err error) {
	for {
		next, at, open, err := p.archive.cfg.Lake.Next(ctx, p.topic, p.id)
		if err != nil || open == nil {
			return next, at, err
		}
		if err := p.finish(ctx, *open, at); err != nil {
			return 0, at, fmt.Errorf("finish chunk [%d, %d) of %s p%d: %w", open.First, open.Next, p.topic, p.id, err)
		}
	}
}

// finish reads the range of an intent again, with the intent's definition and not with ours, and writes what is not there yet.
func (p *partition) finish(ctx context.Context, open lake.Chunk, at intake.Progress) error {
	f, err := p.feedOf(ctx, open.Definition)
	if err != nil {
		return err
	}
	w, err := p.open(ctx, f, open.First, at)
	if err != nil {
		return err
	}
	defer w.close()
	c, err := w.readRange(ctx, open.Last)
	if err != nil {
		return err
	}
	c.next = open.Next
	if len(c.missing) > 0 {
		if err := p.mend(ctx, f, c); err != nil {
			return err
		}
	}
	c.missing = append(c.missing, open.Gone...)
	return p.fulfil(ctx, open, c)
}

// feedOf returns the source that a chunk was begun with.
func (p *partition) feedOf(ctx context.Context, definition string) (*feed, error) {
	if definition == p.feed.definition {
		return p.feed, nil
	}
	return feedOf(ctx, p.archive.cfg.Lake, definition)
}

// write puts a chunk into the lake: intent, files, commit.
func (p *partition) write(ctx context.Context, c *chunk) (err error) {
	ctx, end := p.archive.cfg.Trace.Take(ctx, "archive chunk", c.since, c.traces, "caudal.topic", p.topic.Name, "caudal.partition", p.label())
	defer func() { end(err) }()
	if err := p.step("before-intent"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.defined {
		// Not before there is something to write: what the lake knows is what it holds rows of.
		if err := p.archive.cfg.Lake.PutDefinition(ctx, p.feed.definition, p.feed.source.Canonical()); err != nil {
			return err
		}
		p.defined = true
	}
	open, err := p.archive.cfg.Lake.PutIntent(ctx, p.topic, p.id, lake.Intent{
		First: c.first, Last: c.last, Next: c.next, Definition: p.feed.definition, IngestedAt: p.archive.cfg.Clock().UnixMicro(),
		Gone: overlap(c.missing, c.last+1, c.next),
	})
	if err != nil {
		return err
	}
	return p.fulfil(ctx, open, c)
}

// fulfil writes the files of an intent and commits it. It goes on for a while when ctx ends.
func (p *partition) fulfil(ctx context.Context, open lake.Chunk, c *chunk) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	if err := p.step("after-intent"); err != nil {
		return err
	}
	if err := p.putFiles(ctx, &open, c); err != nil {
		return err
	}
	c.account(&open)
	if err := p.step("before-commit"); err != nil {
		return err
	}
	if err := p.archive.cfg.Lake.Commit(ctx, p.topic, p.id, open); err != nil {
		return err
	}
	if err := p.step("after-commit"); err != nil {
		return err
	}
	p.count(c, &open)
	if err := p.committed(ctx, open.Next); err != nil {
		p.archive.cfg.Logger.Debug("group offset of the archive not committed", "topic", p.topic.Name, "partition", p.id, "error", err)
	}
	return nil
}

func (p *partition) step(name string) error { return p.archive.cfg.Steps(name) }

func (p *partition) count(c *chunk, done *lake.Chunk) {
	m, topic := p.archive.metrics, p.topic.Name
	m.records.WithLabelValues(topic, "event").Add(float64(done.Events - done.Duplicates))
	m.records.WithLabelValues(topic, "duplicate").Add(float64(done.Duplicates))
	m.records.WithLabelValues(topic, "dead_letter").Add(float64(done.Dead))
	for i := range c.dead {
		m.dead.WithLabelValues(topic, c.dead[i].Reason).Inc()
	}
	m.chunks.WithLabelValues(topic).Inc()
	for _, f := range done.Files {
		m.bytes.WithLabelValues(topic).Add(float64(f.Bytes))
	}
	for _, gap := range done.Missing {
		m.missing.WithLabelValues(topic).Add(float64(gap[1] - gap[0]))
	}
	m.next.WithLabelValues(topic, p.label()).Set(float64(done.Next))
	m.hold(topic, p.label(), *done)
	p.archive.cfg.Logger.Debug("chunk committed", "topic", topic, "partition", p.id, "first", done.First, "next", done.Next,
		"events", done.Events, "dead", done.Dead, "files", len(done.Files))
}

// overtaken says whether err is that retention took records below the log's start, and where the log begins now.
func overtaken(err error) (first int64, ok bool) {
	var out *stream.OutOfRange
	if errors.As(err, &out) && out.Offset < out.First {
		return out.First, true
	}
	return 0, false
}

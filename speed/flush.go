package speed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// call is one flush of one group on its way, and what it was made of.
type call struct {
	g     *group
	q     *query
	part  int // position in the micro-batch
	sub   int // the part of it
	flush live.Flush
	later []ref // of its rows, where the coarser grains take them in once it is acknowledged; nil: the flush has all grains
}

// errLost means that memory and Redis differ in a way that only taking the partition again can mend (SEAM Worker 6 iii).
type errLost struct{ why string }

func (e *errLost) Error() string { return e.why }

// prepare merges what a view's query made of a partition's share into its group, from one part on, and returns the flushes.
func (s *shift) prepare(ctx context.Context, q *query, b *microBatch, view, part, from int) ([]call, error) {
	spans := q.spans[part]
	if from >= len(spans) {
		return nil, nil
	}
	share := b.parts[part]
	g := share.p.groups[view]
	from, err := s.catchUp(ctx, q, b, g, part, from)
	if err != nil || from == len(spans) {
		return nil, err
	}
	apart, err := s.resolve(ctx, q, g, part, from)
	if err != nil {
		return nil, err
	}
	refs, grains := s.refs, len(g.grains)
	if apart {
		grains = 1
	}
	off, counts := g.off, g.counts
	calls := make([]call, 0, len(spans)-from)
	for sub := from; sub < len(spans); sub++ {
		rows := q.out.rows(part, sub)
		n := len(rows) * len(g.grains)
		var writes []live.ChunkWrite
		writes, s.arena = g.merge(&q.out, rows, refs[:n], grains, &counts, s.arena)
		writes = g.values.writes(g.start, s.learnt(g, sub-from), s.learnt(g, sub-from+1), writes)
		var later []ref
		if apart {
			later = append([]ref{}, refs[:n]...)
		}
		refs = refs[n:]
		g.gaps.pass(share.marks[spans[sub].lo:spans[sub].hi], off, &counts)
		writes = g.gaps.write(g.start, writes)
		last := share.marks[spans[sub].hi-1]
		counts.Add(share.counts(spans[sub]))
		for _, i := range rows {
			counts.Errors += q.out.errors[i]
		}
		f := live.Flush{
			Group: g.id, Inst: g.inst, Token: g.token, Start: g.start, From: off, To: last.offset + 1,
			Progress: last.at, Counts: counts, Cells: g.stored, Chunks: writes,
			Coarse: off, CoarseTo: last.offset + 1, CoarseAt: last.at,
		}
		if apart {
			f.Coarse, f.CoarseTo, f.CoarseAt = g.coarse.off, g.coarse.off, g.coarse.written
		}
		calls = append(calls, call{g: g, q: q, part: part, sub: sub, flush: f, later: later})
		off = last.offset + 1
	}
	return calls, nil
}

// resolve finds the cells that the rows go into and reads back those that only Redis has. A cut that is found on the way leaves
// nothing to read. It says whether the coarser grains are to take the rows in later: not where their time is that of every flush, nor where
// the limits refuse some of the rows, which nobody could decide again in the same way, nor where the rows have too many cells; then nothing
// is left pending.
func (s *shift) resolve(ctx context.Context, q *query, g *group, part, from int) (apart bool, err error) {
	for {
		s.refs = s.refs[:0]
		g.endBatch()
		s.lessons = g.values.marks(s.lessons[:0])
		for sub := from; sub < len(q.spans[part]); sub++ {
			s.refs = g.resolve(&q.out, q.out.rows(part, sub), s.tick, s.refs)
			s.lessons = g.values.marks(s.lessons)
		}
		cut := false
		if len(g.incomplete) > 0 {
			var err error
			if cut, err = s.readBack(ctx, g); err != nil {
				return false, err
			}
		}
		if cut {
			g.cut(g.off)
			s.m.cuts.WithLabelValues(s.lane.src.Name, g.id.View).Inc()
			if err := s.flushCoarse(ctx, g); err != nil {
				return false, err
			}
			continue
		}
		refused := g.wouldRefuse(s.refs)
		if g.mayLag() && !refused && g.pendingWith(s.refs) <= s.w.cfg.FlushCells {
			return true, nil
		}
		epoch := g.start
		if err := s.flushCoarse(ctx, g); err != nil {
			return false, err
		}
		if g.start != epoch {
			continue
		}
		if g.mayLag() && !refused && g.pendingWith(s.refs) <= s.w.cfg.FlushCells {
			return true, nil
		}
		g.keepBelowLimit(s.refs)
		return false, nil
	}
}

// learnt is how much was learnt of each text dimension before the n-th of the parts that resolve went through.
func (s *shift) learnt(g *group, n int) []int {
	dims := len(g.values.dims)
	return s.lessons[n*dims : (n+1)*dims]
}

// readBack is SEAM Worker 3 for the chunks of a group that are not complete. It says whether a cut was found instead.
func (s *shift) readBack(ctx context.Context, g *group) (cut bool, err error) {
	expect := g.expect()
	for _, c := range g.incomplete {
		var got live.Loaded
		err = s.retry(ctx, "read back", func() (err error) {
			got, err = s.w.cfg.Live.Load(ctx, g.id, expect, c.id)
			return err
		})
		switch {
		case err != nil:
			return false, err
		case got.Lost != "":
			return false, &errLost{fmt.Sprintf("redis has lost chunk %s of %s", got.Lost, g.id)}
		case !got.OK && expect.WasCut(got.Found):
			return true, nil
		case !got.OK:
			return false, &errLost{fmt.Sprintf("redis holds something else of %s: %+v, expected %+v", g.id, got.Found, expect)}
		}
		if err := c.adopt(got.Segments, &g.tmp); err != nil {
			return false, fmt.Errorf("read chunk %v of %s back: %w", c.id, g.id, err)
		}
		s.m.readBack.WithLabelValues(s.lane.src.Name, g.id.View).Add(float64(c.len()))
	}
	return false, nil
}

// flush sends the calls until each is acknowledged, followed a cut, or its partition is dropped. The order of a group's calls is kept.
func (s *shift) flush(ctx context.Context, b *microBatch, calls []call) (err error) {
	ctx, end := s.w.cfg.Trace.Within(ctx, "speed flush")
	defer func() { end(err) }()
	for pause := s.w.cfg.Backoff; len(calls) > 0; {
		flushes := make([]live.Flush, len(calls))
		for i := range calls {
			flushes[i] = calls[i].flush
		}
		results := s.w.cfg.Live.Flush(ctx, flushes)
		left, failed := s.settle(ctx, b, calls, results)
		calls = left
		if failed == nil {
			continue
		}
		if crashed(failed) {
			return failed
		}
		s.m.errors.WithLabelValues(s.lane.src.Name, "flush").Inc()
		if err := s.w.wait(ctx, pause, failed); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// settle takes in the results and returns the calls that are still to be made, and the failure that they wait out.
func (s *shift) settle(ctx context.Context, b *microBatch, calls []call, results []live.FlushResult) (left []call, failed error) {
	for i := 0; i < len(calls); {
		end := i + 1
		for end < len(calls) && calls[end].g == calls[i].g {
			end++
		}
		more, err := s.settleGroup(ctx, b, calls[i:end], results[i:end])
		left = append(left, more...)
		if err != nil {
			failed = err
		}
		i = end
	}
	return left, failed
}

// settleGroup does so for the calls of one group: SEAM Worker 6.
func (s *shift) settleGroup(ctx context.Context, b *microBatch, calls []call, results []live.FlushResult) (left []call, failed error) {
	p := b.parts[calls[0].part].p
	if !p.up() {
		return nil, nil // dropped by another group of it
	}
	for i := 0; i < len(calls); i++ {
		c, r := &calls[i], results[i]
		switch {
		case r.Applied:
			s.acknowledge(c)
		case r.Err != nil:
			return calls[i:], r.Err // perhaps applied: sent again, it finds out
		case r.Lost != "":
			s.drop(p, "chunk lost", fmt.Errorf("redis has lost chunk %s of %s", r.Lost, c.g.id))
			return nil, nil
		case c.flush.WasCut(r.Found):
			return s.followCut(ctx, b, c)
		default:
			// (i), of this call or of one that was sent after it
			applied := -1
			for j := i; j < len(calls); j++ {
				if calls[j].flush.Start == c.flush.Start && calls[j].flush.WasApplied(r.Found) {
					applied = j
				}
			}
			if applied < 0 {
				s.drop(p, "flush refused", fmt.Errorf("redis holds something else of %s: %+v", c.g.id, r.Found))
				return nil, nil
			}
			for ; i <= applied; i++ {
				s.acknowledge(&calls[i])
			}
			return calls[i:], nil
		}
	}
	return nil, nil
}

// followCut is case (ii): the epoch ended where the call begins, so its cells and those of the calls behind it begin from nothing.
func (s *shift) followCut(ctx context.Context, b *microBatch, c *call) ([]call, error) {
	s.m.cuts.WithLabelValues(s.lane.src.Name, c.g.id.View).Inc()
	c.g.cut(c.flush.From)
	p := b.parts[c.part].p
	if err := s.settleCoarse(ctx, p, c.g); err != nil || !p.up() {
		return nil, err
	}
	for view, g := range p.groups {
		if g == c.g {
			calls, err := s.prepare(ctx, s.lane.queries[view], b, view, c.part, c.sub)
			if err != nil {
				panic(fmt.Sprintf("BUG: an epoch without cells asked for some: %v", err))
			}
			return calls, nil
		}
	}
	panic("BUG: a call of a group that its partition does not have")
}

func (s *shift) acknowledge(c *call) {
	f := &c.flush
	s.m.other.WithLabelValues(s.lane.src.Name, c.g.id.View).Add(float64(f.Counts.Other - c.g.counts.Other))
	s.m.deferred.WithLabelValues(s.lane.src.Name, c.g.id.View).Add(float64(f.Counts.Deferred - c.g.counts.Deferred))
	c.g.off, c.g.progress, c.g.counts = f.To, f.Progress, f.Counts
	s.written(c.g, f.Chunks)
	coarse := &c.g.coarse
	if c.later != nil {
		c.g.mergeCoarse(&c.q.out, c.q.out.rows(c.part, c.sub), c.later)
	} else {
		coarse.off, coarse.written, coarse.flushed = f.CoarseTo, f.CoarseAt, time.Now()
	}
	coarse.at, coarse.progress = f.To, f.Progress
}

// written counts what a flush wrote.
func (s *shift) written(g *group, chunks []live.ChunkWrite) {
	n := 0
	for i := range chunks {
		chunk := &chunks[i]
		if chunk.ID.Grain == live.Limits {
			continue // no cells
		}
		n += chunk.Cells
		size := 0
		for k := range chunk.Fields {
			size += len(chunk.Fields[k]) + len(chunk.Values[k])
		}
		s.m.bytes.WithLabelValues(s.lane.src.Name, g.id.View, chunk.ID.Grain).Add(float64(size))
	}
	s.m.written.WithLabelValues(s.lane.src.Name, g.id.View).Add(float64(n))
}

// maxPause bounds the pauses between attempts to reach a service.
const maxPause = 2 * time.Second

// retry calls f until it succeeds or ctx ends, with growing pauses.
func (s *shift) retry(ctx context.Context, doing string, f func() error) error {
	for pause := s.w.cfg.Backoff; ; pause = min(2*pause, maxPause) {
		err := f()
		if err == nil {
			return nil
		}
		s.m.errors.WithLabelValues(s.lane.src.Name, doing).Inc()
		if err := s.w.wait(ctx, pause, err); err != nil {
			return err
		}
	}
}

// wait pauses after a failure, with jitter, and says so in the log. It returns an error once ctx has ended.
func (w *Worker) wait(ctx context.Context, pause time.Duration, failure error) error {
	if ctx.Err() == nil {
		w.log.Warn("trying again", "error", failure, "in", pause)
	}
	t := time.NewTimer(pause/2 + rand.N(pause))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ctx.Err(), failure)
	}
}

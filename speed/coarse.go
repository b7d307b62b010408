package speed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
)

// coarse is where the grains of a group but the finest stand. Their cells are few and, with sketches, large, and nearly every record changes
// the same ones; so they may be flushed seldom, and have an offset of their own in Redis (ADR 11).
//
// What they lag behind by is pending in memory: cells as of the group's offset, which take in the records of a flush once it is acknowledged
// and not before, so that a cut finds in them exactly what belongs to the epoch that it ended.
type coarse struct {
	every    time.Duration   // how often they are flushed; 0: with every flush
	off      int64           // Redis holds the records below it
	at       int64           // memory holds those below it: [off, at) is pending
	written  intake.Progress // of the intake, at off
	progress intake.Progress // and at at
	starts   []int64         // of the epochs that are held, as last seen, ascending
	flushed  time.Time       // when nothing was pending last

	number uint32   // marks the cells that are pending
	chunks []*chunk // those that have some
	cells  int      // how many there are
}

// mayLag says whether the coarser grains are flushed seldom: where there are some, and states are no plain words.
func (g *group) mayLag() bool { return g.coarse.every > 0 && len(g.grains) > 1 && !g.plan.Scalar() }

// behind says whether the finest grain has records that memory has not of the coarser ones: those that a take found between their offsets.
func (g *group) behind() bool { return g.coarse.at < g.off }

// begin is where the group goes on reading.
func (g *group) begin() (int64, intake.Progress) {
	if g.behind() {
		return g.coarse.at, g.coarse.progress
	}
	return g.off, g.progress
}

// epoch is the one whose cells the pending records belong to; false where it is held no more.
func (c *coarse) epoch() (start int64, held bool) {
	for _, s := range c.starts {
		if s <= c.off {
			start, held = s, true
		}
	}
	return start, held
}

// end is where that epoch ends, if it does.
func (c *coarse) end() (int64, bool) {
	for _, s := range c.starts {
		if s > c.off {
			return s, true
		}
	}
	return 0, false
}

// bounds are the offsets that no run of records that are read again goes across: where epochs end, and where the finest grain stands.
func (g *group) bounds() []int64 {
	if !g.behind() {
		return nil
	}
	var list []int64
	for _, s := range g.coarse.starts {
		if s > g.coarse.at && s < g.off {
			list = append(list, s)
		}
	}
	return append(list, g.off)
}

// forgetCoarse drops the cells of the coarser grains from memory, pending or not.
func (g *group) forgetCoarse() {
	maps.DeleteFunc(g.chunks, func(k chunkKey, _ *chunk) bool { return k.grain > 0 })
	maps.DeleteFunc(g.held, func(k chunkKey, _ struct{}) bool { return k.grain > 0 })
	g.coarse.chunks, g.coarse.cells = nil, 0
	clear(g.buckets)
	g.recent.places = nil
}

// resolveCoarse is resolve for records that are read again: of the coarser grains only. What the limits refuse is flushed for all grains at once,
// so that none of these records was refused, and each goes into the cell of its own key.
func (g *group) resolveCoarse(p *partials, rows []int32, tick int64) []ref {
	var refs []ref
	for _, i := range rows {
		key := p.key(i)
		for k, at := range g.places(p.bucket[i], tick) {
			if k == 0 {
				refs = append(refs, ref{})
				continue
			}
			g.want(at.chunk)
			g.scratch = live.AppendField(g.scratch[:0], at.bucket, key)
			refs = append(refs, ref{at.chunk, at.chunk.find(g.scratch)})
		}
	}
	return refs
}

// mergeCoarse adds rows to their cells of the coarser grains, which are pending from then on.
func (g *group) mergeCoarse(p *partials, rows []int32, refs []ref) {
	c := &g.coarse
	if c.cells == 0 {
		c.number = g.nextFlush()
	}
	start, _ := c.epoch()
	for _, i := range rows {
		s := p.state(i)
		for _, r := range refs[1:len(g.grains)] {
			r.chunk.merge(r.cell, s, &g.tmp)
			if r.chunk.marks[r.cell] == c.number {
				continue
			}
			if r.chunk.marks[r.cell] == notInRedis && start == g.start {
				g.cells++
			}
			r.chunk.marks[r.cell] = c.number
			if len(r.chunk.dirty) == 0 {
				c.chunks = append(c.chunks, r.chunk)
			}
			r.chunk.dirty = append(r.chunk.dirty, r.cell)
			c.cells++
		}
		refs = refs[len(g.grains):]
	}
}

// pendingWith is at most how many cells would be pending with rows that go into refs.
func (g *group) pendingWith(refs []ref) int {
	n := g.coarse.cells
	for i, r := range refs {
		if i%len(g.grains) > 0 && (g.coarse.cells == 0 || r.chunk.marks[r.cell] != g.coarse.number) {
			n++
		}
	}
	return n
}

// coarseFlush is the flush of what is pending. The finest grain stays where it is.
func (g *group) coarseFlush() live.Flush {
	c := &g.coarse
	start, held := c.epoch()
	f := live.Flush{Group: g.id, Inst: g.inst, Token: g.token, Start: g.start, From: g.off, To: g.off, Progress: g.progress, Counts: g.counts,
		Coarse: c.off, CoarseTo: c.at, CoarseAt: c.progress, Whole: !held}
	for _, s := range c.starts {
		if s < g.start && (!held || s >= start) {
			f.Before = append(f.Before, s)
		}
	}
	for _, chunk := range c.chunks {
		w, _ := g.write(chunk, nil)
		f.Chunks = append(f.Chunks, w)
	}
	f.Chunks, f.Cells = g.gaps.write(g.start, f.Chunks), g.stored
	return f
}

// flushCoarse brings the coarser grains in Redis to where memory stands. A cut that is found on the way is followed: what is pending belongs to
// the epoch before it.
func (s *shift) flushCoarse(ctx context.Context, g *group) error {
	c := &g.coarse
	for c.off < c.at {
		if err := s.step("before coarse flush"); err != nil {
			return err
		}
		f := g.coarseFlush()
		var r live.FlushResult
		err := s.retry(ctx, "flush", func() error {
			r = s.w.cfg.Live.Flush(ctx, []live.Flush{f})[0]
			return r.Err
		})
		switch {
		case err != nil:
			return err
		case r.Lost != "":
			return &errLost{fmt.Sprintf("redis has lost chunk %s of %s", r.Lost, g.id)}
		case r.Applied || f.WasApplied(r.Found):
			s.acknowledgeCoarse(g, &f)
		case f.WasCut(r.Found):
			s.m.cuts.WithLabelValues(s.lane.src.Name, g.id.View).Inc()
			g.cut(g.off)
			continue
		default:
			return &errLost{fmt.Sprintf("redis holds something else of %s: %+v, expected %+v", g.id, r.Found, g.expect())}
		}
		if err := s.step("after coarse flush"); err != nil {
			return err
		}
	}
	return nil
}

func (s *shift) acknowledgeCoarse(g *group, f *live.Flush) {
	s.written(g, f.Chunks)
	c := &g.coarse
	for _, chunk := range c.chunks {
		chunk.exists, chunk.dirty = true, chunk.dirty[:0]
	}
	c.off, c.written, c.chunks, c.cells, c.flushed = f.CoarseTo, f.CoarseAt, nil, 0, time.Now()
	if slices.Contains(c.starts, c.off) {
		g.forgetCoarse() // the next epoch begins here, from nothing
	}
}

// catchUp takes in what a take found between the two offsets of a group, for the coarser grains only, epoch by epoch. It returns the first part
// of the micro-batch that is for all grains.
func (s *shift) catchUp(ctx context.Context, q *query, b *microBatch, g *group, part, from int) (int, error) {
	if !g.behind() {
		return from, nil
	}
	share, spans, c := b.parts[part], q.spans[part], &g.coarse
	for ; g.behind() && from < len(spans); from++ {
		first := share.marks[spans[from].lo].offset
		for end, ok := c.end(); ok && end <= min(first, g.off); end, ok = c.end() {
			c.at = end
			if err := s.flushCoarse(ctx, g); err != nil {
				return from, err
			}
		}
		g.lose(share.marks[spans[from].lo:spans[from].hi])
		if first >= g.off {
			c.at = g.off // the log has none of them any more
			break
		}
		if _, held := c.epoch(); held {
			if err := s.readAgain(ctx, q, g, q.out.rows(part, from)); err != nil {
				return from, err
			}
		}
		last := share.marks[spans[from].hi-1]
		c.at, c.progress = last.offset+1, last.at
	}
	if g.behind() {
		return from, nil
	}
	return from, s.flushCoarse(ctx, g)
}

// lose notes offsets that were to be read again and that nobody has any more, though the finest grain has their records. The newest epoch says so,
// whichever they belong to.
func (g *group) lose(marks []mark) {
	for i := range marks {
		m := &marks[i]
		gap := [2]int64{max(g.coarse.at, m.offset+1-m.gone), min(g.off, m.offset+1)}
		known := slices.ContainsFunc(g.gaps.ranges, func(r [2]int64) bool { return r[0] <= gap[0] && gap[1] <= r[1] })
		if m.gone == 0 || gap[0] >= gap[1] || known {
			continue
		}
		g.gaps.ranges = live.JoinGaps(append(g.gaps.ranges, gap))
		g.gaps.changed = true
		g.counts.Missing += gap[1] - gap[0]
	}
}

// readAgain merges rows into the coarser grains.
func (s *shift) readAgain(ctx context.Context, q *query, g *group, rows []int32) error {
	for again := true; again; {
		g.endBatch()
		refs := g.resolveCoarse(&q.out, rows, s.tick)
		if len(g.incomplete) > 0 {
			cut, err := s.readBack(ctx, g)
			if err == nil && cut {
				err = &errLost{fmt.Sprintf("%s was cut while what lies between its offsets was read again", g.id)}
			}
			if err != nil {
				return err
			}
		}
		if again = g.coarse.cells > 0 && g.pendingWith(refs) > s.w.cfg.FlushCells; !again {
			g.mergeCoarse(&q.out, rows, refs)
		} else if err := s.flushCoarse(ctx, g); err != nil {
			return err
		}
	}
	g.endBatch()
	return nil
}

// flushDue flushes the coarser grains of the groups whose time has come; all, where everything that is pending has to go.
func (s *shift) flushDue(ctx context.Context, all bool) error {
	now := time.Now()
	for _, p := range s.parts {
		for _, g := range p.groups {
			if p.up() && (all || now.Sub(g.coarse.flushed) >= g.coarse.every) {
				if err := s.settleCoarse(ctx, p, g); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// settleCoarse is flushCoarse between two micro-batches. Where Redis holds something else the partition is dropped.
func (s *shift) settleCoarse(ctx context.Context, p *partition, g *group) error {
	err := s.flushCoarse(ctx, g)
	if lost := (*errLost)(nil); errors.As(err, &lost) {
		s.drop(p, "flush refused", err)
		return nil
	}
	return err
}

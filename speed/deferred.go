package speed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
)

// deferred is what an epoch lacks: the ranges of event time whose events would have made more cells than a group may have, ascending and
// apart. Ranges that touch are one, so that a backfill of years is a handful.
type deferred struct {
	ranges  []live.Deferred
	changed bool      // since the last flush that was built
	written bool      // Redis has them, or a flush on its way
	asked   time.Time // when a batch was asked for
}

// deferredRanges bounds the ranges: beyond it those that are nearest to each other become one, with what lies between them.
const deferredRanges = 500

func (d *deferred) adopt(held *live.Limited) {
	d.ranges = held.Deferred
	d.written = len(held.Deferred) > 0
}

// add notes events of one more range.
func (d *deferred) add(r live.Deferred) {
	d.changed = true
	i, inside := slices.BinarySearchFunc(d.ranges, r.From, func(have live.Deferred, from int64) int {
		switch {
		case have.To < from:
			return -1
		case have.From > from:
			return 1
		}
		return 0
	})
	if inside { // it begins in range i, or where that ends
		d.ranges[i].Events += r.Events
		d.ranges[i].To = max(d.ranges[i].To, r.To)
	} else {
		d.ranges = slices.Insert(d.ranges, i, r)
	}
	d.joinNext(i)
	if len(d.ranges) > deferredRanges {
		d.joinNearest()
	}
}

// joinNext makes range i and those behind it that it reaches one.
func (d *deferred) joinNext(i int) {
	for i+1 < len(d.ranges) && d.ranges[i+1].From <= d.ranges[i].To {
		d.join(i)
	}
}

// join makes range i and the next one, with what lies between them.
func (d *deferred) join(i int) {
	d.ranges[i].To = max(d.ranges[i].To, d.ranges[i+1].To)
	d.ranges[i].Events += d.ranges[i+1].Events
	d.ranges = slices.Delete(d.ranges, i+1, i+2)
}

func (d *deferred) joinNearest() {
	nearest := 0
	for i := range len(d.ranges) - 1 {
		if d.ranges[i+1].From-d.ranges[i].To < d.ranges[nearest+1].From-d.ranges[nearest].To {
			nearest = i
		}
	}
	d.join(nearest)
}

// write adds the ranges to a flush of the epoch, if they changed.
func (d *deferred) write(start int64, into []live.ChunkWrite) []live.ChunkWrite {
	if !d.changed {
		return into
	}
	into = append(into, live.DeferredWrite(start, !d.written, d.ranges))
	d.changed, d.written = false, true
	return into
}

// wouldRefuse says whether a limit keeps rows from the cells of their own.
func (g *group) wouldRefuse(refs []ref) bool {
	return len(g.others) > 0 || g.limit > 0 && g.cells+int64(len(refs)) > g.limit
}

// keepBelowLimit takes the cells away from rows that would make more of them than the group may have: all grains of a row or none, so that
// grains agree. The first come are kept. Cells that were made for the others stay in memory until they are evicted; no flush lists them.
func (g *group) keepBelowLimit(refs []ref) {
	if g.limit == 0 || g.cells+int64(len(refs)) <= g.limit {
		return
	}
	for n := len(g.grains); len(refs) > 0; refs = refs[n:] {
		row := refs[:n]
		made := int64(0)
		for _, r := range row {
			if r.chunk.marks[r.cell] == notInRedis {
				made++
			}
		}
		if made > 0 && g.cells+made > g.limit {
			for i := range row {
				row[i].chunk = nil
			}
			continue
		}
		for _, r := range row {
			r.chunk.marks[r.cell] = max(r.chunk.marks[r.cell], inRedis)
		}
		g.cells += made
	}
}

// leave notes that a row was left to the next batch: the finest bucket around its base bucket lacks its events.
func (g *group) leave(base, events int64) {
	from := g.grains[0].Floor(base, g.loc)
	g.deferred.add(live.Deferred{From: from, To: g.grains[0].Next(from, g.loc), Events: events})
}

// askAgain is how long an epoch that lacks events waits before it asks for a batch once more. A batch that was under way may have answered
// the wish of the epoch before and this one together, without having counted what this one lacks.
const askAgain = 30 * time.Second

// askBatch asks for a batch where events were left to it.
func (s *shift) askBatch(ctx context.Context, g *group) {
	d := &g.deferred
	now := time.Now()
	if len(d.ranges) == 0 || now.Sub(d.asked) < askAgain {
		return
	}
	events := int64(0)
	for _, r := range d.ranges {
		events += r.Events
	}
	err := s.w.cfg.Lake.AskBatch(ctx, lake.BatchAsk{View: g.id.View, Cause: "live_cells", At: now,
		Reason: fmt.Sprintf("partition %d has %d cells, of %d that it may have, and left %d events to the next batch", g.id.Partition, g.cells, g.limit, events)})
	if err != nil {
		s.m.errors.WithLabelValues(s.lane.src.Name, "ask for a batch").Inc()
		return // at the next poll
	}
	d.asked = now
}

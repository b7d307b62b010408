package speed

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// quiet knows when all loops of a worker rest.
type quiet struct {
	awake atomic.Int32  // loops that have memory for micro-batches
	came  chan struct{} // room for one: the last of them came to rest
}

func (q *quiet) wake() { q.awake.Add(1) }

func (q *quiet) rest() {
	if q.awake.Add(-1) > 0 {
		return
	}
	select {
	case q.came <- struct{}{}:
	default:
	}
}

// giveBackEvery is how often memory is given back at most: it takes a collection of all that the process has.
const giveBackEvery = time.Minute

// giveBack collects garbage and gives it back to the system when all loops have come to rest, until ctx ends. Go itself would do so after minutes.
func (q *quiet) giveBack(ctx context.Context) {
	for {
		select {
		case <-q.came:
			if q.awake.Load() > 0 {
				continue
			}
			debug.FreeOSMemory()
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(giveBackEvery):
		case <-ctx.Done():
			return
		}
	}
}

// work notes that a micro-batch is through.
func (s *shift) work() {
	if s.worked.IsZero() {
		s.w.quiet.wake()
	}
	s.worked = time.Now()
}

// rest gives back the memory that micro-batches need, once there has been none for Config.RestAfter: tens of MiB in each loop, many times what its cells take. The
// first micro-batch after it grows it again.
func (s *shift) rest() {
	if s.worked.IsZero() || time.Since(s.worked) < s.w.cfg.RestAfter {
		return
	}
	s.worked = time.Time{}
	s.batch = newMicroBatch(s.lane.src)
	s.refs, s.lessons, s.arena = nil, nil, nil
	for _, q := range s.lane.queries {
		q.out, q.spans = partials{plan: q.plan}, nil
	}
	for _, p := range s.parts {
		p.share = part{p: p}
		for _, g := range p.groups {
			g.rest()
		}
	}
	s.w.quiet.rest()
}

// rest gives back what a micro-batch made grow, but no cells.
func (g *group) rest() {
	g.endBatch()
	g.touched, g.incomplete, g.others = nil, nil, nil
	g.buckets, g.recent = map[int64][]place{}, recentBucket{}
	for _, c := range g.chunks {
		c.rest()
	}
}

// rest gives back the room for cells that change, unless some wait for their flush.
func (c *chunk) rest() {
	c.encoded = nil
	if len(c.dirty) == 0 {
		c.dirty = nil
	}
}

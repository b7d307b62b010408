package speed

import (
	"time"
)

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
}

// rest gives back what a micro-batch made grow, but no cells.
func (g *group) rest() {
	g.touched, g.incomplete, g.others = nil, nil, nil
	g.buckets, g.recent = map[int64][]place{}, recentBucket{}
	for _, c := range g.chunks {
		c.rest()
	}
}

// rest gives back the room for cells that change, unless some wait for their flush or their state.
func (c *chunk) rest() {
	if len(c.dirty) == 0 && len(c.missing) == 0 {
		c.dirty, c.missing = nil, nil
	}
}

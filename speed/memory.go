package speed

import (
	"context"
	"slices"
)

// evict keeps the cells in memory under the source's share of the limit: the chunks that were used longest ago go first. Nothing is
// on its way to Redis when it is called, and what is pending is flushed first, so every chunk can be read back.
func (s *shift) evict(ctx context.Context) error {
	type candidate struct {
		g *group
		k chunkKey
		c *chunk
	}
	var bytes, cells int64
	for _, p := range s.parts {
		for _, g := range p.groups {
			for _, c := range g.chunks {
				bytes += c.bytes()
				cells += int64(c.len())
			}
		}
	}
	// a share for each loop
	limit := s.w.cfg.Memory / int64(len(s.w.crew.lanes))
	if bytes > limit {
		if err := s.flushDue(ctx, true); err != nil {
			return err
		}
		var all []candidate
		for _, p := range s.parts {
			for _, g := range p.groups {
				for k, c := range g.chunks {
					all = append(all, candidate{g, k, c})
				}
			}
		}
		slices.SortFunc(all, func(a, b candidate) int { return int(a.c.touched - b.c.touched) })
		for _, x := range all {
			if bytes <= limit {
				break
			}
			x.g.evict(x.k)
			bytes -= x.c.bytes()
			cells -= int64(x.c.len())
			s.m.evicted.Add(float64(x.c.len()))
		}
	}
	s.tellMemory(cells, bytes)
	return nil
}

// tellMemory brings the metrics of what all loops of a source have in memory up to date with what this one has.
func (s *shift) tellMemory(cells, bytes int64) {
	s.m.cells.WithLabelValues(s.m.source).Add(float64(cells - s.told.cells))
	s.m.memory.WithLabelValues(s.m.source).Add(float64(bytes - s.told.bytes))
	s.told.cells, s.told.bytes = cells, bytes
}

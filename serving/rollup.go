package serving

import (
	"github.com/caudal/caudal/internal/algebra"
)

// rollupKey says which dimensions were kept, and which parts of the states were merged.
type rollupKey struct {
	set   uint32
	parts string
}

// rollup returns the cells of a chunk with the dimensions outside of set merged away (their values are null), as far as the plan looks at
// their states. A chunk is immutable, so this is done once per set and plan, and a dashboard that asks the same again merges tens of
// states and not thousands.
func (c *speedCache) rollup(plan *algebra.Plan, chunk *speedChunk, set uint32) []speedCell {
	if set == uint32(1)<<len(plan.View.Dimensions)-1 {
		return chunk.cells
	}
	chunk.mu.Lock()
	defer chunk.mu.Unlock()
	key := rollupKey{set, plan.Selection()}
	if cells, ok := chunk.rollups[key]; ok {
		return cells
	}
	cells := rolledUp(plan, chunk.cells, set)
	if chunk.rollups == nil {
		chunk.rollups = map[rollupKey][]speedCell{}
	}
	chunk.rollups[key] = cells
	var bytes int64
	for i := range cells {
		bytes += cellSize(plan, &cells[i])
	}
	c.grow(chunk, bytes)
	return cells
}

func rolledUp(plan *algebra.Plan, cells []speedCell, set uint32) []speedCell {
	var rolled []speedCell
	places := map[cellKey]int{}
	var key []byte
	dims := make([]algebra.Value, len(plan.View.Dimensions))
	for i := range cells {
		for d := range dims {
			dims[d] = algebra.Null()
			if set&(1<<d) != 0 {
				dims[d] = cells[i].dims[d]
			}
		}
		key = algebra.AppendKey(key[:0], dims)
		at, ok := places[cellKey{cells[i].bucket, string(key)}]
		if !ok {
			at = len(rolled)
			places[cellKey{cells[i].bucket, string(key)}] = at
			rolled = append(rolled, speedCell{cells[i].bucket, append([]algebra.Value(nil), dims...), plan.New()})
		}
		plan.Merge(rolled[at].state, cells[i].state)
	}
	return rolled
}

// cellSize is roughly the memory of a cell, in bytes.
func cellSize(plan *algebra.Plan, c *speedCell) int64 {
	n := 96 + plan.Size(c.state)
	for i := range c.dims {
		n += 48 + len(c.dims[i].Text())
	}
	return int64(n)
}

// grow adds to what a chunk takes, if it is still kept.
func (c *speedCache) grow(chunk *speedChunk, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunks[chunk.key] != chunk {
		return
	}
	chunk.bytes += bytes
	c.bytes += bytes
	c.shrink()
}

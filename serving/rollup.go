package serving

import (
	"slices"

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
	p := newRowPlaces(plan, set)
	for i := range cells {
		at, fresh := p.of(cells[i].bucket, cells[i].dims)
		if fresh {
			rolled = append(rolled, speedCell{cells[i].bucket, slices.Clone(p.dims), plan.New()})
		}
		plan.Merge(rolled[at].state, cells[i].state)
	}
	return rolled
}

// rowPlaces says which cells become one where the dimensions outside of set are merged away.
type rowPlaces struct {
	set  uint32
	dims []algebra.Value // of the cell that was looked at last, null outside of set
	key  []byte
	at   map[cellKey]int
}

func newRowPlaces(plan *algebra.Plan, set uint32) *rowPlaces {
	return &rowPlaces{set: set, dims: make([]algebra.Value, len(plan.View.Dimensions)), at: map[cellKey]int{}}
}

// of returns the place of a cell, from 0 in the order in which they are met; fresh: it is the first there.
func (p *rowPlaces) of(bucket int64, dims []algebra.Value) (at int, fresh bool) {
	for d := range p.dims {
		p.dims[d] = algebra.Null()
		if p.set&(1<<d) != 0 {
			p.dims[d] = dims[d]
		}
	}
	p.key = algebra.AppendKey(p.key[:0], p.dims)
	at, ok := p.at[cellKey{bucket, string(p.key)}]
	if !ok {
		at = len(p.at)
		p.at[cellKey{bucket, string(p.key)}] = at
	}
	return at, !ok
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

package serving

import (
	"container/list"
	"context"
	"slices"
	"sync"

	"github.com/caudal/caudal/internal/algebra"
)

// storedRow is one decoded row of the batch results, or several that were merged: immutable, shared by all queries that read it.
type storedRow struct {
	bucket int64 // µs UTC
	dims   []algebra.Value
	rows   int // that it is made of
	counts counts
	exact  []algebra.Value // exact answers of a single row, as question.stored
	state  *algebra.State  // nil where it was not read
}

// rowsKey names the rows that a statement reads of a snapshot, which never change, the parts of their states that were decoded, and the
// dimensions that they were not merged over.
type rowsKey struct {
	snap  *snapshot
	parts string
	dims  uint32
	sql   string
}

// storedRows keeps decoded rows of the batch results, so that a dashboard that asks again is answered from memory and not by a statement of
// DuckDB, whose planning alone takes longer than reading the rows. The least recently used go first.
type storedRows struct {
	mu      sync.Mutex
	limit   int64 // bytes
	bytes   int64
	entries map[rowsKey]*list.Element // of *keptRows
	byUse   *list.List                // latest first
	reading map[rowsKey]chan struct{} // closed when the one that reads them has ended
}

type keptRows struct {
	key   rowsKey
	rows  []storedRow
	bytes int64
}

// note takes a row in, until there are more than limit bytes, and none are kept.
func (k *keptRows) note(plan *algebra.Plan, r *storedRow, limit int64) {
	if k.bytes > limit {
		return
	}
	k.rows = append(k.rows, *r)
	if k.bytes += storedSize(plan, r); k.bytes > limit {
		k.rows = nil
	}
}

// replace puts other rows in the place of those that were noted.
func (k *keptRows) replace(plan *algebra.Plan, rows []storedRow) {
	k.rows, k.bytes = rows, 0
	for i := range rows {
		k.bytes += storedSize(plan, &rows[i])
	}
}

func newStoredRows(limit int64) *storedRows {
	return &storedRows{limit: limit, entries: map[rowsKey]*list.Element{}, byUse: list.New(), reading: map[rowsKey]chan struct{}{}}
}

// largest is how many bytes one entry may take: what is larger is read anew each time.
func (c *storedRows) largest() int64 { return c.limit / 8 }

// get returns the rows if they are kept. If somebody reads them it waits for the end of that. Where neither is so the caller reads them, and
// has to call done after that, whether it kept them or not.
func (c *storedRows) get(ctx context.Context, key rowsKey) (rows []storedRow, done func(), err error) {
	for {
		c.mu.Lock()
		if e := c.entries[key]; e != nil {
			c.byUse.MoveToFront(e)
			c.mu.Unlock()
			return e.Value.(*keptRows).rows, nil, nil
		}
		busy := c.reading[key]
		if busy == nil {
			mine := make(chan struct{})
			c.reading[key] = mine
			c.mu.Unlock()
			return nil, func() {
				c.mu.Lock()
				delete(c.reading, key)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// keep adds what was read.
func (c *storedRows) keep(k *keptRows) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[k.key] = c.byUse.PushFront(k)
	c.bytes += k.bytes
	for c.bytes > c.limit {
		c.drop(c.byUse.Back())
	}
}

// only drops what is kept of a view's snapshots but one.
func (c *storedRows) only(current *snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if key.snap != current && key.snap.tables == current.tables {
			c.drop(e)
		}
	}
}

func (c *storedRows) drop(e *list.Element) {
	kept := e.Value.(*keptRows)
	delete(c.entries, kept.key)
	c.byUse.Remove(e)
	c.bytes -= kept.bytes
}

// storedSize is roughly the memory of a row, in bytes.
func storedSize(plan *algebra.Plan, r *storedRow) int64 {
	n := 96 + 32*len(r.exact)
	for i := range r.dims {
		n += 48 + len(r.dims[i].Text())
	}
	for i := range r.exact {
		n += len(r.exact[i].Text())
	}
	if r.state != nil {
		n += plan.Size(r.state)
	}
	return int64(n)
}

// mergedOver merges rows that differ in dimensions outside of set only, whose values become null, so that a dashboard that asks for a dimension
// of a view with several merges tens of rows and not thousands.
func mergedOver(plan *algebra.Plan, rows []storedRow, set uint32) []storedRow {
	var merged []storedRow
	p := newRowPlaces(plan, set)
	for i := range rows {
		r := &rows[i]
		at, fresh := p.of(r.bucket, r.dims)
		if fresh {
			merged = append(merged, storedRow{bucket: r.bucket, dims: slices.Clone(p.dims), exact: r.exact, state: plan.New()})
		}
		m := &merged[at]
		m.rows += r.rows
		m.counts.add(r.counts)
		plan.Merge(m.state, r.state)
	}
	return merged
}

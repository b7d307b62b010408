package serving

import (
	"cmp"
	"context"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/windows"
)

// composed answers a question about a window: gather merges the cells of its panes as for any question, of one snapshot, and the rows are composed of
// these. So hops and sessions are of both layers like every cell, and a session that began before the boundary and goes on after it is one.
func (s *Server) composed(ctx context.Context, q *question, gather func(*question) (*merged, error)) (*merged, error) {
	return q.settle(func(panes *question) (*merged, error) {
		m, err := gather(panes)
		if err != nil {
			return nil, err
		}
		if m.cells, err = m.cells.compose(ctx, q, panes.from); err != nil {
			return nil, err
		}
		return m, nil
	})
}

// compose makes the cells of a window's rows of those of its panes. known is the instant from which on panes were read.
func (cs *cells) compose(ctx context.Context, q *question, known int64) (*cells, error) {
	rows := newCells(cs.plan, q, cs.budget)
	rows.looked, rows.others = cs.looked, cs.others
	for key, list := range cs.byDimensions() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c := composer{cells: rows, key: key, panes: make([]windows.Pane, 0, len(list)), of: list}
		if err := c.run(ctx, q, known); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// byDimensions is the cells that have events, of equal dimensions, in the order of time.
func (cs *cells) byDimensions() map[string][]*cell {
	by := map[string][]*cell{}
	for key, c := range cs.byKey {
		if c.counts.events > 0 {
			by[key.dims] = append(by[key.dims], c)
		}
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b *cell) int { return cmp.Compare(a.bucket, b.bucket) })
	}
	return by
}

// composer composes the rows of one key.
type composer struct {
	cells  *cells
	key    string
	of     []*cell        // the cells of the panes
	panes  []windows.Pane // as of
	stored []int          // stored[i]: how many of the first i have events of batch
	alive  []int          // likewise of the speed layer
}

func (c *composer) run(ctx context.Context, q *question, known int64) error {
	plan := c.cells.plan
	c.stored, c.alive = make([]int, len(c.of)+1), make([]int, len(c.of)+1)
	for i, cell := range c.of {
		pane := windows.Pane{Start: cell.bucket, State: cell.total(plan)}
		if q.window.Session != nil {
			pane.First, pane.Last, _ = plan.Times(pane.State)
		}
		c.panes = append(c.panes, pane)
		c.stored[i+1], c.alive[i+1] = c.stored[i], c.alive[i]
		if cell.rows > 0 {
			c.stored[i+1]++
		}
		if cell.speed != nil {
			c.alive[i+1]++
		}
	}
	made := 0
	emit := func(r windows.Row) error {
		if made++; made%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.Start < q.from || r.Start >= q.to && q.to != forever || q.holding && (q.holds < r.Start || q.holds > r.End) {
			return nil
		}
		return c.add(r)
	}
	if h := q.window.Hop; h != nil {
		return windows.Hops(plan, h, q.view.Location, c.panes, q.from, q.to, emit)
	}
	return windows.Sessions(plan, q.window.Session, c.panes, known, emit)
}

// add makes the cell of a row.
func (c *composer) add(r windows.Row) error {
	cs, first := c.cells, c.of[r.Low]
	row := &cell{bucket: r.Start, end: r.End, dims: first.dims, unsettled: r.Unsettled}
	if r.High-r.Low == 1 { // its answers are as exact as those of the pane
		row.rows, row.counts, row.exact, row.batch, row.speed, row.live = first.rows, first.counts, first.exact, first.batch, first.speed, first.live
	} else {
		row.counts = counts{r.State.Events(), r.State.Late(), r.State.Errors()}
		row.live = c.alive[r.High] > c.alive[r.Low]
		if c.stored[r.High] > c.stored[r.Low] {
			row.rows, row.batch = r.High-r.Low, r.State
		} else {
			row.speed = r.State
		}
		if err := cs.charge(int64(cs.plan.Size(r.State))); err != nil {
			return windowTooLarge(cs.q.window, len(cs.byKey))
		}
	}
	if cs.q.keep {
		row.panes = c.of[r.Low:r.High]
	}
	cs.byKey[cellKey{r.Start, c.key}] = row
	cs.first, cs.last = min(cs.first, r.Start), max(cs.last, r.End)
	cs.unsettled = cs.unsettled || r.Unsettled
	if cs.charge(int64(cellBytes+48*len(row.dims))) != nil {
		return windowTooLarge(cs.q.window, len(cs.byKey))
	}
	return nil
}

// total is the state of both layers: that of one of them itself, or a new one.
func (c *cell) total(p *algebra.Plan) *algebra.State {
	switch {
	case c.batch == nil:
		return c.speed
	case c.speed == nil:
		return c.batch
	}
	s := p.New()
	p.Merge(s, c.batch)
	p.Merge(s, c.speed)
	return s
}

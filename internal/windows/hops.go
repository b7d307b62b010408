package windows

import (
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Hops calls emit for each hop that holds a pane and begins in [from, to), µs UTC, in the order of time. Panes are of one key and ascending. Each pane is
// merged a bounded number of times, however many hops hold it; the rest is one merge a hop. An error of emit ends it.
func Hops(plan *algebra.Plan, h *view.Hop, loc *time.Location, panes []Pane, from, to int64, emit func(Row) error) error {
	q := queue{plan: plan, panes: panes}
	for q.high < len(panes) || q.low < q.high {
		// The hop is the first one that holds the oldest pane which is not in the past, and then the next.
		start := h.First(panes[q.low].Start, loc)
		if start < from {
			if start = h.Floor(from, loc); start < from {
				start = h.Next(start, loc)
			}
		}
		q.drop(start)
		for ; start < to && q.low < len(panes); start = h.Next(start, loc) {
			end := h.End(start, loc)
			q.drop(start)
			for q.high < len(panes) && panes[q.high].Start < end {
				q.take()
			}
			if q.low == q.high {
				break // a time without events: on to the hop that ends it
			}
			if err := emit(Row{Start: start, End: end, Low: q.low, High: q.high, State: q.state()}); err != nil {
				return err
			}
		}
		if start >= to {
			return nil
		}
	}
	return nil
}

// queue is the panes [low, high), of which those up to mid are merged from each on to mid, and those from mid on into one: so that the oldest can
// leave without anything being taken out of a state. Each pane is merged twice on its way through.
type queue struct {
	plan           *algebra.Plan
	panes          []Pane
	low, mid, high int
	older          []*algebra.State // of the panes [i, mid), at mid-1-i
	newer          *algebra.State   // of the panes [mid, high); nil: there are none
}

// take lets the next pane in.
func (q *queue) take() {
	if q.newer == nil {
		q.newer = q.plan.New()
	}
	q.plan.Merge(q.newer, q.panes[q.high].State)
	q.high++
}

// drop lets those panes go that begin before start.
func (q *queue) drop(start int64) {
	for q.low < len(q.panes) && q.panes[q.low].Start < start {
		if q.low == q.mid && q.low < q.high {
			q.turn()
		}
		if q.low < q.mid {
			q.older = q.older[:len(q.older)-1]
		}
		q.low++
		if q.low > q.high { // it never was in
			q.mid, q.high = q.low, q.low
		}
	}
	if q.low == q.high {
		q.mid, q.newer = q.low, nil
	}
}

// turn makes the newer panes the older ones.
func (q *queue) turn() {
	q.older, q.newer = q.older[:0], nil
	var from *algebra.State
	for i := q.high - 1; i >= q.low; i-- {
		s := q.plan.New()
		q.plan.Merge(s, q.panes[i].State)
		if from != nil {
			q.plan.Merge(s, from)
		}
		q.older, from = append(q.older, s), s
	}
	q.mid = q.high
}

// state is that of all panes.
func (q *queue) state() *algebra.State {
	if q.high-q.low == 1 {
		return q.panes[q.low].State
	}
	s := q.plan.New()
	if q.low < q.mid {
		q.plan.Merge(s, q.older[len(q.older)-1])
	}
	if q.newer != nil {
		q.plan.Merge(s, q.newer)
	}
	return s
}

package training

import (
	"fmt"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// fold is an aggregate over a set of events that are added and removed one by one, in any order. What it answers is a function of the set
// alone: taking an event out undoes adding it to the last bit.
type fold interface {
	add(event int64)
	remove(event int64)
	answer() algebra.Value
	reset()
}

// newFold is the fold of a measure over value i of the events of h, those that have one.
func newFold(m *view.Measure, h *history, i int) (fold, error) {
	in := column{h, i}
	switch m.Agg {
	case view.Count:
		return &countFold{column: in}, nil
	case view.CountDistinct:
		return &distinctFold{column: in, seen: map[algebra.Value]int64{}}, nil
	case view.Sum, view.Average:
		if m.Input.Kind == view.Double {
			return &doubleSumFold{column: in, average: m.Agg == view.Average}, nil
		}
		return &sumFold{column: in, measure: m}, nil
	case view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop:
		if m.Input.Kind == view.Double {
			return newDoubleVarianceFold(in, m), nil
		}
		return &varianceFold{column: in, measure: m}, nil
	case view.Min, view.Max, view.First, view.Last, view.Percentile:
		return newOrderFold(in, m)
	}
	return nil, fmt.Errorf("measure %s: %s is no feature", m.Name, m.Agg)
}

// column is one value of the events.
type column struct {
	history *history
	index   int
}

// of is the value of an event, and whether it has one.
func (c column) of(event int64) (*algebra.Value, bool) {
	v := c.history.value(event, c.index)
	return v, !v.IsNull()
}

// countFold counts events.
type countFold struct {
	column
	n int64
}

func (f *countFold) add(event int64) {
	if _, ok := f.of(event); ok {
		f.n++
	}
}

func (f *countFold) remove(event int64) {
	if _, ok := f.of(event); ok {
		f.n--
	}
}

func (f *countFold) answer() algebra.Value { return algebra.Int64Value(f.n) }

func (f *countFold) reset() { f.n = 0 }

// distinctFold counts different values, exactly.
type distinctFold struct {
	column
	seen map[algebra.Value]int64 // how many events have it
}

func (f *distinctFold) add(event int64) {
	if v, ok := f.of(event); ok {
		f.seen[*v]++
	}
}

func (f *distinctFold) remove(event int64) {
	v, ok := f.of(event)
	if !ok {
		return
	}
	if n := f.seen[*v]; n > 1 {
		f.seen[*v] = n - 1
	} else {
		delete(f.seen, *v)
	}
}

func (f *distinctFold) answer() algebra.Value { return algebra.Int64Value(int64(len(f.seen))) }

func (f *distinctFold) reset() { clear(f.seen) }

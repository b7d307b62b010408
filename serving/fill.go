package serving

import (
	"cmp"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// What stands in a row without events.
const (
	fillNone     = "none"     // there is no such row
	fillNull     = "null"     // null
	fillZero     = "zero"     // 0 where a number stands, else null
	fillPrevious = "previous" // what the row before it has, of those with events
	fillLinear   = "linear"   // where numbers stand: on the straight line between the rows before and after it
)

func fillModes() []string { return []string{fillNone, fillNull, fillZero, fillPrevious, fillLinear} }

// resolveFill reads what is put into gaps.
func (r *question) resolveFill(q Query) error {
	if q.Fill == "" || q.Fill == fillNone {
		return nil
	}
	if !slices.Contains(fillModes(), q.Fill) {
		return unknown("fill", "value", q.Fill, fillModes())
	}
	if r.grain == nil {
		return invalid("fill", "give a grain", "without one the range is one bucket, and no bucket is missing")
	}
	r.fill = q.Fill
	return nil
}

// gaps adds the rows that are missing: each bucket of the range, or hop that begins in it, for each of the rows' dimensions. Where the condition names values of a dimension, by = or
// in, there are rows for each of these.
func (s *sheet) gaps() error {
	if s.q.fill == "" {
		return nil
	}
	from, to, ok := s.extent()
	if !ok {
		return nil
	}
	keys := s.combinations()
	if len(keys) == 0 {
		return nil
	}
	for at := s.q.firstFrom(from); at < to; at = s.q.following(at) {
		for _, dims := range keys {
			if err := s.add(at, dims); err != nil {
				return err
			}
		}
	}
	return nil
}

// combinations are the dimensions' values that rows have, each of them also with every value that the condition names in the place of its own.
func (s *sheet) combinations() [][]algebra.Value {
	var list [][]algebra.Value
	seen := map[string]bool{}
	take := func(dims []algebra.Value) {
		if key := s.place(0, dims).dims; !seen[key] {
			seen[key] = true
			list = append(list, dims)
		}
	}
	named := make([][]algebra.Value, len(s.q.dims))
	all := len(s.q.dims) > 0
	for i, d := range s.q.dims {
		named[i] = s.q.filter.named(d)
		all = all && named[i] != nil
	}
	if len(s.q.dims) == 0 || all {
		take(make([]algebra.Value, len(s.q.dims)))
	}
	for i := range s.rows {
		take(s.rows[i].dims)
	}
	for i, values := range named {
		if values == nil {
			continue
		}
		old := list
		list, seen = nil, map[string]bool{}
		for _, dims := range old {
			for _, v := range values {
				with := slices.Clone(dims)
				with[i] = v
				take(with)
			}
		}
	}
	return list
}

// named are the values of a dimension that cells can have by the condition, where it lists them; nil where it does not.
func (f *filter) named(dim int) []algebra.Value {
	var list []algebra.Value
	for _, n := range f.Required() {
		var values []algebra.Value
		switch n := n.(type) {
		case condition.Comparison:
			if n.Op != condition.Equal || n.Column != dim {
				continue
			}
			values = []algebra.Value{n.Value}
		case condition.OneOf:
			if n.Column != dim {
				continue
			}
			values = n.Values
		default:
			continue
		}
		if list == nil {
			list = slices.Clone(values)
			continue
		}
		list = slices.DeleteFunc(list, func(v algebra.Value) bool { return !slices.Contains(values, v) })
	}
	return list
}

// fill gives the stored measures and what was composed of them their values in the rows without events. A running total is what it was.
func (s *sheet) fill() {
	if s.q.fill == "" {
		return
	}
	order := s.alongTime()
	for k, m := range s.q.inputs() {
		if s.q.view.Measures[m].Agg == view.Running {
			continue
		}
		of := s.q.view.Measures[m].Type
		for begin := 0; begin < len(order); {
			end := begin + 1
			for end < len(order) && compareDimensions(order[begin], order[end]) == 0 {
				end++
			}
			fillLine(order[begin:end], k, of, s.q.fill)
			begin = end
		}
	}
	for i := range s.rows {
		if s.rows[i].source == fromNothing {
			s.rows[i].source = fromFill
		}
	}
}

// alongTime is the rows by their dimensions, and then by time.
func (s *sheet) alongTime() []*row {
	order := make([]*row, len(s.rows))
	for i := range s.rows {
		order[i] = &s.rows[i]
	}
	slices.SortFunc(order, func(a, b *row) int {
		if c := compareDimensions(a, b); c != 0 {
			return c
		}
		return cmp.Compare(a.time, b.time)
	})
	return order
}

// fillLine gives the k-th input its values in the rows without events of one line along time.
func fillLine(line []*row, k int, of view.Type, mode string) {
	before := -1
	for i := 0; i < len(line); i++ {
		if line[i].source != fromNothing {
			before = i
			continue
		}
		after := i + 1
		for after < len(line) && line[after].source == fromNothing {
			after++
		}
		for at := i; at < after; at++ {
			line[at].inputs[k] = filled(line, before, at, after, k, of, mode)
		}
		i = after - 1
	}
}

// filled is what stands at a place of a line between two rows with events: before is -1 and after its length where there are none. Its number is as sure
// as those that it is made of.
func filled(line []*row, before, at, after, k int, of view.Type, mode string) algebra.Answer {
	a := algebra.Answer{Exact: true}
	switch {
	case mode == fillZero:
		a.Value = algebra.Zero(of)
	case before < 0:
	case mode == fillPrevious:
		a = line[before].inputs[k]
	case mode == fillLinear && after < len(line) && algebra.Numeric(of):
		low, high := line[before].inputs[k], line[after].inputs[k]
		if !low.Value.IsNull() && !high.Value.IsNull() {
			start, end := line[before].time, line[after].time
			a.Exact, a.Bound = low.Exact && high.Exact, max(low.Bound, high.Bound)
			a.Value = algebra.Between(low.Value, high.Value, line[at].time-start, end-start, of)
		}
	}
	return a
}

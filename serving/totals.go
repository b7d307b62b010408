package serving

import (
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// compose computes the shares and the running totals, over all rows and before gaps get values: a row without events adds nothing to a total.
func (s *sheet) compose() {
	for _, c := range s.q.composed {
		m := &s.q.view.Measures[c]
		of := slices.Index(s.q.stored, s.q.view.Measure(m.Of))
		if m.Agg == view.Share {
			s.shares(m, of)
		} else {
			s.running(m, of)
		}
	}
}

// total is a sum over rows. As in SQL, null adds nothing, and the sum of nothing is null.
type total struct {
	sum      algebra.Value
	exact    bool
	overflow bool // a row, or the sum, does not fit its type
}

func (t *total) add(a *algebra.Answer, of view.Type) {
	t.exact = t.exact && a.Exact
	t.overflow = t.overflow || a.Overflow
	if a.Value.IsNull() || t.overflow {
		return
	}
	if t.sum.IsNull() {
		t.sum = algebra.Zero(of)
	}
	var ok bool
	t.sum, ok = algebra.Sum(t.sum, a.Value, of)
	t.overflow = !ok
}

// newTotal is a total of nothing. That of doubles depends in its last digits on their order.
func newTotal(of view.Type, sure bool) *total { return &total{exact: sure && of.Kind != view.Double} }

// shares appends to each row what of a measure, the of-th input, is of the total of the rows that agree with it in what the share is within. A
// dimension that the answer does not have is one in which all rows agree.
func (s *sheet) shares(m *view.Measure, of int) {
	sum := widest(m.Input)
	byTime := s.q.grain != nil && slices.Contains(m.Within, "time")
	var dims []int
	for i, d := range s.q.dims {
		if slices.Contains(m.Within, s.q.view.Dimensions[d].Name) {
			dims = append(dims, i)
		}
	}
	group := func(r *row) cellKey {
		var at int64
		if byTime {
			at = r.time
		}
		part := make([]algebra.Value, len(dims))
		for i, d := range dims {
			part[i] = r.dims[d]
		}
		return s.place(at, part)
	}
	unsure := s.m.unsure(s.q)
	totals := map[cellKey]*total{}
	for i := range s.rows {
		r := &s.rows[i]
		key := group(r)
		t := totals[key]
		if t == nil {
			t = newTotal(sum, byTime || !unsure)
			totals[key] = t
		}
		if byTime && s.lacking(r) {
			t.exact = false
		}
		t.add(&r.inputs[of], sum)
	}
	for i := range s.rows {
		r := &s.rows[i]
		t := totals[group(r)]
		a := algebra.Answer{Exact: t.exact, Overflow: t.overflow}
		if part, all := r.inputs[of].Value, t.sum; !t.overflow && !part.IsNull() && all.Float64() != 0 {
			a.Value = algebra.FloatValue(part.Float64() / all.Float64())
		}
		r.inputs = append(r.inputs, a)
	}
}

// running appends to each row the total of a measure, the of-th input, over the rows up to its time that have its dimensions.
func (s *sheet) running(m *view.Measure, of int) {
	order := s.alongTime()
	var t *total
	for i, r := range order {
		if i == 0 || compareDimensions(order[i-1], r) != 0 {
			t = newTotal(m.Type, true)
		}
		t.exact = t.exact && !s.lacking(r)
		t.add(&r.inputs[of], m.Type)
		a := algebra.Answer{Value: t.sum, Exact: t.exact, Overflow: t.overflow}
		if t.overflow {
			a.Value = algebra.Null()
		}
		r.inputs = append(r.inputs, a)
	}
}

// widest is the type in which numbers of a type are added up.
func widest(t view.Type) view.Type {
	switch t.Kind {
	case view.Int64:
		return view.Type{Kind: view.Int128}
	case view.Decimal:
		return view.Type{Kind: view.Decimal, Precision: 38, Scale: t.Scale}
	}
	return t
}

// unsure says whether the speed layer may lack events of the range, or have them under other rows.
func (m *merged) unsure(q *question) bool {
	return len(m.cells.others) > 0 || len(m.incomplete(q)) > 0
}

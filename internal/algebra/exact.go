package algebra

import (
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// HasExactColumn says whether batch stores the exact answer of an aggregation in a column of its own. Of the others the state that batch
// computes is exact, and the answer is read off it.
func HasExactColumn(agg view.Agg) bool {
	switch agg {
	case view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop, view.TopK, view.Histogram, view.Derived, view.Share, view.Running:
		return false
	}
	return true
}

// exactColumn is the column of the exact answer of a stored measure. Derived measures are not counted: they are no part of a definition's
// hash, and the files under one hash have the same columns.
func (p *Plan) exactColumn(measure int) string {
	n := 0
	for _, use := range p.uses[:measure] {
		if use != useDerived {
			n++
		}
	}
	return fmt.Sprintf("x%d", n)
}

// ExactColumns names the columns of a view file that ReadExact takes for a stored measure, in order.
func (p *Plan) ExactColumns(measure int) []string {
	if HasExactColumn(p.View.Measures[measure].Agg) {
		return []string{p.exactColumn(measure)}
	}
	k := p.uses[measure]
	names := make([]string, p.spans[k])
	for j := range names {
		names[j] = partColumn(p.numbers[k], j)
	}
	return names
}

// ReadExact reads the exact answer of a stored measure from its ExactColumns, which begin at col, at the measure's own type.
func (p *Plan) ReadExact(row Row, col, measure int) Value {
	m := &p.View.Measures[measure]
	if !HasExactColumn(m.Agg) {
		s := p.New()
		part := p.parts[p.uses[measure]]
		part.read(row, col, s)
		return part.answer(s, m).Value
	}
	v := ReadValue(row, col, storedType(m.Type))
	if m.Type.Kind == view.Int128 && !v.IsNull() {
		return Int128Value(v.Int128())
	}
	return v
}

// ReadExacts reads the exact answers of all measures from a row that has StateColumns from firstCol on and then the rest of ViewColumns.
// Derived measures are null.
func (p *Plan) ReadExacts(row Row, firstCol int) []Value {
	values := make([]Value, len(p.View.Measures))
	begins := make([]int, len(p.parts))
	col := firstCol + headWords
	for k, span := range p.spans {
		begins[k] = col
		col += span
	}
	for i := range p.View.Measures {
		switch {
		case p.uses[i] == useDerived:
		case HasExactColumn(p.View.Measures[i].Agg):
			values[i] = p.ReadExact(row, col, i)
			col++
		default:
			values[i] = p.ReadExact(row, begins[p.uses[i]], i)
		}
	}
	return values
}

// storedType is the type that values of t are stored at: 128-bit integers are decimals without a scale, which Parquet keeps exactly.
func storedType(t view.Type) view.Type {
	if t.Kind == view.Int128 {
		return view.Type{Kind: view.Decimal, Precision: 38}
	}
	return t
}

// exactType is the type that the exact answer of a measure is stored at.
func exactType(m *view.Measure) string { return storedType(m.Type).SQL() }

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
	k := p.uses[measure]
	if m := &p.View.Measures[measure]; HasExactColumn(m.Agg) {
		if mayOverflow(m) {
			return []string{p.exactColumn(measure), partColumn(p.numbers[k], 0)}
		}
		return []string{p.exactColumn(measure)}
	}
	names := make([]string, p.spans[k])
	for j := range names {
		names[j] = partColumn(p.numbers[k], j)
	}
	return names
}

// mayOverflow says whether events that anybody has can add up to more than the type of a sum: the sum of its state then tells a sum that does not
// fit from one of nothing, which are both null.
func mayOverflow(m *view.Measure) bool {
	if m.Agg != view.Sum || m.Input.Kind == view.Double {
		return false
	}
	return m.Input.Wide() || m.Type.Kind == view.Int64 || m.Type.Kind == view.Decimal && m.Type.Precision < maxDigits
}

// maxDigits are those of the widest decimal.
const maxDigits = 38

// ReadExact reads the exact answer of a stored measure from its ExactColumns, which begin at col, at the measure's own type. Of a sum that its type
// cannot hold it is a null that says so: see Exactly.
func (p *Plan) ReadExact(row Row, col, measure int) Value {
	m := &p.View.Measures[measure]
	if !HasExactColumn(m.Agg) {
		s := p.New()
		part := p.parts[p.uses[measure]]
		part.read(row, col, s)
		return part.answer(s, m).Value
	}
	v := readStored(row, col, m)
	if v.IsNull() && (mayOverflow(m) && !row.Null(col+1) || m.Type.Kind == view.Double && !row.Null(col)) {
		return Value{text: overflowed}
	}
	return v
}

// readStored reads the column of an exact answer; a sum of doubles that is none of them is null, as everywhere.
func readStored(row Row, col int, m *view.Measure) Value {
	v := ReadValue(row, col, storedType(m.Type))
	switch {
	case m.Type.Kind == view.Int128 && !v.IsNull():
		return Int128Value(v.Int128())
	case (m.Agg == view.Sum || m.Agg == view.Average) && v.kind == view.Double && endless(v.Float64()):
		return Value{}
	}
	return v
}

// overflowed is what a null says that ReadExact read of a sum that does not fit its type.
const overflowed = "overflow"

// Exactly is the answer of a measure whose exact value ReadExact read.
func (p *Plan) Exactly(exact Value, measure int) Answer {
	if exact.IsNull() && exact.text == overflowed {
		return overflow("", &p.View.Measures[measure])
	}
	return Answer{Value: exact, Exact: true}
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
			values[i] = readStored(row, col, &p.View.Measures[i])
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

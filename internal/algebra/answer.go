package algebra

import (
	"math"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// Answer is the value of a measure in one cell.
type Answer struct {
	Value Value
	// Exact is false for sketches, and for sums and variances of doubles, whose last bits depend on the order of addition.
	Exact bool
	// Bound is the relative error that is not exceeded: three standard errors of a distinct count (99.7 %), the guaranteed error of a
	// percentile; of a top_k, the share of all values that no count is off by more than. 0 where Exact, and for doubles that were added up.
	Bound float64
	// Overflow says that the declared type cannot hold the answer: Value is null and Err tells of it.
	Overflow bool
	Err      error
}

// Final reads the answer of a measure off a state. Derived measures answer null: they are computed from the others.
func (p *Plan) Final(s *State, measure int) Answer {
	switch use := p.uses[measure]; use {
	case useDerived:
		return Answer{}
	case useEvents:
		return Answer{Value: Int64Value(s.Events()), Exact: true}
	default:
		return p.parts[use].answer(s, &p.View.Measures[measure])
	}
}

// Additive says whether a measure's state merges without an error: everything but distinct counts, percentiles, and the most frequent
// values where they are not all of them.
func (p *Plan) Additive(measure int) bool {
	if p.uses[measure] < 0 {
		return true
	}
	switch p.parts[p.uses[measure]].(type) {
	case distinctPart, percentilePart, topPart:
		return false
	}
	return true
}

// Combine is the answer of a cell to which both layers contribute. exact is what batch computed and batch its state, merged is batch's
// state with speed's, and speedEvents the number of events that speed saw. Scalar measures stay exact. A distinct count is the exact
// count of batch plus what the merged sketch adds to batch's own, never less and never more than speed's events. Without an event of
// speed the exact answer stands. exact may be null where batch has no cell.
func (p *Plan) Combine(exact Value, batch, merged *State, measure int, speedEvents int64) Answer {
	if p.Additive(measure) {
		return p.Final(merged, measure)
	}
	if speedEvents == 0 && !exact.IsNull() {
		return Answer{Value: exact, Exact: true}
	}
	after := p.Final(merged, measure)
	if exact.IsNull() || p.View.Measures[measure].Agg != view.CountDistinct {
		return after
	}
	before := p.Final(batch, measure)
	added := min(max(after.Value.Int64()-before.Value.Int64(), 0), speedEvents)
	after.Value = Int64Value(exact.Int64() + added)
	return after
}

// fromFloat is x at type t, rounded to nearest where t is coarser; null where t cannot hold it.
func fromFloat(x float64, t view.Type) Value {
	switch t.Kind {
	case view.Decimal, view.Int64, view.Int128:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Value{}
		}
		digits := strconv.FormatFloat(x, 'f', int(t.Scale), 64)
		n, ok := ParseInt128(strings.Replace(digits, ".", "", 1))
		small, fits := n.Int64()
		switch {
		case t.Kind == view.Decimal && ok && n.FitsDigits(t.Precision):
			return DecimalValue(n, t.Scale)
		case t.Kind == view.Int64 && ok && fits:
			return Int64Value(small)
		case t.Kind == view.Int128 && ok:
			return Int128Value(n)
		}
		return Value{}
	}
	return FloatValue(x)
}

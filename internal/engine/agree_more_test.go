package engine

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// Where an event stands, among its values.
const (
	eventTime      = " time"
	eventPartition = " partition"
	eventOffset    = " offset"
)

// locate adds where an event stands.
func (e event) locate(rows *intake.Rows, i int) {
	e[eventTime], e[eventPartition], e[eventOffset] = algebra.Int64Value(rows.EventTime[i]), algebra.Int64Value(rows.Partition[i]), algebra.Int64Value(rows.Offset[i])
}

// furtherMeasures are those of aggregations whose partials look at more than a value.
func furtherMeasures(src *view.Source) []naive {
	var out []naive
	add := func(m view.Measure, field string, columns int, of func(e event, v algebra.Value) []any) {
		m.Name, m.Expr, m.Input = fmt.Sprintf("w%d", len(out)), field, src.Fields[src.Field(field)].Type
		if m.Type.Kind == view.Invalid {
			m.Type = m.Input
		}
		out = append(out, naive{Measure: m, columns: columns, of: func(e event) ([]any, bool) {
			if e[field].IsNull() {
				return nil, false
			}
			return of(e, e[field]), false
		}})
	}
	for agg, fields := range map[view.Agg][]string{
		view.First: {"i_n", "d4", "d38_n", "s_n", "f_n", "ts_n"}, view.Last: {"d9_n", "d18_n", "d38_n", "s", "b_n", "day_n"},
	} {
		for _, f := range fields {
			add(view.Measure{Agg: agg}, f, 5, func(e event, v algebra.Value) []any {
				return append(plain(agg, v), e[eventTime].Int64(), int64(1), e[eventPartition].Int64(), e[eventOffset].Int64())
			})
		}
	}
	for f, agg := range map[string]view.Agg{"i_n": view.VarSamp, "d4": view.VarPop, "d9_n": view.StddevSamp, "d18": view.StddevPop} {
		add(view.Measure{Agg: agg, Type: typ(view.Double)}, f, 4, func(_ event, v algebra.Value) []any {
			x, _ := v.Int128().Int64()
			size := uint64(max(x, -x))
			high, low := bits.Mul64(size, size)
			return []any{algebra.Int128Of(x), algebra.Int128Of(int64(high)), algebra.Int128{Lo: low}, int64(1)}
		})
	}
	add(view.Measure{Agg: view.StddevSamp, Type: typ(view.Double)}, "f_n", 3, func(_ event, v algebra.Value) []any {
		return []any{int64(1), v.Float64(), 0.0}
	})
	for _, f := range []string{"s", "i_n", "d38_n", "b_n", "ts_n"} {
		add(view.Measure{Agg: view.TopK, K: 3, Type: typ(view.Array)}, f, 4, func(_ event, v algebra.Value) []any {
			return []any{[]string{canonical(v)}, []uint64{1}, int64(0), int64(1)}
		})
	}
	for f, bounds := range map[string][]string{"i_n": {"-5", "0", "1000"}, "d9": {"-10.50", "0.00", "0.01"}, "d38_n": {"0.0000"}, "f_n": {"-1", "0", "0.25", "1e+06"}} {
		in := src.Fields[src.Field(f)].Type
		add(view.Measure{Agg: view.Histogram, Bounds: bounds, Type: typ(view.Array)}, f, 2, func(_ event, v algebra.Value) []any {
			bin := int32(len(bounds))
			for i, text := range bounds {
				if bound, err := algebra.ParseValue(text, in); err != nil || algebra.Compare(v, bound) < 0 {
					bin = int32(i)
					break
				}
			}
			return []any{[]int32{bin}, []uint64{1}}
		})
	}
	return out
}

// canonical is the text of a value that is hashed and counted.
func canonical(v algebra.Value) string {
	switch v.Kind() {
	case view.Decimal:
		return v.Int128().String()
	case view.Timestamp, view.Date:
		return fmt.Sprint(v.Int64())
	}
	return v.String()
}

// inOrder says whether a measure's last bits depend on the order of events.
func inOrder(m *view.Measure) bool {
	if m.Input.Kind != view.Double {
		return false
	}
	switch m.Agg {
	case view.Sum, view.Average, view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop:
		return true
	}
	return false
}

func near(a, b algebra.Value) bool {
	x, y := a.Float64(), b.Float64()
	return math.Abs(x-y) <= 1e-6+1e-9*max(math.Abs(x), math.Abs(y))
}

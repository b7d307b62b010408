package training

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// happening is an event, or a row where it has no values.
type happening struct {
	time, known int64
	row         bool
	values      []algebra.Value
}

func sortedHappenings(all []happening) []happening {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b happening) int {
		rowLast := 0
		if a.row != b.row {
			rowLast = -1
			if a.row {
				rowLast = 1
			}
		}
		return cmp.Or(cmp.Compare(a.time, b.time), rowLast)
	})
	return out
}

// swept is what a sweep answers for each row.
func swept(t interface{ Fatal(...any) }, features []view.Feature, value []int, width int, as As, all []happening) [][]algebra.Value {
	s, err := newSweep(features, value, width, as)
	if err != nil {
		t.Fatal(err)
	}
	s.reset()
	var out [][]algebra.Value
	for _, x := range sortedHappenings(all) {
		if !x.row {
			copy(s.event(x.time, x.known), x.values)
			continue
		}
		into := make([]algebra.Value, len(features))
		s.row(x.time, x.known, into)
		out = append(out, into)
	}
	return out
}

// brute is the same by the definition: for each row and feature it looks at all events.
func brute(features []view.Feature, value []int, as As, all []happening) [][]algebra.Value {
	sorted := sortedHappenings(all)
	var out [][]algebra.Value
	for _, row := range sorted {
		if !row.row {
			continue
		}
		into := make([]algebra.Value, len(features))
		for i := range features {
			f := &features[i]
			end := row.time - f.Delay.Microseconds()
			var values []algebra.Value
			for _, e := range sorted {
				if !e.row && e.time < end && e.time >= end-f.Window.Microseconds() && (as == Happened || e.known < row.known) && !e.values[value[i]].IsNull() {
					values = append(values, e.values[value[i]])
				}
			}
			into[i] = bruteFold(&f.Measure, values)
		}
		out = append(out, into)
	}
	return out
}

// bruteFold aggregates values in the order of their events, with rational numbers.
func bruteFold(m *view.Measure, values []algebra.Value) algebra.Value {
	if m.Agg == view.Percentile && m.Input.Kind == view.Double || isVariance(m.Agg) && m.Input.Kind == view.Double {
		values = slices.DeleteFunc(values, func(v algebra.Value) bool {
			return math.IsNaN(v.Float64()) || math.IsInf(v.Float64(), 0) || isVariance(m.Agg) && math.Abs(v.Float64()) > 1e140
		})
	}
	distinct := map[algebra.Value]bool{}
	for _, v := range values {
		distinct[v] = true
	}
	n := len(values)
	switch {
	case m.Agg == view.Count:
		return algebra.Int64Value(int64(n))
	case m.Agg == view.CountDistinct:
		return algebra.Int64Value(int64(len(distinct)))
	case n == 0:
		return algebra.Null()
	case m.Agg == view.First:
		return values[0]
	case m.Agg == view.Last:
		return values[n-1]
	case m.Agg == view.Min:
		return slices.MinFunc(values, algebra.Compare)
	case m.Agg == view.Max:
		return slices.MaxFunc(values, algebra.Compare)
	case m.Agg == view.Percentile:
		slices.SortFunc(values, algebra.Compare)
		p, _ := new(big.Rat).SetString(fmt.Sprint(m.P))
		p.Mul(p, big.NewRat(int64(n), 1))
		rank := new(big.Int).Div(new(big.Int).Add(p.Num(), new(big.Int).Sub(p.Denom(), big.NewInt(1))), p.Denom())
		return algebra.FloatValue(values[rank.Int64()-1].Float64())
	}
	sum, squares := new(big.Rat), new(big.Rat)
	for _, v := range values {
		x := new(big.Rat)
		if v.Kind() == view.Double {
			if x.SetFloat64(v.Float64()) == nil {
				return bruteOdd(m, values)
			}
		} else {
			x.SetString(v.Int128().String())
		}
		sum.Add(sum, x)
		squares.Add(squares, x.Mul(x, x))
	}
	if isVariance(m.Agg) {
		return bruteVariance(m, int64(n), sum, squares)
	}
	if m.Input.Kind == view.Double {
		x, _ := sum.Float64()
		if m.Agg == view.Average {
			x /= float64(n)
		}
		return algebra.FloatValue(x)
	}
	total, ok := algebra.ParseInt128(sum.Num().String())
	switch {
	case m.Agg == view.Average:
		x, _ := sum.Float64()
		return algebra.FloatValue(x / math.Pow10(int(m.Input.Scale)) / float64(n))
	case !ok || !total.FitsDigits(max(m.Type.Precision, 18)) && m.Type.Kind != view.Int128:
		return algebra.Null()
	case m.Type.Kind == view.Int64:
		if _, fits := total.Int64(); !fits {
			return algebra.Null()
		}
		return algebra.Int64Value(int64(total.Lo))
	}
	return algebra.DecimalValue(total, m.Type.Scale)
}

func isVariance(agg view.Agg) bool {
	return agg == view.VarSamp || agg == view.VarPop || agg == view.StddevSamp || agg == view.StddevPop
}

func bruteVariance(m *view.Measure, n int64, sum, squares *big.Rat) algebra.Value {
	less := n
	if m.Agg == view.VarSamp || m.Agg == view.StddevSamp {
		less--
	}
	if less == 0 {
		return algebra.Null()
	}
	x := new(big.Rat).Sub(squares, sum.Quo(new(big.Rat).Mul(sum, sum), big.NewRat(n, 1)))
	x.Quo(x, big.NewRat(less, 1))
	for range 2 * int(m.Input.Scale) {
		x.Quo(x, big.NewRat(10, 1))
	}
	out, _ := x.Float64()
	if m.Agg == view.StddevSamp || m.Agg == view.StddevPop {
		out = math.Sqrt(out)
	}
	return algebra.FloatValue(out)
}

// bruteOdd is the sum or average of doubles of which some are no numbers.
func bruteOdd(m *view.Measure, values []algebra.Value) algebra.Value {
	x := 0.0
	for _, v := range values {
		x += v.Float64()
	}
	if m.Agg == view.Average {
		x /= float64(len(values))
	}
	return algebra.FloatValue(x)
}

// The columns of a test's events.
const (
	integers = iota
	decimals
	doubles
	texts
	columns
)

// everyFeature is each aggregation over each column that it takes, over some windows.
func everyFeature(windows ...[2]time.Duration) (features []view.Feature, value []int) {
	types := []view.Type{{Kind: view.Int64}, {Kind: view.Decimal, Precision: 12, Scale: 2}, {Kind: view.Double}, {Kind: view.String}}
	aggs := []view.Agg{view.Count, view.Sum, view.Min, view.Max, view.Average, view.CountDistinct, view.Percentile, view.First, view.Last,
		view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop}
	for i, agg := range aggs {
		for c, in := range types {
			m := view.Measure{Name: fmt.Sprintf("%s_%d", agg, c), Agg: agg, Input: in, Type: in, P: []float64{0.5, 0.95, 0.1}[c%3]}
			number := c != texts
			switch agg {
			case view.Sum:
				m.Type = map[int]view.Type{integers: {Kind: view.Int128}, decimals: {Kind: view.Decimal, Precision: 38, Scale: 2}, doubles: in}[c]
			case view.Average, view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop, view.Percentile:
			default:
				number = true
			}
			if !number || agg == view.CountDistinct && c == doubles {
				continue
			}
			w := windows[(i+c)%len(windows)]
			features = append(features, view.Feature{Name: m.Name, Measure: m, Window: w[0], Delay: w[1]})
			value = append(value, c)
		}
	}
	return features, value
}

// drawHistory draws events and rows of one entity: ties, late arrivals, nulls, doubles of all sizes.
func drawHistory(t *rapid.T) []happening {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) happening {
		at := rapid.Int64Range(0, 40).Draw(t, "time")
		x := happening{time: at, known: at + rapid.SampledFrom([]int64{0, 0, 0, 1, 5, 30, -3}).Draw(t, "late"), row: rapid.Bool().Draw(t, "row")}
		if x.row {
			return x
		}
		x.values = make([]algebra.Value, columns)
		small := rapid.Int64Range(-4, 9)
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			x.values[integers] = algebra.Int64Value(rapid.OneOf(small, rapid.Int64()).Draw(t, "integer"))
		}
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			x.values[decimals] = algebra.DecimalValue(algebra.Int128Of(rapid.OneOf(small, rapid.Int64Range(-999999999999, 999999999999)).Draw(t, "decimal")), 2)
		}
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			x.values[doubles] = algebra.FloatValue(rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 10), rapid.SampledFrom([]float64{0, 0.1, 1e16, -1e16, 5e-324, math.Inf(1), math.NaN()})).Draw(t, "double"))
		}
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			x.values[texts] = algebra.StringValue(rapid.SampledFrom([]string{"", "a", "b", "ab"}).Draw(t, "text"))
		}
		return x
	}), 0, 100).Draw(t, "history")
}

func testWindows() [][2]time.Duration {
	return [][2]time.Duration{{time.Microsecond, 0}, {5 * time.Microsecond, 0}, {17 * time.Microsecond, 0}, {10 * time.Microsecond, 4 * time.Microsecond}, {time.Hour, 0}}
}

func TestFeaturesOfRandomHistoriesAreThoseOfABruteForceFold(t *testing.T) {
	features, value := everyFeature(testWindows()...)
	cells := 0
	property := func(t *rapid.T) {
		history := drawHistory(t)
		for _, as := range []As{Happened, Known} {
			cells += compareCells(t, features, history, swept(t, features, value, columns, as, history), brute(features, value, as, history))
		}
	}
	for range 10 {
		rapid.Check(t, property)
	}
	t.Logf("%d features of rows are equal", cells)
}

func compareCells(t interface{ Fatalf(string, ...any) }, features []view.Feature, history []happening, got, want [][]algebra.Value) int {
	n := 0
	for row := range want {
		for i := range features {
			if got[row][i] != want[row][i] {
				t.Fatalf("row %d, %s over [-%s-%s, -%s): %v, and by brute force %v; history %v", row, features[i].Name, features[i].Delay, features[i].Window, features[i].Delay,
					got[row][i], want[row][i], sortedHappenings(history))
			}
			n++
		}
	}
	return n
}

func TestALongHistoryOfOneEntityIsForgottenAsWindowsMoveOn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	features, value := everyFeature([][2]time.Duration{{300 * time.Microsecond, 0}, {900 * time.Microsecond, 50 * time.Microsecond}}...)
	var history []happening
	for i := range 7_000 {
		at := int64(i) + random.Int64N(5)
		x := happening{time: at, known: at + random.Int64N(3)*random.Int64N(60), row: random.IntN(150) == 0}
		if !x.row {
			x.values = []algebra.Value{algebra.Int64Value(random.Int64N(40)), algebra.DecimalValue(algebra.Int128Of(random.Int64N(9999)), 2),
				algebra.FloatValue(random.NormFloat64()), algebra.StringValue(string(rune('a' + random.IntN(20))))}
		}
		history = append(history, x)
	}
	for _, as := range []As{Happened, Known} {
		s, err := newSweep(features, value, columns, as)
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, x := range sortedHappenings(history) {
			if x.row {
				s.row(x.time, x.known, make([]algebra.Value, len(features)))
			} else {
				copy(s.event(x.time, x.known), x.values)
			}
			most = max(most, len(s.history.times))
		}
		if most > 5000 {
			t.Errorf("as %s: %d events were remembered at once", as, most)
		}
		n := compareCells(t, features, nil, swept(t, features, value, columns, as, history), brute(features, value, as, history))
		t.Logf("as %s: %d features of rows are equal, at most %d events remembered", as, n, most)
	}
}

// A feature whose window ends a microsecond too late admits the event that happens at the row's own time: the test of leaks has to see it.
func TestOneEventOfTheFutureIsALeakThatIsFound(t *testing.T) {
	features, value := everyFeature([2]time.Duration{10 * time.Microsecond, 0})
	admitting := slices.Clone(features)
	for i := range admitting {
		admitting[i].Delay = -time.Microsecond
	}
	values := func(n int64) []algebra.Value {
		return []algebra.Value{algebra.Int64Value(n), algebra.DecimalValue(algebra.Int128Of(n), 2), algebra.FloatValue(float64(n)), algebra.StringValue(fmt.Sprint(n))}
	}
	past := []happening{{time: 1, known: 1, values: values(5)}, {time: 3, known: 9, values: values(7)}, {time: 4, known: 4, values: values(6)}, {time: 5, known: 5, row: true}}
	for _, as := range []As{Happened, Known} {
		for _, future := range []happening{{time: 5, known: 5, values: values(1000)}, {time: 5, known: 1, values: values(-1000)}, {time: 6, known: 1, values: values(1000)}} {
			leak := func(features []view.Feature) (found bool) {
				without := swept(t, features, value, columns, as, past)
				with := swept(t, features, value, columns, as, append(slices.Clone(past), future))
				return !slices.Equal(without[0], with[0])
			}
			if leak(features) {
				t.Errorf("as %s: what happens at %d changes a row of time 5", as, future.time)
			}
			if future.time == 5 && (as == Happened || future.known < 5) && !leak(admitting) {
				t.Errorf("as %s: a window that admits the row's own microsecond is not found out", as)
			}
		}
	}
	// Nor does what arrives at the row's own moment of knowledge, or after it, change a row as known.
	for _, late := range []int64{5, 6} {
		with := append(slices.Clone(past), happening{time: 4, known: late, values: values(1000)})
		if !slices.Equal(swept(t, features, value, columns, Known, past)[0], swept(t, features, value, columns, Known, with)[0]) {
			t.Errorf("what arrives at %d changes a row that was known at 5", late)
		}
		if slices.Equal(swept(t, features, value, columns, Happened, past)[0], swept(t, features, value, columns, Happened, with)[0]) {
			t.Errorf("what arrives at %d and happened before is left out of a row as happened", late)
		}
	}
}

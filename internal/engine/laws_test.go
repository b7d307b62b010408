package engine

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

var updateGolden = flag.Bool("update-golden", false, "write testdata/states.golden anew: only together with another algebra.Version")

// columnTypes are a type of each kind, of decimals one of each width that is stored in its own way.
func columnTypes() []view.Type {
	var types []view.Type
	for _, k := range view.ColumnKinds() {
		if k != view.Decimal {
			types = append(types, typ(k))
			continue
		}
		types = append(types, dec(4, 1), dec(9, 2), dec(18, 3), dec(38, 4), dec(38, 0))
	}
	return types
}

// edges are the values of a type, as JSON, that careless code loses.
func edges(t view.Type) []string {
	switch t.Kind {
	case view.String:
		return []string{`""`, `"a"`, `"é"`, `"e\u0301"`, `"\ud83d\ude00"`, `"\u0000"`, `"NULL"`, `"twelve bytes"`, `"thirteen byte"`, `"日本語 🌊 of more than twelve bytes"`}
	case view.Int64:
		return []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "1", "2"}
	case view.Decimal:
		nines := strings.Repeat("9", int(t.Precision-t.Scale))
		if t.Scale > 0 {
			nines += "." + strings.Repeat("9", int(t.Scale))
		}
		return []string{"0", `"-` + nines + `"`, `"` + nines + `"`, "1", "-2", `"` + nines + `"`}
	case view.Double:
		return []string{"0", "-0", "5e-324", "-1.5", "0.1", "1e15", "2.5", "-0.25"}
	case view.Bool:
		return []string{"true", "false"}
	case view.Timestamp:
		return []string{`"1969-12-31T23:59:59.999999Z"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.999999Z"`, `"2026-03-29T01:30:00.000001+01:00"`, "0"}
	case view.Date:
		return []string{`"1969-12-31"`, `"0001-01-01"`, `"9999-12-31"`, `"2024-02-29"`}
	}
	return nil
}

// typedSource is a source with the column x of one type.
func typedSource(t view.Type) *view.Source {
	return &view.Source{Name: "typed", Topic: "typed", Format: "json", EventTime: view.EventTime{Field: "at", Format: "unix_s", Timezone: "UTC"}, Fields: []view.Field{
		{Name: "at", Type: typ(view.Timestamp)}, {Name: "keep", Type: typ(view.Bool)}, {Name: "x", Type: t, Nullable: true},
	}}
}

// measuresOf are a measure of each aggregation that takes the type, with a filter and without.
func measuresOf(t view.Type) []view.Measure {
	var list []view.Measure
	for _, agg := range view.Aggregations() {
		answer, mend := agg.Of(t)
		if mend != "" {
			continue
		}
		for _, filter := range []string{"", "keep"} {
			m := view.Measure{Name: fmt.Sprintf("m%d", len(list)), Agg: agg, Expr: "x", Filter: filter, Input: t, Type: answer}
			switch agg {
			case view.Count:
				m.Expr, m.Input = "", view.Type{}
			case view.Percentile:
				m.P = 0.5
			case view.TopK:
				m.K = 10
			case view.Histogram:
				m.Bounds = []string{"-1" + fraction(t), "0" + fraction(t), "2" + fraction(t)}
			}
			list = append(list, m)
		}
	}
	return list
}

// fraction is what stands behind the whole part of a canonical bound.
func fraction(t view.Type) string {
	if t.Kind != view.Decimal || t.Scale == 0 {
		return ""
	}
	return "." + strings.Repeat("0", int(t.Scale))
}

// decodeRows makes rows of records {at, keep, x}, by the intake.
func decodeRows(t *testing.T, src *view.Source, records []string) *intake.Rows {
	t.Helper()
	schema, err := intake.NewSchema(src)
	if err != nil {
		t.Fatal(err)
	}
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	for i, r := range records {
		if v := fold.Append(intake.Record{Offset: int64(i), Value: []byte(r)}, rows); v.Kind != intake.Event {
			t.Fatalf("%s: %+v", r, v.Dead)
		}
	}
	return rows
}

// algebraOf computes states of some measures over a type.
type algebraOf struct {
	t    *testing.T
	conn *Conn
	in   *Input
	plan *algebra.Plan
	src  *view.Source
	sql  string
}

func newAlgebra(t *testing.T, conn *Conn, in *Input, src *view.Source, measures []view.Measure) *algebraOf {
	t.Helper()
	day, _ := view.ParseGrain("24h")
	plan, err := algebra.Compile(&view.View{Name: "laws", Source: src, Location: time.UTC, Grains: []view.Grain{day}, Measures: measures})
	if err != nil {
		t.Fatal(err)
	}
	return &algebraOf{t, conn, in, plan, src, plan.PartialSQL(in.From())}
}

// state is that of rows, by the SQL of the speed layer.
func (a *algebraOf) state(rows *intake.Rows) *algebra.State {
	a.t.Helper()
	cells, all := map[cellKey]*algebra.State{}, a.plan.New()
	a.in.Set(rows, nil, rows.Len())
	mergeCells(a.t, a.conn, a.plan, a.sql, 0, cells)
	a.in.Clear()
	for _, s := range cells {
		a.plan.Merge(all, s)
	}
	return all
}

// merge merges states from the left.
func (a *algebraOf) merge(states ...*algebra.State) *algebra.State {
	sum := a.plan.New()
	for _, s := range states {
		a.plan.Merge(sum, s)
	}
	return sum
}

// The laws of the merge, for each aggregation over each type that it takes, with a filter and without: what is merged in any tree and order, with states of
// no events in between and through the encoding, is the state of the union, to the byte. Doubles that are added up keep to the bound that
// docs/measures.md states.
func TestEveryAggregationObeysTheLawsOfTheMerge(t *testing.T) {
	_, conn := openTest(t)
	seen := map[view.Agg]int{}
	for k, of := range columnTypes() {
		src := typedSource(of)
		in, err := conn.RegisterRows(fmt.Sprint("laws", k), src)
		if err != nil {
			t.Fatal(err)
		}
		var exact, nearly []view.Measure
		for _, m := range measuresOf(of) {
			if seen[m.Agg]++; inOrder(&m) {
				nearly = append(nearly, m)
			} else {
				exact = append(exact, m)
			}
		}
		for seed := range uint64(2) {
			rnd := rand.New(rand.NewPCG(seed, uint64(k)))
			parts, values := make([][]string, 3), edges(of)
			for i := range 40 {
				x := values[rnd.IntN(len(values))]
				if rnd.IntN(4) == 0 {
					x = "null"
				}
				p := rnd.IntN(3)
				parts[p] = append(parts[p], fmt.Sprintf(`{"at":%d,"keep":%t,"x":%s}`, i/3, rnd.IntN(2) == 0, x))
			}
			t.Run(fmt.Sprintf("%s/%d", of, seed), func(t *testing.T) {
				lawsOf(t, newAlgebra(t, conn, in, src, exact), parts, func(a *algebraOf, what string, got, want *algebra.State) {
					if !bytes.Equal(a.plan.Append(nil, got), a.plan.Append(nil, want)) {
						t.Errorf("%s is not the state of the union", what)
					}
				})
				if len(nearly) > 0 {
					lawsOf(t, newAlgebra(t, conn, in, src, nearly), parts, func(a *algebraOf, what string, got, want *algebra.State) { withinBounds(a, parts, what, got, want) })
				}
			})
		}
	}
	for _, agg := range view.Aggregations() {
		if seen[agg] == 0 {
			t.Errorf("nothing holds %s to the laws", agg)
		}
	}
}

// lawsOf compares states that ought to be the same.
func lawsOf(t *testing.T, a *algebraOf, parts [][]string, same func(a *algebraOf, what string, got, want *algebra.State)) {
	t.Helper()
	union := a.state(decodeRows(t, a.src, concat(parts)))
	var s [3]*algebra.State
	for i := range s {
		s[i] = a.stateOf(parts, i)
	}
	before := a.plan.Append(nil, s[1])
	same(a, "(ab)c", a.merge(a.merge(s[0], s[1]), s[2]), union)
	same(a, "a(bc)", a.merge(s[0], a.merge(s[1], s[2])), union)
	same(a, "cba", a.merge(s[2], s[1], s[0]), union)
	same(a, "bca with states of nothing", a.merge(a.plan.New(), s[1], a.plan.New(), s[2], s[0]), union)
	decoded := a.plan.New()
	for _, one := range s {
		into := a.plan.New()
		if err := a.plan.Decode(a.plan.Append(nil, one), into); err != nil {
			t.Fatal(err)
		}
		a.plan.Merge(decoded, into)
	}
	same(a, "what was encoded and decoded", decoded, union)
	if !bytes.Equal(before, a.plan.Append(nil, s[1])) || !bytes.Equal(before, a.plan.Append(nil, a.merge(a.plan.New(), s[1]))) {
		t.Error("the state of no events is no identity, or a state changes by being merged")
	}
	if bytes.Equal(before, a.plan.Append(nil, a.plan.New())) || bytes.Equal(before, a.plan.Append(nil, union)) {
		t.Error("the draw shows nothing: a part is empty, or all there is")
	}
}

func concat(parts [][]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// stateOf is the state of one part, whose records keep the offsets that they have in the union.
func (a *algebraOf) stateOf(parts [][]string, part int) *algebra.State {
	a.t.Helper()
	first := 0
	for _, p := range parts[:part] {
		first += len(p)
	}
	rows := intake.NewRows(a.src)
	copyRows(a.src, decodeRows(a.t, a.src, concat(parts)), rows, first, first+len(parts[part]))
	return a.state(rows)
}

// withinBounds compares what is only nearly associative: sums of n doubles differ by at most n·2⁻⁵² of the sum of their sizes, averages by that
// divided by n, variances by n·2⁻⁵⁰ of the mean square, standard deviations by what that leaves of the root.
func withinBounds(a *algebraOf, parts [][]string, what string, got, want *algebra.State) {
	a.t.Helper()
	rows := decodeRows(a.t, a.src, concat(parts))
	for i := range a.plan.View.Measures {
		m := &a.plan.View.Measures[i]
		n, sizes, squares := 0.0, 0.0, 0.0
		for r := range rows.Len() {
			if c := &rows.Columns[2]; !c.Null(r) && (m.Filter == "" || rows.Columns[1].Words[r] != 0) {
				x := c.Float(r)
				n, sizes, squares = n+1, sizes+math.Abs(x), squares+x*x
			}
		}
		x, y := a.plan.Final(got, i), a.plan.Final(want, i)
		slack := n * math.Exp2(-52) * sizes
		switch m.Agg {
		case view.Average:
			slack /= n
		case view.VarSamp, view.VarPop:
			slack = n * math.Exp2(-50) * squares / (n - 1)
		case view.StddevSamp, view.StddevPop:
			slack = n * math.Exp2(-50) * squares / (n - 1) / max(y.Value.Float64(), math.SmallestNonzeroFloat64)
		}
		if x.Exact || y.Exact || x.Value.IsNull() != y.Value.IsNull() || math.Abs(x.Value.Float64()-y.Value.Float64()) > slack {
			a.t.Errorf("%s of %s: %v, of the union %v, allowed ±%g; said to be exact: %t", what, m.Agg, x.Value, y.Value, slack, x.Exact)
		}
	}
}

// The bytes that Redis, view files and other releases hold of a state of each aggregation over each type: they may change only with algebra.Version.
func TestEveryAggregationHasGoldenBytes(t *testing.T) {
	const path = "testdata/states.golden"
	golden := map[string]string{}
	data, err := os.ReadFile(path)
	if err != nil && !*updateGolden {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, bytes, _ := strings.Cut(strings.TrimSpace(line), ": ")
		golden[name] = bytes
	}
	_, conn := openTest(t)
	var now strings.Builder
	for k, of := range columnTypes() {
		src := typedSource(of)
		in, err := conn.RegisterRows(fmt.Sprint("golden", k), src)
		if err != nil {
			t.Fatal(err)
		}
		var records []string
		for i, x := range append(edges(of), "null") {
			records = append(records, fmt.Sprintf(`{"at":%d,"keep":%t,"x":%s}`, i, i%2 == 0, x))
		}
		for _, m := range measuresOf(of) {
			name := fmt.Sprintf("%s of %s", m.Agg, of)
			if m.Filter != "" {
				name += " filtered"
			}
			a := newAlgebra(t, conn, in, src, []view.Measure{m})
			got := fmt.Sprintf("%x", a.plan.Append(nil, a.state(decodeRows(t, src, records))))
			fmt.Fprintf(&now, "%s: %s\n", name, got)
			if want, known := golden[name]; !*updateGolden && got != want {
				t.Errorf("%s is encoded as\n%s, golden (there: %t)\n%s", name, got, known, want)
			}
			delete(golden, name)
		}
	}
	if *updateGolden {
		if err := os.WriteFile(path, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range golden {
		t.Errorf("%s has golden bytes and is no aggregation of a type any more", name)
	}
}

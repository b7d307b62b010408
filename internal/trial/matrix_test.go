package trial

import (
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// The matrix of types: every type of column under every aggregation that takes it, with a filter and without, over nulls and the values that
// careless code loses, through every way that an answer can take. Rows and columns come from the lists of the language itself, so that a new type or
// aggregation is in the matrix before anybody thinks of it; the reference is one fold over the values in numbers of any size.

// valuesOf are values of a type, as JSON and as people write them, and what is refused in a record.
func valuesOf(t view.Type) (values [][2]string, refused []string) {
	same := func(texts ...string) (list [][2]string) {
		for _, text := range texts {
			list = append(list, [2]string{text, text})
		}
		return list
	}
	quoted := func(texts ...string) (list [][2]string) {
		for _, text := range texts {
			list = append(list, [2]string{`"` + text + `"`, text})
		}
		return list
	}
	switch t.Kind {
	case view.String:
		return append(quoted("", "a", "é", "e\u0301", "Å", "\u212b", "😀", "日本語 🌊 of more than twelve bytes", "NULL", "null", " ", "0"), [2]string{`"\u0000\u001f"`, "\x00\x1f"}, [2]string{`"\ud83d\ude00"`, "😀"}),
			[]string{"1", "true", "{}", "[]", `"\x"`}
	case view.Int64:
		return same("9223372036854775807", "-9223372036854775808", "9223372036854775806", "0", "-1", "1", "9007199254740993", "-9007199254740993", "9223372036854775807"),
			[]string{"9223372036854775808", "-9223372036854775809", "1.5", `"1"`, "1e19", "NaN", "[1]"}
	case view.Decimal:
		nines := strings.Repeat("9", int(t.Precision-t.Scale))
		last := "1"
		if t.Scale > 0 {
			nines += "." + strings.Repeat("9", int(t.Scale))
			last = "0." + strings.Repeat("0", int(t.Scale)-1) + "1"
		}
		over := "1" + strings.Repeat("0", int(t.Precision-t.Scale))
		return same(nines, "-"+nines, nines, last, "-"+last, "0", "1", nines), []string{over, "-" + over, "1" + strings.Repeat("0", 60), last[:len(last)-1] + "01e-1", `"x"`, "Infinity"}
	case view.Double:
		return same("0", "-0", "5e-324", "-5e-324", "0.1", "-1.5", "1e15", "0.30000000000000004", "-2.5e-8"), []string{"1e309", "-1e400", `"NaN"`, "NaN", "Infinity", "true"}
	case view.Bool:
		return same("true", "false", "true"), []string{"0", `"true"`, "TRUE"}
	case view.Timestamp:
		return quoted("1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-03-29T01:30:00.000001Z", "2026-03-29T01:30:00.000002Z"),
			[]string{`"10000-01-01T00:00:00Z"`, `"0000-12-31T23:59:59Z"`, `"2026-02-30T00:00:00Z"`, "253402300800000000", "1.5"}
	case view.Date:
		return quoted("1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "2024-02-29", "1582-10-10"), []string{`"10000-01-01"`, `"2023-02-29"`, `"1970-01-01T00:00:00Z"`, "0"}
	}
	return nil, nil
}

// matrixTypes are a type of each kind of column; of decimals one of each width that is stored in its own way.
func matrixTypes() []view.Type {
	var types []view.Type
	for _, k := range view.ColumnKinds() {
		if k != view.Decimal {
			types = append(types, view.Type{Kind: k})
			continue
		}
		for _, ps := range [][2]uint8{{4, 1}, {9, 2}, {18, 3}, {38, 4}, {38, 0}} {
			types = append(types, view.Type{Kind: k, Precision: ps[0], Scale: ps[1]})
		}
	}
	return types
}

// happening is an event of the matrix.
type happening struct {
	class string
	keep  bool
	text  string // as people write the value
	json  string
	null  bool
}

// happenings are the events of a type: a class of nulls alone, of one value, of each value alone, of all of them, and of all but those in
// between nulls, in an order that puts each class on both sides of every seam.
func happenings(t view.Type) []happening {
	values, _ := valuesOf(t)
	var list []happening
	for i, v := range values {
		all := happening{class: "all", keep: i%2 == 0, json: v[0], text: v[1]}
		list = append(list, all, happening{class: fmt.Sprint("one ", i), keep: i%3 > 0, json: v[0], text: v[1]}, happening{class: "nulls", keep: i%2 == 0, json: "null", null: true})
		all.class = "some"
		list = append(list, happening{class: "some", keep: true, json: "null", null: true}, all)
	}
	for i := range values { // again, so that every class lies on both sides
		v := values[len(values)-1-i]
		list = append(list, happening{class: "all", keep: i%3 == 0, json: v[0], text: v[1]}, happening{class: "nulls", keep: true, json: "null", null: true})
	}
	if t.Kind == view.Double {
		for range 4 {
			list = append(list, happening{class: "huge", keep: true, json: "1.7976931348623157e308", text: "1.7976931348623157e308"})
		}
	}
	return list
}

// measureYAML is a measure of a view over x, as a definition writes it.
func measureYAML(name string, agg view.Agg, filter string) string {
	text := fmt.Sprintf("  - {name: %s, agg: %s", name, agg)
	switch agg {
	case view.Count:
	case view.Percentile:
		text += ", expr: x, p: 0.5"
	case view.TopK:
		text += ", expr: x, k: 20"
	case view.Histogram:
		text += ", expr: x, bounds: [-1, 0, 1]"
	default:
		text += ", expr: x"
	}
	if filter != "" {
		text += ", filter: " + filter
	}
	return text + "}\n"
}

// matrixProject has a source for each of the types.
func matrixProject(types ...view.Type) string {
	text := "project: matrix\nsources:\n"
	for i, t := range types {
		text += fmt.Sprintf("  typed%d:\n    event_time: {field: at, format: unix_s}\n    fields:\n      at: timestamp\n      class: string\n      keep: bool\n      x: %q\n", i, t.String()+"?")
	}
	return text
}

// matrixView is the view over a type with all that can be measured, and one test of all of its events.
func matrixView(t view.Type, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "view: v%02d\nsource: typed%d\n", i, i)
	b.WriteString("dimensions: [class]\ngrains: [1d]\nmeasures:\n")
	for _, agg := range view.Aggregations() {
		if _, mend := agg.Of(t); mend == "" {
			b.WriteString(measureYAML(string(agg), agg, "") + measureYAML(string(agg)+"_kept", agg, "keep"))
		}
	}
	if _, mend := view.Sum.Of(t); mend == "" { // at a type that a few events are too much for
		fmt.Fprintf(&b, "  - {name: sum_as_is, agg: sum, expr: x, type: %q}\n", t)
	}
	b.WriteString("tests:\n  - name: matrix\n    query: {dimensions: [class]}\n    given:\n")
	for i, h := range happenings(t) {
		fmt.Fprintf(&b, "      - '%s'\n", strings.ReplaceAll(fmt.Sprintf(`{"at":%d,"class":%q,"keep":%t,"x":%s}`, i, h.class, h.keep, h.json), "'", "''"))
	}
	_, refused := valuesOf(t)
	for i, x := range refused {
		fmt.Fprintf(&b, "      - '{\"at\":%d,\"class\":\"refused\",\"keep\":true,\"x\":%s}'\n", i, x)
	}
	fmt.Fprintf(&b, "    counts: {dead_letters: %d, events: %d}\n    expect: [{class: nulls, count: %d}]\n", len(refused), len(happenings(t)), 2*len(happenings(t))/7) // of seven events of a value two are nulls
	return b.String()
}

func parseMatrix(t *testing.T, project string, views ...string) (*view.Project, error) {
	t.Helper()
	files := []view.File{{Path: "caudal.yaml", Data: []byte(project)}}
	for i, text := range views {
		files = append(files, view.File{Path: fmt.Sprintf("views/v%02d.yaml", i), Data: []byte(text)})
	}
	return engine.Parse(t.Context(), files, func(string) (string, bool) { return "", false })
}

// Where an aggregation does not take a type, lint says so at the place of the expression, with what to write instead.
func TestWhatTheMatrixLeavesOutIsRefusedAtLint(t *testing.T) {
	refused := 0
	for _, of := range matrixTypes() {
		for _, agg := range view.Aggregations() {
			_, mend := agg.Of(of)
			if mend == "" {
				continue
			}
			refused++
			_, err := parseMatrix(t, matrixProject(of), "view: v\nsource: typed0\ngrains: [1d]\nmeasures:\n"+measureYAML("m", agg, ""))
			if want := fmt.Sprintf("measure m of view v: %s of a %s: %s", agg, of, mend); err == nil || !strings.Contains(err.Error(), "views/v00.yaml:5:") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: %v, want %s", agg, of, err, want)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing is refused")
	}
}

// carriedOut has the events of views, each over a column of its own, in both layers, which end with the test.
func carriedOut(t *testing.T, types []view.Type, views []string, seams int) (*layers, []*trial) {
	t.Helper()
	p, err := parseMatrix(t, matrixProject(types...), views...)
	if err != nil {
		t.Fatal(err)
	}
	trials := plan(Cases(p, func(string) bool { return true }), seams)
	l, err := start(t.Context(), Config{Project: p, Logger: slog.New(slog.DiscardHandler)}, trials, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := l.carryOut(t.Context(), trials); err != nil {
		t.Fatal(err)
	}
	return l, trials
}

func TestEveryTypeUnderEveryAggregationIsTheFoldOnEveryPath(t *testing.T) {
	types := matrixTypes()
	var views []string
	for i, of := range types {
		views = append(views, matrixView(of, i))
	}
	l, trials := carriedOut(t, types, views, 2)
	for i, of := range types {
		t.Run(of.String(), func(t *testing.T) { matrixOf(t, l, trials[i], of) })
	}
}

// matrixOf compares what was answered about one type, on each path, with the fold.
func matrixOf(t *testing.T, l *layers, tr *trial, of view.Type) {
	_, refused := valuesOf(of)
	for name, counts := range map[string]map[string]int64{"speed": tr.speed.counts, "batch": tr.batch.counts} {
		if counts["dead_letters"] != int64(len(refused)) || counts["events"] != int64(len(happenings(of))) {
			t.Errorf("%s counts %v; %d records are refused", name, counts, len(refused))
		}
	}
	readings := map[string]reading{"speed": tr.speed, "batch": tr.batch}
	for _, w := range tr.paths[1:] {
		readings[fmt.Sprint("merged after ", w.seam)] = w.merged
	}
	exact := reading{}
	exact.result, exact.err = l.server.Query(t.Context(), serving.Query{View: tr.paths[0].view.Name, Dimensions: []string{"class"}, Exact: true})
	readings["exact"] = exact
	for name, r := range readings {
		if r.err != nil {
			t.Fatalf("%s: %v", name, r.err)
		}
		compareMatrix(t, name, tr.paths[0].view, of, r.result, name == "batch" || name == "exact")
	}
	for _, w := range tr.paths {
		formatsOf(t, l, w.view.Name)
	}
}

// compareMatrix compares an answer with the fold.
func compareMatrix(t *testing.T, name string, v *view.View, of view.Type, r *serving.Result, truth bool) {
	t.Helper()
	classes := map[string][]happening{}
	for _, h := range happenings(of) {
		classes[h.class] = append(classes[h.class], h)
	}
	if len(r.Rows) != len(classes) {
		t.Errorf("%s: %d rows, want %d", name, len(r.Rows), len(classes))
	}
	at := slices.IndexFunc(r.Meta.Columns, func(c serving.Column) bool { return c.Name == "class" })
	for i, row := range r.Rows {
		for k, c := range r.Meta.Columns {
			if c.Role != "measure" {
				continue
			}
			m := &v.Measures[v.Measure(c.Name)]
			want, overflow := foldOf(t, m, of, classes[row[at].Text()])
			share := 0.0
			if bound, stated := r.Provenance.Rows[i].Bounds[c.Name]; stated && bound != nil {
				share = *bound
			}
			if overflow && !slices.ContainsFunc(r.Provenance.Warnings, func(w string) bool { return strings.HasPrefix(w, c.Name+" does not fit") }) {
				t.Errorf("%s, %s of %s, %s: it overflows, and the warnings are %q", name, c.Name, of, row[at], r.Provenance.Warnings)
			}
			if truth && share != 0 {
				t.Errorf("%s, %s of %s, %s: said to be off by %g", name, c.Name, of, row[at], share)
			}
			if got := row[k]; !sameAnswer(got, want, share) {
				t.Errorf("%s, %s of %s, %s: got %v, want %v within %g", name, c.Name, of, row[at], got, want, share)
			}
		}
	}
}

// sameAnswer compares values; doubles but for what the order of a sum may change, estimates within their share, or 1 of a count.
func sameAnswer(got, want algebra.Value, share float64) bool {
	if got.IsNull() || want.IsNull() {
		return got.IsNull() == want.IsNull()
	}
	if got.Kind() == view.Array {
		return got.Text() == want.Text()
	}
	if got.Kind() != view.Double && share == 0 {
		return got == want
	}
	x, y := got.Float64(), want.Float64()
	slack := max(share*(1+1e-12), 1e-14) * math.Abs(y)
	if got.Kind() == view.Int64 {
		slack++
	}
	return x == y || math.Abs(x-y) <= slack
}

// foldOf is what a measure answers of some events, and whether that is more than its type holds.
func foldOf(t *testing.T, m *view.Measure, of view.Type, events []happening) (answer algebra.Value, overflow bool) {
	t.Helper()
	var values []algebra.Value
	n := int64(0)
	for _, h := range events {
		if m.Filter != "" && !h.keep {
			continue
		}
		if n++; h.null {
			continue
		}
		v, err := algebra.ParseValue(h.text, of)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	switch {
	case m.Agg == view.Count:
		return algebra.Int64Value(n), false
	case m.Agg == view.CountDistinct:
		distinct := map[algebra.Value]bool{}
		for _, v := range values {
			distinct[v] = true
		}
		return algebra.Int64Value(int64(len(distinct))), false
	case m.Agg == view.Histogram:
		return histogramOf(t, values, m), false
	case len(values) == 0:
		return algebra.Null(), false
	}
	sorted := slices.Clone(values)
	slices.SortStableFunc(sorted, algebra.Compare)
	switch m.Agg {
	case view.Min:
		return sorted[0], false
	case view.Max:
		return sorted[len(sorted)-1], false
	case view.First:
		return values[0], false
	case view.Last:
		return values[len(values)-1], false
	case view.Percentile:
		return algebra.FloatValue(sorted[int(math.Ceil(m.P*float64(len(sorted))))-1].Float64()), false
	case view.TopK:
		return topOf(sorted), false
	case view.Sum:
		return sumOf(t, values, m)
	}
	if m.Agg == view.Average && of.Kind == view.Double { // of a sum that has to be a double
		if _, overflow := doubleOf(totalOf(t, values)); overflow {
			return algebra.Null(), true
		}
	}
	return spreadOf(t, values, m), false
}

// doubleOf is a number as a double, and whether that is too small for it.
func doubleOf(x *big.Rat) (answer algebra.Value, overflow bool) {
	f, _ := x.Float64()
	if math.IsInf(f, 0) {
		return algebra.Null(), true
	}
	return algebra.FloatValue(f), false
}

// rationalOf is a number without rounding.
func rationalOf(t *testing.T, v algebra.Value) *big.Rat {
	t.Helper()
	if v.Kind() == view.Double {
		return new(big.Rat).SetFloat64(v.Float64())
	}
	x, ok := new(big.Rat).SetString(v.String())
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	return x
}

func totalOf(t *testing.T, values []algebra.Value) *big.Rat {
	t.Helper()
	total := new(big.Rat)
	for _, v := range values {
		total.Add(total, rationalOf(t, v))
	}
	return total
}

func sumOf(t *testing.T, values []algebra.Value, m *view.Measure) (answer algebra.Value, overflow bool) {
	t.Helper()
	total := totalOf(t, values)
	if m.Type.Kind == view.Double {
		return doubleOf(total)
	}
	answer, err := algebra.ParseValue(total.FloatString(int(m.Type.Scale)), m.Type)
	return answer, err != nil
}

// spreadOf is an average, a variance or a standard deviation.
func spreadOf(t *testing.T, values []algebra.Value, m *view.Measure) algebra.Value {
	t.Helper()
	n := int64(len(values))
	mean := totalOf(t, values)
	mean.Quo(mean, new(big.Rat).SetInt64(n))
	if m.Agg == view.Average {
		x, _ := mean.Float64()
		return algebra.FloatValue(x)
	}
	squares := new(big.Rat)
	for _, v := range values {
		if math.Abs(v.Float64()) > 1e140 {
			return algebra.Null() // all values of such a class are: they do not enter
		}
		d := new(big.Rat).Sub(rationalOf(t, v), mean)
		squares.Add(squares, d.Mul(d, d))
	}
	if m.Agg == view.VarSamp || m.Agg == view.StddevSamp {
		n--
	}
	if n == 0 {
		return algebra.Null()
	}
	x, _ := squares.Quo(squares, new(big.Rat).SetInt64(n)).Float64()
	if m.Agg == view.StddevSamp || m.Agg == view.StddevPop {
		x = math.Sqrt(x)
	}
	return algebra.FloatValue(x)
}

// topOf are the values of a top_k, of which there are no more than it lists.
func topOf(sorted []algebra.Value) algebra.Value {
	type counted struct {
		value algebra.Value
		n     int64
	}
	var list []counted
	for _, v := range sorted {
		if len(list) == 0 || list[len(list)-1].value != v {
			list = append(list, counted{value: v})
		}
		list[len(list)-1].n++
	}
	slices.SortStableFunc(list, func(a, b counted) int { return int(b.n - a.n) })
	var items []string
	for _, c := range list {
		items = append(items, fmt.Sprintf(`{"value":%s,"count":%d,"error":0}`, c.value.AppendJSON(nil), c.n))
	}
	return arrayOf(items)
}

func histogramOf(t *testing.T, values []algebra.Value, m *view.Measure) algebra.Value {
	t.Helper()
	counts, from := make([]int, len(m.Bounds)+1), "null"
	var bounds []algebra.Value
	for _, text := range m.Bounds {
		b, err := algebra.ParseValue(text, m.Input)
		if err != nil {
			t.Fatal(err)
		}
		bounds = append(bounds, b)
	}
	for _, v := range values {
		bin := 0
		for bin < len(bounds) && algebra.Compare(v, bounds[bin]) >= 0 {
			bin++
		}
		counts[bin]++
	}
	var items []string
	for i, n := range counts {
		to := "null"
		if i < len(bounds) {
			to = string(bounds[i].AppendJSON(nil))
		}
		items = append(items, fmt.Sprintf(`{"from":%s,"to":%s,"count":%d}`, from, to, n))
		from = to
	}
	return arrayOf(items)
}

// arrayOf is the text of a list as answers have it.
func arrayOf(items []string) algebra.Value {
	return algebra.StringValue("[" + strings.Join(items, ",") + "]")
}

package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// The matrix of arrays: conditions and expressions over an array of each type of column, on every path that an answer can take, compared with a
// loop over the elements.

// array is an event of it.
type array struct {
	class string
	null  bool
	items []happening // its elements: of each what is null, and its text
}

// arraysOf are the events of a type: arrays of one and two values, of one value twice, with nulls among them, without any, and no array.
func arraysOf(t view.Type) []array {
	values, _ := valuesOf(t)
	item := func(i int) happening {
		v := values[i%len(values)]
		return happening{json: v[0], text: v[1]}
	}
	hole := happening{json: "null", null: true}
	var list []array
	for i := range values {
		for k, items := range [][]happening{{item(i)}, {item(i), item(i + 1)}, {item(i), item(i), hole}, {hole, item(i)}, {}} {
			list = append(list, array{class: fmt.Sprint("c", (i+k)%3), items: items})
		}
		list = append(list, array{class: fmt.Sprint("c", i%3), null: true})
	}
	return list
}

// same says whether two elements are equal, as SQL has it: nulls never are.
func same(t *testing.T, of view.Type, a, b happening) bool {
	t.Helper()
	if a.null || b.null {
		return false
	}
	x, err := algebra.ParseValue(a.text, of)
	if err != nil {
		t.Fatal(err)
	}
	y, err := algebra.ParseValue(b.text, of)
	if err != nil {
		t.Fatal(err)
	}
	return x == y
}

// arrayConditions are conditions of the language, and the loop that says what they mean.
var arrayConditions = []struct {
	name, sql string
	holds     func(t *testing.T, of view.Type, a array) bool
}{
	{"several", "length(x) > 1", func(_ *testing.T, _ view.Type, a array) bool { return len(a.items) > 1 }},
	{"empty", "len(x) = 0", func(_ *testing.T, _ view.Type, a array) bool { return !a.null && len(a.items) == 0 }},
	{"missing", "x is null", func(_ *testing.T, _ view.Type, a array) bool { return a.null }},
	{"nothing", "coalesce(len(x), 0) = 0", func(_ *testing.T, _ view.Type, a array) bool { return len(a.items) == 0 }},
	{"twice", "x[1] = x[2]", func(t *testing.T, of view.Type, a array) bool {
		return len(a.items) > 1 && same(t, of, a.items[0], a.items[1])
	}},
	{"has_last", "contains(x, x[-1])", func(t *testing.T, of view.Type, a array) bool {
		return len(a.items) > 0 && !a.items[len(a.items)-1].null
	}},
	{"second", "x[2] is not null", func(_ *testing.T, _ view.Type, a array) bool { return len(a.items) > 1 && !a.items[1].null }},
	{"holes", "len(list_filter(x, lambda e: e is null)) > 0", func(_ *testing.T, _ view.Type, a array) bool {
		for _, item := range a.items {
			if item.null {
				return true
			}
		}
		return false
	}},
}

// arraysView is the view over a type, and one test of all of its events.
func arraysView(t view.Type, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "view: v%02d\nsource: typed%d\nwhere: \"x is null or len(x) < 100\"\ndimensions: [class]\ngrains: [1d]\nmeasures:\n  - {name: events, agg: count}\n  - {name: elements, agg: sum, expr: len(x), type: int64}\n", i, i)
	for _, c := range arrayConditions {
		fmt.Fprintf(&b, "  - {name: %s, agg: count, filter: %q}\n", c.name, c.sql)
	}
	for _, agg := range []view.Agg{view.Min, view.Max, view.First, view.Last, view.CountDistinct, view.TopK} {
		if _, mend := agg.Of(t); mend == "" {
			b.WriteString(strings.Replace(measureYAML(string(agg), agg, ""), "expr: x", `expr: "x[1]"`, 1))
		}
	}
	b.WriteString("tests:\n  - name: arrays\n    query: {dimensions: [class]}\n    given:\n")
	for i, a := range arraysOf(t) {
		text := "null"
		if !a.null {
			items := make([]string, len(a.items))
			for k, item := range a.items {
				items[k] = item.json
			}
			text = "[" + strings.Join(items, ", ") + "]"
		}
		fmt.Fprintf(&b, "      - '%s'\n", strings.ReplaceAll(fmt.Sprintf(`{"at":%d,"class":%q,"keep":true,"x":%s}`, i, a.class, text), "'", "''"))
	}
	values, refused := valuesOf(t)
	for i, x := range refused {
		fmt.Fprintf(&b, "      - '{\"at\":%d,\"class\":\"refused\",\"keep\":true,\"x\":[%s, %s]}'\n", i, strings.ReplaceAll(values[0][0], "'", "''"), x)
	}
	fmt.Fprintf(&b, "    counts: {dead_letters: %d, events: %d}\n    expect: [{class: c0, events: %d}]\n", len(refused), len(arraysOf(t)), len(arraysOf(t))/3)
	return b.String()
}

func TestConditionsOfArraysAreALoopOverTheElementsOnEveryPath(t *testing.T) {
	elements := matrixTypes()
	var views []string
	var types []view.Type
	for i, of := range elements {
		types = append(types, view.Type{Kind: view.List, Item: of.Kind, Precision: of.Precision, Scale: of.Scale, Holes: true})
		views = append(views, arraysView(of, i))
	}
	l, trials := carriedOut(t, types, views, 1)
	for i, of := range elements {
		_, refused := valuesOf(of)
		tr := trials[i]
		exact := reading{}
		exact.result, exact.err = l.server.Query(t.Context(), serving.Query{View: tr.paths[0].view.Name, Dimensions: []string{"class"}, Exact: true})
		readings := map[string]reading{"speed": tr.speed, "batch": tr.batch, "exact": exact}
		for _, w := range tr.paths[1:] {
			readings[fmt.Sprint("merged after ", w.seam)] = w.merged
		}
		for name, r := range readings {
			if r.err != nil {
				t.Fatalf("%s: %v", name, r.err)
			}
			if counts := r.counts; counts != nil && (counts["dead_letters"] != int64(len(refused)) || counts["events"] != int64(len(arraysOf(of)))) {
				t.Errorf("%s of %s: counts %v; %d records are refused", name, of, counts, len(refused))
			}
			compareArrays(t, name, tr.paths[0].view, of, r.result)
		}
		whereArrays(t, l.server, tr.paths[0].view.Name, of)
	}
}

// whereArrays asks for the rows of the lake that a query's own condition holds for.
func whereArrays(t *testing.T, s *serving.Server, name string, of view.Type) {
	t.Helper()
	values, _ := valuesOf(of)
	one := happening{text: values[1][1]}
	literal := one.text
	if of.Kind == view.String || of.Kind == view.Timestamp || of.Kind == view.Date {
		literal = sqltext.Text(literal)
	}
	for where, holds := range map[string]func(a array) bool{
		"length(x) > 1": func(a array) bool { return len(a.items) > 1 },
		"x is null":     func(a array) bool { return a.null },
		"not contains(x, " + literal + ")": func(a array) bool {
			return !a.null && !slices.ContainsFunc(a.items, func(item happening) bool { return same(t, of, item, one) })
		},
	} {
		want := int64(0)
		for _, a := range arraysOf(of) {
			if holds(a) {
				want++
			}
		}
		r, err := s.Query(t.Context(), serving.Query{View: name, Measures: []string{"events"}, Where: where, Exact: true})
		if err != nil || len(r.Rows) != 1 || r.Rows[0][len(r.Rows[0])-1] != algebra.Int64Value(want) {
			t.Errorf("%s where %s: %+v, %v, want %d events", of, where, r, err, want)
		}
	}
}

// compareArrays compares an answer with the loop.
func compareArrays(t *testing.T, name string, v *view.View, of view.Type, r *serving.Result) {
	t.Helper()
	if len(r.Rows) != 3 {
		t.Errorf("%s of %s: %d rows", name, of, len(r.Rows))
	}
	at := slices.IndexFunc(r.Meta.Columns, func(c serving.Column) bool { return c.Name == "class" })
	for i, row := range r.Rows {
		var events []array
		for _, a := range arraysOf(of) {
			if a.class == row[at].Text() {
				events = append(events, a)
			}
		}
		for k, c := range r.Meta.Columns {
			if c.Role != "measure" {
				continue
			}
			m := &v.Measures[v.Measure(c.Name)]
			share := 0.0
			if bound, stated := r.Provenance.Rows[i].Bounds[c.Name]; stated && bound != nil {
				share = *bound
			}
			if want := loopOf(t, m, of, events); !sameAnswer(row[k], want, share) {
				t.Errorf("%s, %s of %s, %s: got %v, want %v within %g", name, c.Name, of, row[at], row[k], want, share)
			}
		}
	}
}

// loopOf is what a measure answers of some events.
func loopOf(t *testing.T, m *view.Measure, of view.Type, events []array) algebra.Value {
	t.Helper()
	n, firsts := int64(0), []happening(nil)
	for _, a := range events {
		first := happening{null: true}
		if len(a.items) > 0 {
			first = a.items[0]
		}
		firsts = append(firsts, first)
		switch m.Name {
		case "events":
			n++
		case "elements":
			n += int64(len(a.items))
		}
		for _, c := range arrayConditions {
			if c.name == m.Name && c.holds(t, of, a) {
				n++
			}
		}
	}
	if m.Agg == view.Count || m.Name == "elements" {
		return algebra.Int64Value(n)
	}
	answer, _ := foldOf(t, m, of, firsts)
	return answer
}

// The example of docs/types.md, with events as people write them: an element of an array of texts that looks like a number is a text.
func TestInlineTestsGiveArrays(t *testing.T) {
	p, err := parseMatrix(t, `project: shop
sources:
  orders:
    event_time: {field: at}
    event_id: id
    fields: {id: string, at: timestamp, tags: "array<string>", prices: "array<decimal(12,2)?>?"}
`, `view: sales
source: orders
where: "contains(tags, 'shop')"
grains: [1h]
measures:
  - {name: orders, agg: count}
  - {name: vips, agg: count, filter: "contains(tags, 'vip')"}
  - {name: items, agg: sum, expr: "len(prices)"}
  - {name: turnover, agg: sum, expr: "list_sum(prices)", type: "decimal(18,2)"}
  - {name: dearest, agg: max, expr: "list_max(prices)"}
  - {name: seconds, agg: count_distinct, expr: "tags[2]"}
tests:
  - name: arrays
    given:
      - {at: 2026-03-28T10:00:10Z, tags: [shop, 7], prices: [1.50, 2, null]}
      - {at: 2026-03-28T10:10:10Z, tags: [vip, shop], prices: []}
      - {at: 2026-03-28T10:20:10Z, tags: [shop, "7"], prices: null}
      - {at: 2026-03-28T10:30:10Z, tags: [vip], prices: [1000]}
      - {at: 2026-03-28T10:40:10Z, tags: []}
      - '{"id":"x","at":"2026-03-28T10:50:10Z","tags":["shop",7]}'
    counts: {dead_letters: 1, events: 3}
    expect: [{orders: 3, vips: 1, items: 3, turnover: 3.5, dearest: 2, seconds: 2}]
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range run(t, p) {
		if !o.Passed {
			t.Errorf("%+v", o)
		}
	}
}

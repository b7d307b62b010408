package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

func testKeys() []string {
	return []string{"name", "partitions", "each", "given", "query", "counts", "expect"}
}

// TestQueryKeys are what a test's query may say: what a query of the API may, but for what names the view, pages, or chooses the layer.
func TestQueryKeys() []string {
	return []string{"measures", "dimensions", "grain", "window", "from", "to", "where", "having", "compare", "fill", "order", "limit"}
}

// testDraft is an inline test of a view that is being read.
type testDraft struct {
	*Test
	d       *draft
	of      string   // "test refunds of view sales"
	columns []string // that a row of the answer has
	keys    []string // of them those that tell a row from the others
}

// tests reads the inline tests of a view that is sound otherwise.
func (d *draft) tests(c Checker, n *node) {
	decoder, _ := c.(Decoder)
	d.r.scenes(n, d.of, testKeys(), sceneDraft{source: d.Source, decoder: decoder, most: maxGiven}, func(s sceneDraft, item *node) {
		t := &testDraft{Test: &Test{Scene: *s.Scene, QueryLine: s.Line}, d: d, of: s.of}
		t.query(item.get("query"))
		t.counts(item.get("counts"))
		t.expect(item.get("expect"))
		d.Tests = append(d.Tests, *t.Test)
	})
}

// query reads what is asked. Without measures all are: those that no row names have to be the same through both layers all the same.
func (t *testDraft) query(n *node) {
	r, v := t.d.r, t.d.View
	ask := map[string]json.RawMessage{}
	if n != nil {
		t.QueryLine = n.line
		if !r.mapping(n, "query of "+t.of, TestQueryKeys()) {
			return
		}
		for _, p := range n.pairs {
			ask[p.key] = writtenJSON(p.value, p.key != "limit")
		}
		t.Ordered = n.get("order") != nil
	}
	var measures, dimensions, grains []string
	for _, m := range v.Measures {
		measures = append(measures, m.Name)
	}
	for _, d := range v.Dimensions {
		dimensions = append(dimensions, d.Name)
	}
	for _, g := range v.Grains {
		grains = append(grains, g.Name)
	}
	asked := func(key, word string, known []string) []string {
		if n == nil || n.get(key) == nil {
			return nil
		}
		return t.names(n.get(key), key, word, known)
	}
	dims, of := asked("dimensions", "dimension", dimensions), asked("measures", "measure", measures)
	if len(of) == 0 {
		of = measures
	}
	t.keys = dims
	if n != nil && n.get("grain") != nil {
		t.keys = append([]string{"time"}, dims...)
		if g := r.filled(n.get("grain"), "grain of the query of "+t.of); g != "" && !slices.Contains(grains, g) {
			r.add(n.get("grain"), fmt.Sprintf("unknown grain %q in the query of %s", g, t.of), suggest(g, grains))
		}
	}
	t.columns = append(slices.Clone(t.keys), of...)
	if n != nil {
		t.window(n.get("window"), n.get("dimensions") != nil)
	}
	if n != nil && n.get("compare") != nil {
		for _, m := range of {
			t.columns = append(t.columns, m+"_before", m+"_change", m+"_ratio")
		}
	}
	data, err := json.Marshal(ask)
	if err != nil {
		panic("BUG: the query of a test as JSON: " + err.Error())
	}
	t.Query = data
}

// window reads which window of the view is asked for: its rows have their end, too, and those of sessions the dimensions that tell the sessions apart.
func (t *testDraft) window(n *node, dimensions bool) {
	r, v := t.d.r, t.d.View
	if n == nil {
		return
	}
	var known []string
	for _, w := range v.Windows {
		known = append(known, w.Name)
	}
	name := r.filled(n, "window of the query of "+t.of)
	w := v.Window(name)
	if name != "" && w == nil {
		r.add(n, fmt.Sprintf("unknown window %q in the query of %s", name, t.of), suggest(name, known))
	}
	add := []string{"time"}
	if w != nil && w.Session != nil && !dimensions {
		for _, d := range w.Session.By {
			add = append(add, v.Dimensions[d].Name)
		}
	}
	t.keys = append(t.keys, add...)
	t.columns = append(append(t.columns, add...), "end")
}

// names reads a list of names that the view has to know.
func (t *testDraft) names(n *node, key, word string, known []string) []string {
	r := t.d.r
	if n.shape != sequence {
		r.add(n, fmt.Sprintf("%s of the query of %s is %s", key, t.of, n.word()), "write a list")
		return nil
	}
	var out []string
	for _, item := range n.items {
		name := r.filled(item, word+" of the query of "+t.of)
		if name != "" && !slices.Contains(known, name) {
			r.add(item, fmt.Sprintf("unknown %s %q in the query of %s", word, name, t.of), suggest(name, known))
		}
		out = append(out, name)
	}
	return out
}

// counts reads how many records of each kind there are to be.
func (t *testDraft) counts(n *node) {
	if n == nil || !t.d.r.mapping(n, "counts of "+t.of, CountNames()) {
		return
	}
	t.Counts, t.CountLine = map[string]int64{}, n.line
	for _, p := range n.pairs {
		t.Counts[p.key] = t.d.r.integer(p.value, p.key+" of the counts of "+t.of, 0, 0, maxGiven)
	}
}

// expect reads the rows. Each has to name the columns that tell it from the others.
func (t *testDraft) expect(n *node) {
	r := t.d.r
	if n == nil {
		return
	}
	if n.shape != sequence {
		r.add(n, t.of+": expect is "+n.word(), "write a list of rows; [] where the answer is to have none")
		return
	}
	t.ExpectLine = n.line
	for _, item := range n.items {
		if !r.mapping(item, "a row that "+t.of+" expects", t.columns) {
			continue
		}
		r.require(item, "a row that "+t.of+" expects", t.keys...)
		row := ExpectedRow{Line: item.line}
		for _, p := range item.pairs {
			if t.fits(p) {
				row.Columns = append(row.Columns, ExpectedColumn{p.key, writtenJSON(p.value, false)})
			}
		}
		t.Expect = append(t.Expect, row)
	}
}

// fits checks that an expected value can be one of its column.
func (t *testDraft) fits(p pair) bool {
	v, n := t.d.View, p.value
	kind := Invalid // of a comparison's columns: what it is follows from the measure's type
	if i := v.Dimension(p.key); i >= 0 {
		kind = v.Dimensions[i].Type.Kind
	} else if i := v.Measure(p.key); i >= 0 {
		kind = v.Measures[i].Type.Kind
	} else if p.key == "time" || p.key == "end" {
		kind = Timestamp
	}
	return t.d.r.fits(n, kind, p.key+" in a row that "+t.of+" expects", v.Location)
}

// fits checks that an expected value can be one of a kind. Times without a zone are of loc.
func (r *reader) fits(n *node, kind Kind, of string, loc *time.Location) bool {
	switch {
	case n.shape == null || kind == Array || kind == Invalid || kind == String && n.shape == scalar:
		return true
	case n.shape != scalar:
		r.add(n, of+" is "+n.word(), "write a single value")
		return false
	}
	ok, mend := true, ""
	switch kind {
	case Timestamp, Date:
		_, ok = ParseTestTime(n.text, loc)
		mend = "write 2026-03-28T10:00:00Z, or a date in the view's time zone"
	case Bool:
		ok, mend = n.text == "true" || n.text == "false", "write true or false"
	case Int64, Int128, Decimal, Double:
		ok, mend = jsonNumber.MatchString(n.text), "write a number, or null"
	}
	if !ok {
		r.add(n, fmt.Sprintf("%s: %q does not fit a %s", of, n.text, Type{Kind: kind}), mend)
	}
	return ok
}

// ParseTestTime reads a time of a test, in µs UTC: RFC 3339, or a date or a date and a time of day in a zone.
func ParseTestTime(text string, loc *time.Location) (us int64, ok bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05.999999", "2006-01-02 15:04", "2006-01-02 15:04:05.999999"} {
		if at, err := time.ParseInLocation(layout, text, loc); err == nil {
			return at.UnixMicro(), true
		}
	}
	return 0, false
}

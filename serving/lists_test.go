package serving

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const listsYAML = `
view: sales
source: orders
dimensions: [country]
grains: [1h, 1d]
measures:
  - {name: lines, agg: count}
  - {name: often, agg: top_k, expr: order_no, k: 5}
  - {name: sizes, agg: histogram, expr: amount, bounds: [1, 10]}
  - {name: spread, agg: stddev, expr: amount}
  - {name: newest, agg: last, expr: order_no}
`

type frequent struct {
	Value        string
	Count, Error int64
}

// frequentOf reads the list of a row out of the answer's JSON, which must have it as a list.
func frequentOf(t *testing.T, r *Result, row int) []frequent {
	t.Helper()
	text, err := json.Marshal(r)
	must(t, err)
	var answer struct {
		Data []struct{ Often []frequent }
	}
	must(t, json.Unmarshal(text, &answer))
	return answer.Data[row].Often
}

// Far more values than a state has counters, in both layers.
func TestATopOfManyValuesSaysItsErrors(t *testing.T) {
	w := newWorld(t, listsYAML)
	at := time.Date(2024, 3, 4, 10, 0, 0, 0, time.UTC)
	truth := map[string]int64{}
	add := func(from, to int) {
		var events []event
		for i := from; i < to; i++ {
			order := fmt.Sprintf("o%d", i)
			if i%4 == 0 {
				order = fmt.Sprintf("often%d", i%7)
			}
			truth[order]++
			events = append(events, event{partition: i % 2, country: "France", product: "P", order: order, pence: int64(i % 2000), at: at.Add(time.Duration(i) * time.Millisecond)})
		}
		w.add(events...)
	}
	add(0, 600)
	cuts := w.cuts()
	w.publish(cuts)
	w.speed(cuts)
	w.serve()
	r := w.query(Query{Measures: []string{"often"}, Grain: "1d"})
	for _, f := range frequentOf(t, r, 0) {
		if f.Count != truth[f.Value] || f.Error != 0 || !r.Provenance.Exact {
			t.Errorf("batch alone says %+v, it is %d; exact %t", f, truth[f.Value], r.Provenance.Exact)
		}
	}
	add(600, 1300)
	w.speed(cuts)
	r = w.query(Query{Measures: []string{"often"}, Grain: "1d"})
	bound := r.Provenance.Rows[0].Bounds["often"]
	if r.Provenance.Rows[0].Exact || bound == nil || *bound <= 0 || *bound > 1.0/101 {
		t.Fatalf("origin %+v of a summary of more values than it has counters", r.Provenance.Rows[0])
	}
	if !strings.Contains(r.Provenance.Note, "±0.") || !strings.Contains(r.Provenance.Note, "on often") {
		t.Errorf("note %q", r.Provenance.Note)
	}
	list := frequentOf(t, r, 0)
	if len(list) != 5 {
		t.Fatalf("%d values", len(list))
	}
	for _, f := range list {
		if n := truth[f.Value]; n < f.Count || n > f.Count+f.Error || float64(f.Error) > *bound*1300 {
			t.Errorf("merged says %+v, it is %d; bound %g", f, n, *bound)
		}
	}
}

func TestListsAreNoTextAndNoOrder(t *testing.T) {
	w := newWorld(t, listsYAML)
	w.add(event{country: "France", order: "a", pence: 50, at: time.Date(2024, 3, 4, 10, 0, 0, 0, time.UTC)},
		event{country: "France", order: `b"<`, pence: 1000, at: time.Date(2024, 3, 4, 11, 0, 0, 0, time.UTC)})
	w.speed(map[int]int64{0: 0, 1: 0})
	s := w.serve()
	text, err := json.Marshal(w.query(Query{}))
	must(t, err)
	const want = `"lines":2,"often":[{"value":"a","count":1,"error":0},{"value":"b\"\u003c","count":1,"error":0}],` +
		`"sizes":[{"from":null,"to":"1.00","count":1},{"from":"1.00","to":"10.00","count":0},{"from":"10.00","to":null,"count":1}],"spread":6.7175144212722016,"newest":"b\"\u003c"}`
	if !strings.Contains(string(text), want) || !strings.Contains(string(text), `{"name":"often","role":"measure","type":"array"}`) {
		t.Errorf("got %s\nwant %s", text, want)
	}
	if _, err := s.Query(t.Context(), Query{View: "sales", Order: []string{"often"}}); err == nil || !strings.Contains(err.Error(), "is a list") {
		t.Errorf("ordered by a list: %v", err)
	}
}

// A query for one measure and then for another reads each chunk again for what it lacks, and both are right from then on.
func TestMeasuresAskedForOneAfterTheOther(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(3, 300)...)
	w.speed(map[int]int64{0: 0, 1: 0})
	w.serve()
	whole := w.query(Query{Grain: "1d", Dimensions: []string{"country"}})
	fresh := newSpeedCache(1 << 30)
	w.server.speed.cache = fresh
	for range 2 {
		for k, name := range []string{"revenue", "orders", "median", "per_line"} {
			column := map[string]int{"revenue": 2, "orders": 3, "median": 4, "per_line": 6}[name]
			r := w.query(Query{Grain: "1d", Dimensions: []string{"country"}, Measures: []string{name}})
			for i := range r.Rows {
				if r.Rows[i][2] != whole.Rows[i][column] {
					t.Fatalf("question %d: %s is %v, asked with all others %v", k, name, r.Rows[i][2], whole.Rows[i][column])
				}
			}
		}
	}
}

// Lists go into the engine beside the numbers that a derived measure is made of.
func TestAListIsAnsweredBesideADerivedMeasure(t *testing.T) {
	w := newWorld(t, listsYAML+"  - {name: lines_twice, expr: \"lines * 2\"}\n")
	at := time.Date(2024, 3, 4, 10, 0, 0, 0, time.UTC)
	w.add(event{country: "France", product: "P", order: "o1", pence: 200, at: at}, event{country: "France", product: "P", order: "o1", pence: 300, at: at})
	cuts := w.cuts()
	w.publish(cuts)
	w.serve()
	r := w.query(Query{Measures: []string{"often", "sizes", "lines_twice"}, Grain: "1d"})
	text, err := json.Marshal(r)
	must(t, err)
	if list := frequentOf(t, r, 0); len(list) != 1 || list[0].Count != 2 || !strings.Contains(string(text), `"lines_twice":4`) {
		t.Errorf("answered %s", text)
	}
}

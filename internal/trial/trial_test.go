package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

const shopYAML = `project: shop
sources:
  orders:
    event_time: {field: at}
    event_id: id
    lateness: 10m
    fields: {id: string, at: timestamp, user: string, country: string?, amount: "decimal(12,2)"}
`

const salesYAML = `view: sales
source: orders
dimensions: [country]
grains: [1m, 1h, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
  - {name: users, agg: count_distinct, expr: user}
  - {name: p90, agg: percentile, expr: amount, p: 0.9}
  - {name: closing, agg: last, expr: amount}
  - {name: loyal, agg: top_k, expr: user, k: 3}
  - {name: per_line, expr: "revenue / nullif(lines, 0)"}
`

// shop is the shop with the given tests at the end of its view.
func shop(t *testing.T, tests string) *view.Project {
	t.Helper()
	p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(shopYAML)}, {Path: "views/sales.yaml", Data: []byte(salesYAML + tests)}},
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, p *view.Project) []Outcome {
	t.Helper()
	out, err := Run(t.Context(), Config{Project: p, Seams: 1, Cases: Cases(p, func(string) bool { return true })})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSoundTestsPassThroughEveryPath(t *testing.T) {
	p := shop(t, `tests:
  - name: sums by country and minute
    each: {user: ann, country: DE}
    given:
      - {at: 2026-03-28T10:00:10Z, amount: 1.50}
      - {at: 2026-03-28T10:00:50Z, amount: 2.50, user: bob}
      - {at: 2026-03-28T10:01:00Z, amount: 4, country: null}
    query: {dimensions: [country], grain: 1m}
    expect:
      - {time: 2026-03-28T10:00:00Z, country: DE, revenue: 4, lines: 2, users: 2, closing: 2.5, per_line: 2}
      - {time: 2026-03-28T10:01:00Z, country: null, revenue: 4.00, lines: 1}
  - name: a duplicate and a late event
    each: {user: ann, country: DE}
    given:
      - {id: a, at: 2026-03-28T10:00:00Z, amount: 1}
      - {id: a, at: 2026-03-28T10:00:00Z, amount: 1}
      - {at: 2026-03-28T11:00:00Z, amount: 2}
      - {at: 2026-03-28T10:30:00Z, amount: 4}
      - this is no event
    counts: {events: 3, late: 1, duplicates: 1, dead_letters: 1}
    expect:
      - {revenue: 7, lines: 3}
`)
	for _, o := range run(t, p) {
		if !o.Passed {
			t.Errorf("%s: %+v", o.Test, o)
		}
	}
}

func TestAWrongExpectationIsToldWithItsLineAndWhatEachLayerSays(t *testing.T) {
	p := shop(t, `tests:
  - name: wrong
    each: {user: ann, country: DE}
    given:
      - {at: 2026-03-28T10:00:10Z, amount: 1.50}
      - {at: 2026-03-28T10:00:50Z, amount: 2.50}
      - {at: 2026-03-28T10:00:50Z, amount: 1, country: FR}
    query: {dimensions: [country]}
    counts: {late: 1}
    expect:
      - {country: DE, revenue: 5, lines: 2}
      - {country: IT, lines: 1}
`)
	o := run(t, p)[0]
	want := []Difference{
		{File: "views/sales.yaml", Line: 21, Row: "counts", Column: "late", Expected: "1", Speed: "0", Batch: "0"},
		{File: "views/sales.yaml", Line: 23, Row: "country=DE", Column: "revenue", Expected: "5", Speed: `"4.00"`, Merged: `"4.00"`, Batch: `"4.00"`},
		{File: "views/sales.yaml", Line: 24, Row: "country=IT", Note: "the row is missing"},
	}
	if o.Passed || o.Error != "" || len(o.Differences) != 4 {
		t.Fatalf("came out as %+v", o)
	}
	for i, d := range want {
		if o.Differences[i] != d {
			t.Errorf("difference %d is %+v, want %+v", i, o.Differences[i], d)
		}
	}
	if d := o.Differences[3]; d.Row != "country=FR" || d.Line != 23 || d.Note != "nobody expects this row" || !strings.Contains(d.Speed, "1.00") {
		t.Errorf("the row too many is told as %+v", d)
	}
}

// The layers have to agree, also on measures of which the test says nothing. One path's events are changed behind the test's back.
func TestLayersThatDisagreeFailATest(t *testing.T) {
	p := shop(t, `tests:
  - name: one
    given: [{at: 2026-03-28T10:00:10Z, amount: 1.50, user: ann}, {at: 2026-03-28T10:00:20Z, amount: 1.50, user: ann}]
    expect: [{lines: 2}]
`)
	trials := plan(Cases(p, func(string) bool { return true }), 1)
	other := slices.Clone(trials[0].paths[1].given)
	other[1].Value = bytes.Replace(other[1].Value, []byte("1.50"), []byte("1.51"), 1)
	trials[0].paths[1].given = other
	cfg := Config{Project: p, Logger: slog.New(slog.DiscardHandler)}
	l, err := start(t.Context(), cfg, trials, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.carryOut(t.Context(), trials), l.stop()); err != nil {
		t.Fatal(err)
	}
	o := trials[0].outcome()
	var columns []string
	for _, d := range o.Differences {
		columns = append(columns, d.Column)
	}
	if o.Passed || !slices.Contains(columns, "revenue") || slices.Contains(columns, "lines") || slices.Contains(columns, "users") {
		t.Fatalf("came out as %+v", o)
	}
	if d := o.Differences[0]; d.Expected != "" || d.Speed != `"3.00"` || d.Merged != `"3.01"` || d.Batch != `"3.00"` || d.Note != "merged at a seam after event 1" {
		t.Errorf("told as %+v", d)
	}
}

func TestAQueryThatIsRefusedFailsItsTestAndNoOther(t *testing.T) {
	out := run(t, shop(t, `tests:
  - name: refused
    given: [{at: 2026-03-28T10:00:10Z, amount: 1.50, user: ann}]
    query: {where: "user = 'ann'"}
    expect: []
  - name: nothing given
    given: []
    query: {grain: 1d}
    expect: []
`))
	if out[0].Passed || !strings.Contains(out[0].Error, "user") || !out[1].Passed {
		t.Errorf("came out as %+v", out)
	}
}

// docs/time.md has it as a table.
func TestTheWorkedExampleOfTimeIsWhatBothLayersSay(t *testing.T) {
	for _, o := range run(t, shop(t, `tests:
  - name: of time
    each: {user: ann, country: DE, amount: 1}
    given:
      - {_timestamp: 2026-03-28T10:00:00Z, at: 2026-03-28T10:00:00Z}
      - {_timestamp: 2026-03-28T10:30:00Z, at: 2026-03-28T10:30:00Z}
      - {_timestamp: 2026-03-28T10:31:00Z, at: 2026-03-28T10:20:00Z}
      - {_timestamp: 2026-03-28T10:32:00Z, at: 2026-03-28T10:19:00Z}
      - {_timestamp: 2026-03-28T10:33:00Z, at: 2031-01-01T00:00:00Z}
      - {_timestamp: 2026-03-28T10:34:00Z, at: 2026-03-28T10:27:00Z}
    query: {grain: 1m, measures: [lines]}
    counts: {events: 6, late: 2}
    expect:
      - {time: 2026-03-28T10:00:00Z, lines: 1}
      - {time: 2026-03-28T10:19:00Z, lines: 1}
      - {time: 2026-03-28T10:20:00Z, lines: 1}
      - {time: 2026-03-28T10:27:00Z, lines: 1}
      - {time: 2026-03-28T10:30:00Z, lines: 1}
      - {time: 2031-01-01T00:00:00Z, lines: 1}
`)) {
		if !o.Passed {
			t.Errorf("%+v", o)
		}
	}
}

func TestEachPartitionHasItsOwnWatermark(t *testing.T) {
	for _, o := range run(t, shop(t, `tests:
  - name: apart
    partitions: 2
    each: {user: ann, country: DE, amount: 1}
    given: [{at: 2026-03-28T12:00:00Z}, {at: 2026-03-28T10:00:00Z, _partition: 1}, {at: 2026-03-28T09:55:00Z, _partition: 1}]
    counts: {events: 3, late: 0}
    expect: [{lines: 3}]
  - name: together
    each: {user: ann, country: DE, amount: 1}
    given: [{at: 2026-03-28T12:00:00Z}, {at: 2026-03-28T10:00:00Z}, {at: 2026-03-28T09:55:00Z}]
    counts: {events: 3, late: 2}
    expect: [{lines: 3}]
`)) {
		if !o.Passed {
			t.Errorf("%+v", o)
		}
	}
}

// A session that began before the batch and goes on after it, one that a late event joins, and hops: at a seam after each event.
func TestWindowsAndComparisonsAreTestedAtEverySeam(t *testing.T) {
	p := shop(t, `windows:
  - {name: visits, session: {gap: 30m, max: 12h, by: [country]}}
  - {name: last_3m, hopping: {size: 3m, every: 1m}}
tests:
  - name: sessions
    each: {user: ann, country: DE, amount: 1}
    given:
      - {at: 2026-03-28T10:00:00Z}
      - {at: 2026-03-28T10:50:00Z}
      - {at: 2026-03-28T11:10:00Z, country: FR}
      - {at: 2026-03-28T10:25:00Z}
    query: {window: visits}
    expect:
      - {time: 2026-03-28T10:00:00Z, end: 2026-03-28T10:50:00Z, country: DE, lines: 3, revenue: 3}
      - {time: 2026-03-28T11:10:00Z, end: 2026-03-28T11:10:00Z, country: FR, lines: 1}
  - name: hops
    each: {user: ann, country: DE, amount: 2}
    given: [{at: 2026-03-28T10:00:30Z}, {at: 2026-03-28T10:02:00Z}]
    query: {window: last_3m, measures: [lines], having: lines > 1}
    expect:
      - {time: 2026-03-28T10:00:00Z, end: 2026-03-28T10:03:00Z, lines: 2}
  - name: compared with the day before
    each: {user: ann, country: DE}
    given: [{at: 2026-03-27T10:00:00Z, amount: 4}, {at: 2026-03-28T09:00:00Z, amount: 6}]
    query: {grain: 1d, measures: [revenue], compare: 1d, from: "2026-03-28", to: "2026-03-29"}
    expect:
      - {time: 2026-03-28, revenue: 6, revenue_before: 4, revenue_change: 2, revenue_ratio: 1.5}
`)
	out, err := Run(t.Context(), Config{Project: p, Seams: 3, Cases: Cases(p, func(string) bool { return true })})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if !o.Passed {
			t.Errorf("%+v", o)
		}
	}
	if out[0].Paths != 5 {
		t.Errorf("%d ways through the layers were compared, want 5", out[0].Paths)
	}
}

// What a query of the API may ask, a test may ask too, but for what names the view, pages through an answer, or chooses the layer.
func TestATestMayAskWhatAQueryMay(t *testing.T) {
	var keys []string
	of := reflect.TypeFor[serving.Query]()
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if !slices.Contains([]string{"view", "cursor", "exact", "as_of"}, name) {
			keys = append(keys, name)
		}
	}
	if known := view.TestQueryKeys(); !slices.Equal(keys, known) {
		t.Errorf("a query has the keys %v, that of a test %v", keys, known)
	}
}

func TestSeamsLieBetweenTheEvents(t *testing.T) {
	for _, c := range []struct {
		events, seams int
		want          []int
	}{{0, 1, []int{0}}, {1, 1, []int{1}}, {2, 1, []int{2, 1}}, {9, 1, []int{9, 4}}, {4, 3, []int{4, 1, 2, 3}}, {4, 100, []int{4, 1, 2, 3}}, {5, 0, []int{5}}} {
		if got := places(c.events, c.seams); !slices.Equal(got, c.want) {
			t.Errorf("%d seams of %d events are at %v, want %v", c.seams, c.events, got, c.want)
		}
	}
}

func TestValuesAreComparedAsTheirColumnsAsk(t *testing.T) {
	for _, c := range []struct {
		kind      view.Kind
		got, want string
		share     float64
		same      bool
	}{
		{view.Decimal, `"4.00"`, `4`, 0, true},
		{view.Decimal, `"4.01"`, `4`, 0, false},
		{view.Int64, `"9007199254740993"`, `9007199254740993`, 0, true},
		{view.Int64, `null`, `0`, 0, false},
		{view.Int64, `103`, `100`, 0.03, true},
		{view.Int64, `104`, `100`, 0.03, false},
		{view.Double, `0.30000000000000004`, `0.3`, 0, true},
		{view.Double, `0.301`, `0.3`, 0, false},
		{view.String, `"007"`, `"7"`, 0, false},
		{view.Bool, `true`, `true`, 0, true},
		{view.Timestamp, `"2026-03-28T00:00:00+01:00"`, `"2026-03-28"`, 0, true},
		{view.Timestamp, `"2026-03-28T00:00:00Z"`, `"2026-03-28"`, 0, false},
		{view.Array, `[{"value":"a","count":2}]`, `[{"count":2,"value":"a"}]`, 0, true},
		{view.Array, `[{"value":"a","count":2}]`, `[{"value":"a","count":3}]`, 0, false},
	} {
		of := column{kind: c.kind, zone: time.FixedZone("", 3600)}
		if got := of.within(json.RawMessage(c.got), json.RawMessage(c.want), c.share); got != c.same {
			t.Errorf("kind %d: %s and %s within %v: %t", c.kind, c.got, c.want, c.share, got)
		}
	}
}

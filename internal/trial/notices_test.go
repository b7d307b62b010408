package trial

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// watchedShop is the shop with an alert.
func watchedShop(t *testing.T, alert string) *view.Project {
	t.Helper()
	p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(shopYAML)}, {Path: "views/sales.yaml", Data: []byte(salesYAML)},
		{Path: "alerts/rush.yaml", Data: []byte(alert)}}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const rush = `alert: rush
view: sales
window: 1m
by: [country]
when: "lines > 1 and revenue > 5"
look_back: 1h
`

func runSeams(t *testing.T, p *view.Project, seams int) []Outcome {
	t.Helper()
	out, err := Run(t.Context(), Config{Project: p, Seams: seams, Cases: Cases(p, func(string) bool { return true })})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// From its beginning to its end, corrected by a late event, by the clock, and not at all: at a seam after each event.
func TestAlertsAreTestedAtEverySeam(t *testing.T) {
	p := watchedShop(t, rush+`tests:
  - name: begins and ends
    each: {user: ann, country: DE, amount: 3}
    given:
      - {at: 2026-03-28T10:00:10Z}
      - {at: 2026-03-28T10:00:20Z}
      - {at: 2026-03-28T10:01:20Z, country: FR}
      - {at: 2026-03-28T10:12:00Z, country: null}
    expect:
      - {kind: firing, labels: {country: DE}, bucket: 2026-03-28T10:00:00Z, since: 2026-03-28T10:00:20Z, at: 2026-03-28T10:00:20Z, values: {lines: 2, revenue: 6}}
      - {kind: recovered, labels: {country: DE}, last: 2026-03-28T10:00:00Z, until: 2026-03-28T10:01:00Z, at: 2026-03-28T10:12:00Z}
  - name: too little is nothing
    each: {user: ann, country: DE, amount: 2.50}
    given: [{at: 2026-03-28T10:00:10Z}, {at: 2026-03-28T10:00:20Z}]
    expect: []
  - name: a late event
    each: {user: ann, country: DE, amount: 3}
    given: [{at: 2026-03-28T10:00:10Z}, {at: 2026-03-28T10:30:00Z, country: FR}, {at: 2026-03-28T10:00:20Z, _timestamp: 2026-03-28T10:40:00Z}]
    expect:
      - {kind: firing, labels: {country: DE}, late: true, reason: corrected by late events, at: 2026-03-28T10:40:00Z}
      - {kind: recovered, labels: {country: DE}}
`)
	for _, o := range runSeams(t, p, 3) {
		if !o.Passed {
			t.Errorf("%s: %s %+v", o.Name(), o.Error, o.Differences)
		}
	}
	p = watchedShop(t, `alert: rush
view: sales
by: [country]
no_data: 10m
tests:
  - name: by the clock
    each: {user: ann, amount: 3}
    given:
      - {at: 2026-03-28T10:00:10Z, country: DE}
      - {at: 2026-03-28T10:05:00Z, country: FR}
      - {_clock: 2026-03-28T10:10:05Z}
      - {_clock: 2026-03-28T10:10:10Z}
      - {at: 2026-03-28T10:11:00Z, country: DE}
    expect:
      - {kind: firing, labels: {country: DE}, bucket: 2026-03-28T10:00:00Z, at: 2026-03-28T10:10:10Z}
      - {kind: recovered, labels: {country: DE}, at: 2026-03-28T10:11:00Z}
`)
	for _, o := range runSeams(t, p, 4) {
		if !o.Passed || o.Paths != 6 {
			t.Errorf("%s on %d ways: %s %+v", o.Name(), o.Paths, o.Error, o.Differences)
		}
	}
}

// Three and three within two minutes, over the boundary of a bucket: in no bucket of five minutes are more than five, and in four hops.
func TestABurstOverABoundaryIsOneAlertOfHopsAtEverySeam(t *testing.T) {
	const burst = `by: [country]
when: "lines > 5 or revenue > 5000"
tests:
  - name: burst
    each: {user: ann, country: DE, amount: 1}
    given:
      - {at: 2026-03-28T10:04:10Z}
      - {at: 2026-03-28T10:04:20Z}
      - {at: 2026-03-28T10:04:30Z}
      - {at: 2026-03-28T10:05:10Z}
      - {at: 2026-03-28T10:05:20Z}
      - {at: 2026-03-28T10:05:30Z}
      - {at: 2026-03-28T10:21:00Z, country: FR}
    expect:
`
	p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(shopYAML)},
		{Path: "views/sales.yaml", Data: []byte(strings.Replace(salesYAML, "[1m, 1h, 1d]", "[1m, 5m, 1h, 1d]", 1) + "windows: [{name: last_5m, hopping: {size: 5m, every: 1m}}]\n")},
		{Path: "alerts/hop.yaml", Data: []byte("alert: hop\nview: sales\nwindow: last_5m\n" + burst +
			"      - {kind: firing, labels: {country: DE}, bucket: 2026-03-28T10:01:00Z, last: 2026-03-28T10:04:00Z, since: 2026-03-28T10:05:30Z, at: 2026-03-28T10:05:30Z, values: {lines: 6, revenue: 6}}\n" +
			"      - {kind: recovered, labels: {country: DE}, until: 2026-03-28T10:09:00Z, at: 2026-03-28T10:21:00Z}\n")},
		{Path: "alerts/grain.yaml", Data: []byte("alert: grain\nview: sales\nwindow: 5m\n" + burst + "      []\n")}},
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range runSeams(t, p, 6) {
		if !o.Passed || o.Paths != 8 {
			t.Errorf("%s on %d ways: %s %+v", o.Name(), o.Paths, o.Error, o.Differences)
		}
	}
}

func TestAWrongExpectationOfAnAlertIsToldBesideWhatWasFound(t *testing.T) {
	o := run(t, watchedShop(t, rush+`tests:
  - name: wrong
    each: {user: ann, country: DE, amount: 3}
    given: [{at: 2026-03-28T10:00:10Z}, {at: 2026-03-28T10:00:20Z}, {at: 2026-03-28T10:12:00Z, country: null}]
    expect:
      - {kind: firing, labels: {country: DE}, since: 2026-03-28T10:00:10Z, values: {lines: 2, revenue: 7}}
      - {kind: firing, labels: {country: FR}, bucket: 2026-03-28T10:00:00Z}
`))[0]
	if o.Passed || o.Alert != "rush" || len(o.Differences) != 4 {
		t.Fatalf("came out as %+v", o)
	}
	at := "2026-03-28T10:00:20Z"
	for i, want := range []Difference{
		{File: "alerts/rush.yaml", Line: 12, Row: "firing, country=DE", Column: "since", Expected: `"2026-03-28T10:00:10Z"`, Speed: `"` + at + `"`, Merged: `"` + at + `"`, Batch: `"` + at + `"`},
		{File: "alerts/rush.yaml", Line: 12, Row: "firing, country=DE", Column: "values.revenue", Expected: `7`, Speed: `"6.00"`, Merged: `"6.00"`, Batch: `"6.00"`},
		{File: "alerts/rush.yaml", Line: 13, Row: "firing, country=FR", Note: "nobody is told of this", Expected: `{"kind":"firing","bucket":"2026-03-28T10:00:00Z"}`},
	} {
		if o.Differences[i] != want {
			t.Errorf("difference %d is %+v, want %+v", i, o.Differences[i], want)
		}
	}
	if d := o.Differences[3]; d.Line != 12 || d.Row != "recovered, country=DE" || d.Note != "nobody expects this" || !strings.Contains(d.Speed, `"until":"2026-03-28T10:01:00Z"`) || d.Speed != d.Merged || d.Speed != d.Batch {
		t.Errorf("what nobody expects is told as %+v", d)
	}
}

// One path's events are changed behind the test's back.
func TestLayersThatJudgeDifferentlyFailATestOfAnAlert(t *testing.T) {
	p := watchedShop(t, rush+`tests:
  - name: one
    each: {user: ann, country: DE, amount: 3}
    given: [{at: 2026-03-28T10:00:10Z}, {at: 2026-03-28T10:00:20Z}]
    expect: [{kind: firing, labels: {country: DE}}]
`)
	trials := plan(Cases(p, func(string) bool { return true }), 1)
	other := slices.Clone(trials[0].paths[1].given)
	other[1].Value = []byte(strings.Replace(string(other[1].Value), "3", "4", 1))
	trials[0].paths[1].given = other
	l, err := start(t.Context(), Config{Project: p, Logger: slog.New(slog.DiscardHandler)}, trials, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.carryOut(t.Context(), trials), l.stop()); err != nil {
		t.Fatal(err)
	}
	o := trials[0].told()
	if o.Passed || len(o.Differences) != 1 {
		t.Fatalf("came out as %+v", o)
	}
	if d := o.Differences[0]; d.Column != "values.revenue" || d.Speed != `"6.00"` || d.Merged != `"7.00"` || d.Batch != `"6.00"` || d.Note != "merged at a seam after event 1" {
		t.Errorf("told as %+v", d)
	}
}

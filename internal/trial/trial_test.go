package trial

import (
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
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
	began := time.Now()
	out, err := Run(t.Context(), Config{Project: p, Cases: Cases(p, func(string) bool { return true })})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tests in %v", len(out), time.Since(began))
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

package serving

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Of hops that are compared with those a period before, and whose gaps are filled, each number is one of the plain answer: in either layer and across the
// seam, and of the lake.
func TestHopsAreComparedAndFilledFromWhatTheyAre(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	all := bursts(7, 600)
	periods := map[string]struct {
		period      string
		steps, days int
		every       time.Duration
	}{"last_3h": {period: "4h", every: time.Hour, steps: 4}, "last_25m": {period: "70m", every: 10 * time.Minute, steps: 7}, "week": {period: "2d", days: 2}}
	ask := func(what string, exact bool) {
		t.Helper()
		for name, c := range periods {
			plain := map[string]int64{}
			r := w.query(Query{Window: name, Dimensions: []string{"product"}, Measures: []string{"lines"}, Exact: exact, Limit: 100_000})
			for i := range r.Rows {
				plain[windowKey(t, r, i)] = value(t, r, i, "lines").Int64()
			}
			q := Query{Window: name, Dimensions: []string{"product"}, Measures: []string{"lines"}, Exact: exact, Limit: 100_000, Compare: c.period, Fill: "zero",
				From: "2024-03-30T20:17:00Z", To: "2024-04-01T03:33:00Z"}
			r = w.query(q)
			rows := 0
			for i := range r.Rows {
				key := windowKey(t, r, i)
				start := time.UnixMicro(value(t, r, i, "time").Int64())
				then := start.Add(-time.Duration(c.steps) * c.every)
				until := time.UnixMicro(value(t, r, i, "end").Int64()).Add(-time.Duration(c.steps) * c.every)
				if c.days > 0 {
					local := start.In(w.view.Location)
					then, until = local.AddDate(0, 0, -c.days), local.AddDate(0, 0, 7-c.days)
				}
				before := stamp(then, until) + key[strings.LastIndex(key, "|"):]
				if got := value(t, r, i, "lines").Int64(); got != plain[key] {
					t.Errorf("%s, %s: %s has %d lines, want %d", what, name, key, got, plain[key])
				}
				if got := value(t, r, i, "lines_before").Int64(); got != plain[before] {
					t.Errorf("%s, %s: %s had %d lines before, want %d of %s", what, name, key, got, plain[before], before)
				}
				rows++
			}
			first, last := time.Date(2024, 3, 30, 21, 0, 0, 0, time.UTC), time.Date(2024, 4, 1, 3, 33, 0, 0, time.UTC)
			want := 0
			switch name {
			case "week":
				want = 2 // midnights of London: the 31st, and 23:00 UTC for the 1st
			case "last_25m":
				first = first.Add(-40 * time.Minute)
				fallthrough
			default:
				for at := first; at.Before(last); at = at.Add(c.every) {
					want++
				}
			}
			if rows != 2*want {
				t.Errorf("%s, %s: %d rows, want %d hops of 2 products", what, name, rows, want)
			}
		}
	}
	w.inEveryState(all[:300], all[300:], ask)
}

func TestWhatHasNoMeaningForAWindowIsRefused(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	for query, want := range map[string]string{
		"window=visits&compare=1d":     "sessions",
		"window=visits&fill=zero":      "give a grain or a hopping window in its place",
		"window=last_3h&compare=30m":   "give a multiple of 1h",
		"window=last_3h&compare=1d":    "give a multiple of 1h",
		"window=week&compare=24h":      "give a multiple of 1d",
		"window=last_3h&fill=sideways": "fill",
	} {
		r := w.get("/v1/views/sales/query?" + query)
		if r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %d %s", query, r.Code, r.Body)
		}
	}
	if got := fmt.Sprint(w.get("/v1/views/sales/query?window=last_3h&compare=24h&fill=null").Code); got != "200" {
		t.Errorf("24h before is refused: %s", got)
	}
}

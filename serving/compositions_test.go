package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/serving/auth"
)

const composedYAML = viewYAML + `
  - {name: of_all, share: revenue}
  - {name: of_day, share: revenue, within: [time]}
  - {name: of_country, share: lines, within: [country]}
  - {name: so_far, running: revenue, unit: GBP}
  - {name: lines_so_far, running: lines}
  - {name: percent, expr: "round(of_day * 100, 3)"}
`

// composedWorld has two months in batch and the rest live.
func composedWorld(t *testing.T) *world {
	w := newWorld(t, composedYAML)
	events := random(7, 900)
	w.add(events[:600]...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(events[600:]...)
	w.speed(cuts)
	w.archiveAll()
	w.serve()
	return w
}

// naive is what a fold over the events says of one row: pence and lines.
type naive struct {
	at          time.Time
	country     string
	pence, line int64
}

func naiveRows(events []event, pass func(event) bool) map[string]*naive {
	rows := map[string]*naive{}
	for _, e := range events {
		if pass != nil && !pass(e) {
			continue
		}
		key := day(e) + "|" + e.country
		if rows[key] == nil {
			rows[key] = &naive{at: e.at.Truncate(24 * time.Hour), country: e.country}
		}
		rows[key].pence += e.pence
		rows[key].line++
	}
	return rows
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Max(1, math.Abs(b)) }

func TestSharesAndRunningTotalsAreThoseOfAFold(t *testing.T) {
	w := composedWorld(t)
	for _, q := range []Query{{}, {Exact: true}, {Order: []string{"-so_far", "country"}}, {Where: "country != 'Spain'"}} {
		q.Grain, q.Dimensions = "1d", []string{"country"}
		r := w.query(q)
		want := naiveRows(w.events, func(e event) bool { return q.Where == "" || e.country != "Spain" && e.country != "" })
		if len(r.Rows) != len(want) || len(want) < 100 {
			t.Fatalf("%+v: %d rows, want %d", q, len(r.Rows), len(want))
		}
		var all int64
		days, countries := map[time.Time]int64{}, map[string]int64{}
		for _, n := range want {
			all += n.pence
			days[n.at] += n.pence
			countries[n.country] += n.line
		}
		for i := range r.Rows {
			n := want[rowKey(r, i, true)]
			var pence, lines int64
			for _, o := range want {
				if o.country == n.country && !o.at.After(n.at) {
					pence, lines = pence+o.pence, lines+o.line
				}
			}
			get := func(name string) float64 { return value(t, r, i, name).Float64() }
			if !near(get("of_all"), float64(n.pence)/float64(all)) || !near(get("of_day"), float64(n.pence)/float64(days[n.at])) || !near(get("of_country"), float64(n.line)/float64(countries[n.country])) {
				t.Fatalf("%+v: %s: shares %v %v %v", q, rowKey(r, i, true), get("of_all"), get("of_day"), get("of_country"))
			}
			if value(t, r, i, "so_far").Int128() != algebra.Int128Of(pence) || value(t, r, i, "lines_so_far").Int64() != lines {
				t.Fatalf("%+v: %s: running %v %v, want %d pence of %d", q, rowKey(r, i, true), value(t, r, i, "so_far"), value(t, r, i, "lines_so_far"), pence, lines)
			}
			if math.Abs(get("percent")-100*float64(n.pence)/float64(days[n.at])) > 0.00051 {
				t.Fatalf("%s: percent %v", rowKey(r, i, true), get("percent"))
			}
		}
	}
}

func TestAPageDoesNotChangeAShareOrATotal(t *testing.T) {
	w := composedWorld(t)
	q := Query{Grain: "1d", Dimensions: []string{"country"}, Measures: []string{"of_all", "so_far", "of_day"}, Compare: "1d", Fill: "zero", Having: "so_far > 100"}
	whole := w.query(q)
	var rows [][]algebra.Value
	for q.Limit = 37; ; {
		r := w.query(q)
		rows = append(rows, r.Rows...)
		if r.Statistics.TotalRows != whole.Statistics.TotalRows {
			t.Fatalf("a page is of %d rows, the whole of %d", r.Statistics.TotalRows, whole.Statistics.TotalRows)
		}
		if q.Cursor = r.Statistics.Next; q.Cursor == "" {
			break
		}
	}
	if len(rows) != len(whole.Rows) || len(rows) < 100 {
		t.Fatalf("%d rows by pages, %d at once", len(rows), len(whole.Rows))
	}
	for i := range rows {
		if !slices.Equal(rows[i], whole.Rows[i]) {
			t.Fatalf("row %d: %v by pages, %v at once", i, rows[i], whole.Rows[i])
		}
	}
}

func TestEachRowIsComparedWithItsBucketAPeriodBefore(t *testing.T) {
	w := composedWorld(t)
	for _, exact := range []bool{false, true} {
		for _, period := range []string{"1d", "1w", "1mo"} {
			r := w.query(Query{Grain: "1d", Dimensions: []string{"country"}, Measures: []string{"revenue", "lines", "orders"}, From: "2024-02-10", To: "2024-03-15", Compare: period, Exact: exact})
			all := naiveRows(w.events, nil)
			seen := map[string]bool{}
			for i := range r.Rows {
				at := time.UnixMicro(r.Rows[i][0].Int64()).UTC()
				country := r.Rows[i][1].Text()
				seen[at.Format(time.RFC3339)+"|"+country] = true
				now, then := all[at.Format(time.RFC3339)+"|"+country], (*naive)(nil)
				back := map[string]time.Time{"1d": at.AddDate(0, 0, -1), "1w": at.AddDate(0, 0, -7), "1mo": at.AddDate(0, -1, 0)}[period]
				exists := period != "1mo" || back.Day() == at.Day()
				if exists {
					then = all[back.Format(time.RFC3339)+"|"+country]
				}
				before, change, by := value(t, r, i, "revenue_before"), value(t, r, i, "revenue_change"), value(t, r, i, "revenue_ratio")
				if (then == nil) != before.IsNull() || then != nil && before.Int128() != algebra.Int128Of(then.pence) {
					t.Fatalf("%s before %s %s: %v, want %+v", period, at, country, before, then)
				}
				if both := now != nil && then != nil; both != !change.IsNull() || both && (change.Int128() != algebra.Int128Of(now.pence-then.pence) || then.pence != 0 && !near(by.Float64(), float64(now.pence)/float64(then.pence))) {
					t.Fatalf("%s before %s %s: change %v by %v, want %+v and %+v", period, at, country, change, by, now, then)
				}
				lines := int64(0)
				if then != nil {
					lines = then.line
				}
				if v := value(t, r, i, "lines_before"); exists && v.Int64() != lines || !exists && !v.IsNull() {
					t.Fatalf("%s before %s %s: %v lines, want %d", period, at, country, v, lines)
				}
				o := r.Provenance.Rows[i]
				if exists != (o.Compared != nil) || exists && o.Compared.Time != back.Format(time.RFC3339) {
					t.Fatalf("%s before %s: compared with %+v", period, at, o.Compared)
				}
				if exists && o.Exact && !o.Compared.Exact {
					t.Fatalf("%s is exact and compared with what is not", at)
				}
				if now == nil && o.Source != "none" {
					t.Fatalf("%s has no event and is of %s", at, o.Source)
				}
			}
			for key, n := range all { // each bucket that one of the two periods has is there
				if n.at.Before(time.Date(2024, 2, 10, 0, 0, 0, 0, time.UTC)) || !n.at.Before(time.Date(2024, 3, 15, 0, 0, 0, 0, time.UTC)) {
					continue
				}
				if !seen[key] {
					t.Fatalf("%s is not in the answer", key)
				}
			}
			if r.Meta.Compare == nil || r.Provenance.Compared == nil || !strings.Contains(r.Provenance.Note, period+" before: ") {
				t.Errorf("%s: %+v, %+v", period, r.Meta.Compare, r.Provenance)
			}
		}
	}
}

func TestAWholeRangeIsComparedWithTheOneBefore(t *testing.T) {
	w := composedWorld(t)
	r := w.query(Query{Measures: []string{"revenue"}, From: "2024-02-10", To: "2024-02-17", Compare: "1w"})
	now := fold(w.events, func(event) string { return "" }, func(e event) bool { return e.at.Day() >= 10 && e.at.Day() < 17 && e.at.Month() == 2 })[""]
	then := fold(w.events, func(event) string { return "" }, func(e event) bool { return e.at.Day() >= 3 && e.at.Day() < 10 && e.at.Month() == 2 })[""]
	if len(r.Rows) != 1 || value(t, r, 0, "revenue").Int128() != algebra.Int128Of(now.pence) || value(t, r, 0, "revenue_before").Int128() != algebra.Int128Of(then.pence) {
		t.Errorf("%v, want %d and %d", r.Rows, now.pence, then.pence)
	}
	if r.Meta.Compare.From != "2024-02-03T00:00:00Z" || r.Meta.Compare.To != "2024-02-10T00:00:00Z" {
		t.Errorf("compared with %+v", r.Meta.Compare)
	}
}

func TestARowComparedWithAnApproximateOneIsNotExact(t *testing.T) {
	w := newWorld(t, viewYAML)
	at := time.Date(2024, 3, 1, 9, 0, 0, 0, time.UTC)
	for i := range 40 {
		w.add(event{at: at, country: "France", product: "P", order: fmt.Sprint(i), pence: 100})
		w.add(event{at: at.AddDate(0, 0, 1), country: "France", product: "P", order: fmt.Sprint(i), pence: 100})
	}
	cuts := w.cuts()
	w.publish(cuts)
	w.add(event{at: at, country: "France", product: "P", order: "late", pence: 100}) // what was is live again
	w.speed(cuts)
	w.serve()
	r := w.query(Query{Measures: []string{"orders", "lines"}, Grain: "1d", From: "2024-03-02", To: "2024-03-03", Compare: "1d"})
	o := r.Provenance.Rows[0]
	if o.Source != "batch" || o.Exact || r.Provenance.Exact || o.Compared.Exact || o.Compared.Source != "merged" {
		t.Errorf("row %+v compared with %+v, whole exact %t", o, o.Compared, r.Provenance.Exact)
	}
	if b := o.Bounds["orders_before"]; b == nil || *b <= 0 || o.Bounds["orders_change"] != nil {
		t.Errorf("bounds %v", o.Bounds)
	}
	if _, has := o.Bounds["lines_change"]; has {
		t.Errorf("lines are exact: %v", o.Bounds)
	}
	if r := w.query(Query{Measures: []string{"lines"}, Grain: "1d", From: "2024-03-02", To: "2024-03-03", Compare: "1d"}); !r.Provenance.Exact || !r.Provenance.Rows[0].Exact {
		t.Errorf("lines alone: %+v", r.Provenance)
	}
}

func TestGapsAreFilledAsAsked(t *testing.T) {
	w := newWorld(t, composedYAML)
	at := func(d int) time.Time { return time.Date(2024, 3, d, 9, 0, 0, 0, time.UTC) }
	w.add(event{at: at(2), country: "France", product: "P", order: "a", pence: 1000}, event{at: at(6), country: "France", product: "P", order: "b", pence: 3001},
		event{at: at(4), country: "Spain", product: "P", order: "c", pence: 500})
	w.publish(w.cuts())
	w.serve()
	for _, c := range []struct{ fill, where, revenue, lines, running string }{
		{"", "", "2:10.00 6:30.01", "2:1 6:1", "2:10.00 6:40.01"},
		{"none", "", "2:10.00 6:30.01", "2:1 6:1", "2:10.00 6:40.01"},
		{"null", "", "1: 2:10.00 3: 4: 5: 6:30.01 7:", "1: 2:1 3: 4: 5: 6:1 7:", "1: 2:10.00 3:10.00 4:10.00 5:10.00 6:40.01 7:40.01"},
		{"zero", "", "1:0.00 2:10.00 3:0.00 4:0.00 5:0.00 6:30.01 7:0.00", "1:0 2:1 3:0 4:0 5:0 6:1 7:0", "1: 2:10.00 3:10.00 4:10.00 5:10.00 6:40.01 7:40.01"},
		{"previous", "", "1: 2:10.00 3:10.00 4:10.00 5:10.00 6:30.01 7:30.01", "1: 2:1 3:1 4:1 5:1 6:1 7:1", "1: 2:10.00 3:10.00 4:10.00 5:10.00 6:40.01 7:40.01"},
		{"linear", "", "1: 2:10.00 3:15.00 4:20.01 5:25.01 6:30.01 7:", "1: 2:1 3:1 4:1 5:1 6:1 7:", "1: 2:10.00 3:10.00 4:10.00 5:10.00 6:40.01 7:40.01"},
		{"zero", "country = 'Iceland'", "1:0.00 2:0.00 3:0.00 4:0.00 5:0.00 6:0.00 7:0.00", "1:0 2:0 3:0 4:0 5:0 6:0 7:0", "1: 2: 3: 4: 5: 6: 7:"},
	} {
		country := "France"
		if c.where != "" {
			country = "Iceland"
		}
		r := w.query(Query{Measures: []string{"revenue", "lines", "so_far"}, Dimensions: []string{"country"}, Grain: "1d", From: "2024-03-01", To: "2024-03-08", Fill: c.fill, Where: c.where})
		line := func(name string) string {
			var parts []string
			for i := range r.Rows {
				if r.Rows[i][1].Text() == country {
					parts = append(parts, fmt.Sprintf("%d:%s", time.UnixMicro(r.Rows[i][0].Int64()).UTC().Day(), value(t, r, i, name)))
				}
			}
			return strings.ReplaceAll(strings.Join(parts, " "), "null", "")
		}
		if line("revenue") != c.revenue || line("lines") != c.lines || line("so_far") != c.running {
			t.Errorf("fill=%s %s:\n got %q %q %q\nwant %q %q %q", c.fill, c.where, line("revenue"), line("lines"), line("so_far"), c.revenue, c.lines, c.running)
		}
		filled := 0
		for _, o := range r.Provenance.Rows {
			if o.Source == "filled" {
				filled++
			}
		}
		if want := map[string]int{"": 0, "none": 0}; filled != r.Statistics.Filled || c.where == "" && c.fill != "" && c.fill != "none" && filled != 11 || filled > 0 && want[c.fill] != 0 {
			t.Errorf("fill=%s: %d rows are filled, the statistics say %d", c.fill, filled, r.Statistics.Filled)
		}
	}
	named := w.query(Query{Measures: []string{"lines"}, Dimensions: []string{"country"}, Grain: "1d", From: "2024-03-01", To: "2024-03-03", Fill: "zero", Where: "country in ('France', 'Iceland')"})
	if len(named.Rows) != 4 {
		t.Errorf("two days of two countries that are named: %v", named.Rows)
	}
	_, err := w.server.Query(context.Background(), Query{View: "sales", Grain: "1h", From: "0001-01-01", To: "9998-01-01", Fill: "zero"})
	if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 422 {
		t.Errorf("rows without end: %v", err)
	}
}

func TestHavingLeavesTheRowsOfWhichItIsTrue(t *testing.T) {
	w := composedWorld(t)
	all := naiveRows(w.events, nil)
	for having, pass := range map[string]func(n *naive, share float64) bool{
		"revenue > 800":                   func(n *naive, _ float64) bool { return n.pence > 80000 },
		"revenue > 800 and not lines = 2": func(n *naive, _ float64) bool { return n.pence > 80000 && n.line != 2 },
		"per_line >= 500 or lines in (1, 3)": func(n *naive, _ float64) bool {
			return float64(n.pence)/100/float64(n.line) >= 500 || n.line == 1 || n.line == 3
		},
		"of_day > 0.5":     func(_ *naive, share float64) bool { return share > 0.5 },
		"per_line is null": func(*naive, float64) bool { return false },
	} {
		r := w.query(Query{Measures: []string{"lines"}, Dimensions: []string{"country"}, Grain: "1d", Having: having})
		days := map[time.Time]int64{}
		for _, n := range all {
			days[n.at] += n.pence
		}
		want := 0
		for key, n := range all {
			if pass(n, float64(n.pence)/float64(days[n.at])) {
				want++
			} else {
				delete(all, key)
			}
		}
		if len(r.Rows) != want || r.Statistics.TotalRows != want || len(r.Meta.Columns) != 3 {
			t.Errorf("having %s: %d rows, want %d; columns %+v", having, len(r.Rows), want, r.Meta.Columns)
		}
		all = naiveRows(w.events, nil)
	}
	r := w.query(Query{Measures: []string{"revenue"}, Dimensions: []string{"country"}, Grain: "1d", Compare: "1d", Having: "revenue_change < 0", Order: []string{"revenue_ratio"}, Limit: 5})
	for i := range r.Rows {
		if value(t, r, i, "revenue_change").Float64() >= 0 || i > 0 && value(t, r, i, "revenue_ratio").Float64() < value(t, r, i-1, "revenue_ratio").Float64() {
			t.Errorf("row %d: %v", i, r.Rows[i])
		}
	}
	if len(r.Rows) != 5 {
		t.Errorf("%d rows", len(r.Rows))
	}
	if r := w.query(Query{Measures: []string{"lines"}, Dimensions: []string{"country"}, Grain: "1mo", Having: "orders > 10"}); r.Provenance.Exact || !slices.ContainsFunc(r.Provenance.Warnings, func(s string) bool { return strings.Contains(s, "having has judged") }) {
		t.Errorf("judged by estimates: exact %t, %v", r.Provenance.Exact, r.Provenance.Warnings)
	}
}

func TestMistakesInCompositionsSayWhatToDo(t *testing.T) {
	w := newWorld(t, composedYAML)
	w.serve()
	for _, c := range []struct {
		q           Query
		field, want string
	}{
		{Query{Compare: "1d"}, "compare", "give from and to, or a grain"},
		{Query{Grain: "1d", Compare: "24h"}, "compare", "give days, weeks, months or years, such as 1d"},
		{Query{Grain: "1mo", Compare: "4w"}, "compare", "give months or years, such as 1mo"},
		{Query{Grain: "1h", Compare: "90m"}, "compare", "give a multiple of 1h, or days"},
		{Query{Grain: "1d", Compare: "fortnight"}, "compare", "write e.g. 1h, 1d, 1w, 1mo or 1y"},
		{Query{Grain: "1d", From: "0001-06-01", To: "0002-01-01", Compare: "10y"}, "compare", "give a shorter period"},
		{Query{Fill: "zero"}, "fill", "give a grain"},
		{Query{Grain: "1d", Fill: "zeros"}, "fill", `did you mean "zero"?`},
		{Query{Having: "revnue > 5"}, "having", `did you mean "revenue"?`},
		{Query{Having: "country = 'x'"}, "having", "write it into where"},
		{Query{Having: "lines > 'x'"}, "having", "write a number, without quotes"},
		{Query{Having: "revenue_change > 5"}, "having", `add compare=1w`},
		{Query{Where: "lines > 5"}, "where", "write it into having"},
		{Query{Grain: "1d", Order: []string{"revenue_change"}}, "order", "there are"},
	} {
		c.q.View = "sales"
		_, err := w.server.Query(context.Background(), c.q)
		p := (*Problem)(nil)
		if !errors.As(err, &p) || p.Field != c.field || !strings.Contains(p.Suggestion, c.want) || p.Status != 400 && p.Status != 404 {
			t.Errorf("%+v: %v, want a problem of %s: %s", c.q, err, c.field, c.want)
		}
	}
}

func TestComparisonsAndSharesAreOfTheRowsThatTheCallerSees(t *testing.T) {
	w := composedWorld(t)
	ctx := auth.With(context.Background(), auth.Caller{Name: "fr", Grant: auth.Grant{Role: auth.Read, Where: map[string]string{"sales": "country = 'France'"}}})
	r, err := w.server.Query(ctx, Query{View: "sales", Grain: "1d", Measures: []string{"revenue", "of_all", "of_day"}, Compare: "1d", Fill: "zero", Having: "of_day_before is not null or of_day is not null"})
	must(t, err)
	own := naiveRows(w.events, func(e event) bool { return e.country == "France" })
	var all int64
	for _, n := range own {
		all += n.pence
	}
	var seen int64
	for i := range r.Rows {
		at := time.UnixMicro(r.Rows[i][0].Int64()).UTC()
		var now, then int64
		if n := own[at.Format(time.RFC3339)+"|France"]; n != nil {
			now = n.pence
		}
		if n := own[at.AddDate(0, 0, -1).Format(time.RFC3339)+"|France"]; n != nil {
			then = n.pence
		}
		if value(t, r, i, "revenue").Int128() != algebra.Int128Of(now) || !near(value(t, r, i, "of_all").Float64(), float64(now)/float64(all)) || now > 0 && value(t, r, i, "of_day").Float64() != 1 {
			t.Fatalf("%s: %v, want %d of %d", at, r.Rows[i], now, all)
		}
		if i > 0 && value(t, r, i, "revenue_before").Int128() != algebra.Int128Of(then) {
			t.Fatalf("%s: before %v, want %d", at, value(t, r, i, "revenue_before"), then)
		}
		seen += now
	}
	if seen != all || all == 0 {
		t.Errorf("%d of %d pence are in the answer", seen, all)
	}
}

func TestCompositionsHoldAsOfASnapshot(t *testing.T) {
	w := newWorld(t, composedYAML)
	events := random(3, 300)
	w.add(events[:200]...)
	first := w.publish(w.cuts())
	w.add(events[200:]...)
	w.publish(w.cuts())
	w.serve()
	q := Query{Grain: "1d", Dimensions: []string{"country"}, Measures: []string{"of_all", "revenue"}, Compare: "1w", AsOf: first.ID, Fill: "zero", Order: []string{"-revenue_change"}, Limit: 20}
	r := w.query(q)
	if r.Provenance.Compared.Snapshot != first.ID || !r.Provenance.Exact || r.Statistics.Next == "" {
		t.Errorf("%+v", r.Provenance)
	}
	q.Cursor = r.Statistics.Next // an order by what moves has pages as of a snapshot
	if next := w.query(q); slices.Equal(next.Rows[0], r.Rows[0]) || value(t, next, 0, "revenue_change").Float64() > value(t, r, 19, "revenue_change").Float64() {
		t.Errorf("the next page begins with %v after %v", next.Rows[0], r.Rows[19])
	}
}

// The answer's JSON says what a column compares, so that a page can draw it.
func TestColumnsThatCompareSayWhatOf(t *testing.T) {
	w := composedWorld(t)
	text, err := json.Marshal(w.query(Query{Grain: "1d", Measures: []string{"revenue"}, Compare: "1w"}).Meta)
	must(t, err)
	for _, want := range []string{`"name":"revenue_before","role":"measure","type":"decimal(18,2)","unit":"GBP","description":"revenue, 1w before","of":"revenue","compares":"before"`,
		`"name":"revenue_change","role":"measure","type":"decimal(19,2)"`, `"name":"revenue_ratio","role":"measure","type":"double","description":"revenue, divided by what it was 1w before","of":"revenue","compares":"ratio"`, `"compare":{"period":"1w"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nhas not %s", text, want)
		}
	}
}

func TestCompositionsAreAskedByGetAndPostInEveryFormat(t *testing.T) {
	w := composedWorld(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		answer := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(answer, r)
		return answer
	}
	path, body := "/v1/views/sales/query", `{"measures": ["revenue", "of_day"], "dimensions": ["country"], "grain": "1d", "compare": "1w", "fill": "zero", "having": "revenue_change < 0", "limit": 5}`
	asked := "?measures=revenue,of_day&dimensions=country&grain=1d&compare=1w&fill=zero&having=revenue_change+%3C+0&limit=5"
	for _, f := range []string{".csv", ".ndjson", ".parquet", ".arrow"} {
		got, posted := ask("GET", path+f+asked, ""), ask("POST", path+f, body)
		if got.Code != 200 || posted.Code != 200 || got.Body.Len() == 0 || got.Body.String() != posted.Body.String() {
			t.Errorf("%s: %d and %d, %d and %d bytes", f, got.Code, posted.Code, got.Body.Len(), posted.Body.Len())
		}
	}
	answer := ask("GET", path+".csv"+asked, "")
	if header, _, _ := strings.Cut(answer.Body.String(), "\n"); strings.TrimSpace(header) != "time,country,revenue,of_day,revenue_before,revenue_change,revenue_ratio,of_day_before,of_day_change,of_day_ratio" {
		t.Errorf("the columns are %s", header)
	}
	if tag := answer.Header().Get("ETag"); tag == "" || !strings.HasPrefix(tag, "W/") {
		t.Errorf("rows without events may get some: the tag %s is weak", tag)
	}
}

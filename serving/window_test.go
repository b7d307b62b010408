package serving

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/serving/auth"
)

const windowsYAML = `
view: sales
source: orders
timezone: Europe/London
dimensions: [country, product]
grains: [5m, 1h, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)", unit: GBP}
  - {name: orders, agg: count_distinct, expr: order_no}
  - {name: median, agg: percentile, expr: amount, p: 0.5}
  - {name: lines, agg: count}
  - {name: per_line, expr: "revenue / nullif(lines, 0)"}
windows:
  - {name: last_3h, hopping: {size: 3h, every: 1h}}
  - {name: last_25m, hopping: {size: 25m, every: 10m}}
  - {name: week, hopping: {size: 7d, every: 1d}}
  - {name: visits, session: {gap: 30m, max: 3h, by: [product]}}
  - {name: busy, session: {gap: 1h, max: 12h, by: []}}
`

// bursts are events in runs with pauses between, over a fortnight in which London's clocks change, in no order.
func bursts(seed uint64, n int) []event {
	r := rand.New(rand.NewPCG(seed, 2))
	at := time.Date(2024, 3, 24, 0, 0, 0, 0, time.UTC)
	events := make([]event, n)
	for i := range events {
		pause := time.Duration(r.Int64N(int64(20 * time.Minute)))
		if r.IntN(12) == 0 {
			pause = time.Duration(r.Int64N(int64(9 * time.Hour)))
		}
		at = at.Add(pause.Truncate(time.Microsecond))
		events[i] = event{partition: r.IntN(2), country: []string{"France", "Spain", ""}[r.IntN(3)], product: fmt.Sprintf("P%d", r.IntN(2)), order: fmt.Sprintf("o%d", r.IntN(n/3+1)), pence: r.Int64N(100_000), at: at}
	}
	r.Shuffle(n, func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

// stamp is how a row's times are written in the keys of folds.
func stamp(from, to time.Time) string {
	return from.UTC().Format(time.RFC3339Nano) + "|" + to.UTC().Format(time.RFC3339Nano)
}

// foldHops folds the events of every hop, one by one: from the days of the calendar, where the hop counts days.
func foldHops(events []event, size, every time.Duration, days bool, loc *time.Location, dims func(event) string) map[string]*truthOfCell {
	first := time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC) // a Monday
	at := func(n int) (time.Time, time.Time) {
		if days {
			length, step := int(size/(24*time.Hour)), int(every/(24*time.Hour))
			return time.Date(2024, 3, 4+n*step, 0, 0, 0, 0, loc), time.Date(2024, 3, 4+n*step+length, 0, 0, 0, 0, loc)
		}
		start := first.Add(time.Duration(n) * every)
		return start, start.Add(size)
	}
	want := map[string]*truthOfCell{}
	for n := 0; ; n++ { // brute force
		start, end := at(n)
		if start.After(time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)) {
			return want
		}
		at := stamp(start, end)
		maps.Copy(want, fold(events, func(e event) string { return at + "|" + dims(e) }, func(e event) bool { return !e.at.Before(start) && e.at.Before(end) }))
	}
}

// foldSessions folds the events in the order of their times, as docs/windows.md defines sessions.
func foldSessions(events []event, gap, most, pane time.Duration, dims func(event) string) map[string]*truthOfCell {
	byKey := map[string][]event{}
	for _, e := range events {
		byKey[dims(e)] = append(byKey[dims(e)], e)
	}
	want := map[string]*truthOfCell{}
	for key, list := range byKey {
		slices.SortFunc(list, func(a, b event) int { return a.at.Compare(b.at) })
		for low := 0; low < len(list); {
			high := low
			for high < len(list) {
				end := high // of the pane that begins here
				for end < len(list) && list[end].at.Truncate(pane).Equal(list[high].at.Truncate(pane)) {
					end++
				}
				if high > low && (list[high].at.Sub(list[high-1].at) > gap || list[end-1].at.Sub(list[low].at) > most) {
					break
				}
				high = end
			}
			maps.Copy(want, fold(list[low:high], func(event) string { return stamp(list[low].at, list[high-1].at) + "|" + key }, nil))
			low = high
		}
	}
	return want
}

// folded is what a fold over events says of a window of windowsYAML, by product.
func folded(w *world, window string, events []event) map[string]*truthOfCell {
	product := func(e event) string { return e.product }
	switch window {
	case "last_3h":
		return foldHops(events, 3*time.Hour, time.Hour, false, nil, product)
	case "last_25m":
		return foldHops(events, 25*time.Minute, 10*time.Minute, false, nil, product)
	case "week":
		return foldHops(events, 7*24*time.Hour, 24*time.Hour, true, w.view.Location, product)
	}
	return foldSessions(events, 30*time.Minute, 3*time.Hour, 5*time.Minute, product)
}

func foldedWindows() []string { return []string{"last_3h", "last_25m", "week", "visits"} }

// windowKey is the key of a row as the folds write it.
func windowKey(t *testing.T, r *Result, i int) string {
	t.Helper()
	at := func(name string) time.Time { return time.UnixMicro(value(t, r, i, name).Int64()) }
	return stamp(at("time"), at("end")) + "|" + rowKey(r, i, false)
}

// checkWindow compares an answer with the fold as check does.
func checkWindow(t *testing.T, what string, r *Result, want map[string]*truthOfCell) {
	t.Helper()
	if len(r.Rows) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(r.Rows), len(want))
	}
	for i := range r.Rows {
		key := windowKey(t, r, i)
		truth := want[key]
		if truth == nil {
			t.Fatalf("%s: no such row: %s", what, key)
		}
		checkRow(t, what+" "+key, r, i, truth)
	}
}

func TestWindowsAreWhatAFoldSaysInEitherLayerAndAcrossTheSeam(t *testing.T) {
	for seed := range uint64(2) {
		w := newWorld(t, windowsYAML)
		w.serve()
		ask := func(what string, exact bool) {
			t.Helper()
			for _, name := range foldedWindows() {
				want := folded(w, name, w.events)
				q := Query{Window: name, Dimensions: []string{"product"}, Exact: exact, Limit: 100_000}
				what := fmt.Sprintf("seed %d, %s, %s, exact %t", seed, what, name, exact)
				r := w.query(q)
				checkWindow(t, what, r, want)
				if exact && !r.Provenance.Exact {
					t.Errorf("%s: %s", what, r.Provenance.Note)
				}
				// Rows that begin in a range are those of the whole that do: whatever is read for them.
				q.From, q.To = "2024-03-30T20:17:00Z", "2024-04-01T03:33:00Z"
				part := map[string]*truthOfCell{}
				for key, truth := range want {
					if key >= "2024-03-30T20:17:00Z" && key < "2024-04-01T03:33:00Z" {
						part[key] = truth
					}
				}
				checkWindow(t, what+" in a range", w.query(q), part)
			}
		}
		all := bursts(seed, 500)
		w.inEveryState(all[:220], all[220:], ask)
	}
}

func TestASessionThatGoesOnAfterTheBoundaryIsOne(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	at := time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	sale := func(minute int) event {
		return event{product: "P", country: "France", order: "o", pence: 100, at: at.Add(time.Duration(minute) * time.Minute)}
	}
	sessions := func() (list []string) {
		r := w.query(Query{Window: "visits", Measures: []string{"lines"}})
		for i := range r.Rows {
			from, to := value(t, r, i, "time").Int64(), value(t, r, i, "end").Int64()
			list = append(list, fmt.Sprintf("%d-%d: %d %s", (from-at.UnixMicro())/60e6, (to-at.UnixMicro())/60e6, value(t, r, i, "lines").Int64(), r.Provenance.Rows[i].Source))
		}
		return list
	}
	w.add(sale(0), sale(20))
	cuts := w.cuts()
	w.publish(cuts)
	w.add(sale(50), sale(100))
	w.speed(cuts)
	w.pass(time.Minute)
	if got, want := sessions(), []string{"0-50: 3 merged", "100-100: 1 speed"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A late event joins the two in the next answer.
	before := w.log.ends[0]
	w.add(sale(75))
	w.flush(0, cuts[0], before, w.log.ends[0])
	w.pass(time.Minute)
	if got, want := sessions(), []string{"0-100: 5 merged"}; !slices.Equal(got, want) {
		t.Errorf("with a late event: got %v, want %v", got, want)
	}
}

// An endless run of events is cut where its beginning says, which may lie before all that is read for a range.
func TestASessionWhoseBeginningIsTooFarBackSaysSo(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	begin := time.Date(2024, 3, 20, 0, 7, 0, 0, time.UTC)
	var events []event
	for i := range 8 * 24 * 3 { // every 20 minutes for eight days
		events = append(events, event{product: "P", country: "France", order: "o", pence: 1, at: begin.Add(time.Duration(i) * 20 * time.Minute)})
	}
	w.add(events...)
	w.speed(map[int]int64{0: 0, 1: 0})
	whole := w.query(Query{Window: "visits", Measures: []string{"lines"}})
	near := w.query(Query{Window: "visits", Measures: []string{"lines"}, From: "2024-03-21T12:00:00Z", To: "2024-03-22"})
	far := w.query(Query{Window: "visits", Measures: []string{"lines"}, From: "2024-03-27T12:00:00Z"})
	starts := map[int64]bool{}
	for i := range whole.Rows {
		starts[whole.Rows[i][0].Int64()] = true
		if whole.Provenance.Rows[i].Unsettled {
			t.Errorf("row %d of the whole is unsettled", i)
		}
	}
	for i := range near.Rows {
		if !starts[near.Rows[i][0].Int64()] || near.Provenance.Rows[i].Unsettled || !near.Provenance.Exact {
			t.Errorf("within reach: a session begins at %v, %+v", near.Rows[i][0], near.Provenance.Rows[i])
		}
	}
	if len(near.Rows) == 0 || len(far.Rows) == 0 {
		t.Fatal("no sessions")
	}
	for i := range far.Rows {
		if o := far.Provenance.Rows[i]; !o.Unsettled || o.Exact || far.Provenance.Exact {
			t.Errorf("beyond reach: %+v", o)
		}
	}
}

func TestRowsOfAnAnswerAreOpenUntilTheWatermarkHasPassedThemAndFinalOnceBatchHasThem(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	at := time.Date(2024, 3, 24, 10, 2, 0, 0, time.UTC)
	sale := func(partition, minute int) event {
		return event{partition: partition, product: "P", country: "France", order: "o", pence: 100, at: at.Add(time.Duration(minute) * time.Minute)}
	}
	states := func(q Query) (list []State) {
		q.Measures = []string{"lines"}
		for _, o := range w.query(q).Provenance.Rows {
			list = append(list, o.State)
		}
		return list
	}
	expect := func(what string, q Query, want ...State) {
		t.Helper()
		if got := states(q); !slices.Equal(got, want) {
			t.Errorf("%s, %s%s: %v, want %v", what, q.Grain, q.Window, got, want)
		}
	}
	// The lateness is ten minutes: a watermark of 11:00 takes an event of 11:10 in both partitions.
	w.add(sale(0, 0), sale(1, 0), sale(0, 65), sale(1, 75))
	w.speed(map[int]int64{0: 0, 1: 0})
	expect("one partition is behind", Query{Grain: "1h"}, StateOpen, StateOpen)
	w.flush(0, 0, 2, w.log.ends[0])
	before := w.log.ends[0]
	w.add(sale(0, 75))
	w.flush(0, 0, before, w.log.ends[0])
	w.pass(time.Minute)
	expect("both have passed", Query{Grain: "1h"}, StateClosed, StateOpen)
	expect("both have passed", Query{Window: "visits"}, StateClosed, StateOpen)
	expect("both have passed", Query{Window: "last_3h", From: "2024-03-24T08:00:00Z"}, StateClosed, StateOpen, StateOpen, StateOpen)
	expect("all of the time", Query{}, StateOpen)
	expect("a range", Query{To: "2024-03-24T11:00:00Z"}, StateClosed)

	cuts := w.cuts()
	m := w.publishAt(cuts, at.Add(75*time.Minute))
	w.speed(cuts)
	w.pass(time.Minute)
	expect("batch has them", Query{Grain: "1h"}, StateFinal, StateOpen)
	expect("batch has them", Query{Window: "visits"}, StateFinal, StateOpen)
	before = w.log.ends[0]
	w.add(sale(0, 1))
	w.flush(0, cuts[0], before, w.log.ends[0])
	w.pass(time.Minute)
	expect("a late event came", Query{Grain: "1h"}, StateClosed, StateOpen)
	expect("as of the snapshot", Query{Grain: "1h", AsOf: m.ID}, StateFinal, StateOpen)
}

func TestWindowsThatAreNotAskedForWellAreRefused(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	w.add(bursts(1, 50)...)
	w.speed(map[int]int64{0: 0, 1: 0})
	for what, c := range map[string]struct {
		q      Query
		field  string
		status int
	}{
		"unknown":             {Query{Window: "last_4h"}, "window", http.StatusBadRequest},
		"with a grain":        {Query{Window: "last_3h", Grain: "1h"}, "window", http.StatusBadRequest},
		"other dimensions":    {Query{Window: "visits", Dimensions: []string{"country"}}, "dimensions", http.StatusBadRequest},
		"more dimensions":     {Query{Window: "visits", Dimensions: []string{"country", "product"}}, "dimensions", http.StatusBadRequest},
		"one where none are":  {Query{Window: "busy", Dimensions: []string{"product"}}, "dimensions", http.StatusBadRequest},
		"an empty range":      {Query{Window: "visits", From: "2024-03-24", To: "2024-03-24"}, "to", http.StatusBadRequest},
		"no time":             {Query{Window: "visits", From: "yesterday"}, "from", http.StatusBadRequest},
		"a cursor of another": {Query{Window: "visits", Cursor: "x"}, "cursor", http.StatusBadRequest},
	} {
		c.q.View = "sales"
		_, err := w.server.Query(context.Background(), c.q)
		var p *Problem
		if !errors.As(err, &p) || p.Field != c.field || p.Status != c.status {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAWindowOfMoreRowsThanFitIntoMemoryIsRefused(t *testing.T) {
	w := newWorld(t, windowsYAML)
	s := w.serve()
	w.add(bursts(1, 400)...)
	w.speed(map[int]int64{0: 0, 1: 0})
	s.cfg.QueryMemory = 400_000
	_, err := s.Query(context.Background(), Query{View: "sales", Window: "last_25m"})
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusUnprocessableEntity || p.Suggestion == "" {
		t.Errorf("got %v", err)
	}
}

// The pages of a window are its rows, each once.
func TestWindowsHavePages(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	w.add(bursts(1, 300)...)
	w.speed(map[int]int64{0: 0, 1: 0})
	for _, name := range []string{"last_25m", "visits"} {
		whole := w.query(Query{Window: name, Dimensions: []string{"product"}})
		var got []string
		q := Query{Window: name, Dimensions: []string{"product"}, Limit: 7}
		for {
			r := w.query(q)
			for i := range r.Rows {
				got = append(got, windowKey(t, r, i))
			}
			if q.Cursor = r.Statistics.Next; q.Cursor == "" {
				break
			}
		}
		var want []string
		for i := range whole.Rows {
			want = append(want, windowKey(t, whole, i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d rows by pages, want %d", name, len(got), len(want))
		}
	}
}

// What a caller may see is known before panes become rows: a session of France begins with an event of France.
func TestRowFiltersActBeforeWindowsAreComposed(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	w.add(bursts(2, 300)...)
	w.speed(map[int]int64{0: 0, 1: 0})
	caller := auth.Caller{Name: "f", Grant: auth.Grant{Role: auth.Read, Views: []string{"sales"}, Where: map[string]string{"sales": "country = 'France'"}}}
	french := slices.DeleteFunc(slices.Clone(w.events), func(e event) bool { return e.country != "France" })
	for _, name := range foldedWindows() {
		r, err := w.server.Query(auth.With(context.Background(), caller), Query{View: "sales", Window: name, Dimensions: []string{"product"}, Limit: 100_000})
		must(t, err)
		checkWindow(t, name, r, folded(w, name, french))
	}
}

// A session is of the events that the view's filter keeps: one on which it fails makes none longer.
func TestSessionsAreOfTheEventsThatTheFilterKeeps(t *testing.T) {
	w := newWorld(t, strings.Replace(windowsYAML, "dimensions:", "where: \"order_no::int > 0\"\ndimensions:", 1))
	w.serve()
	events := bursts(3, 200)
	for i := range events {
		events[i].order = []string{"1", "2", "0", "x"}[i%4]
	}
	kept := slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.order == "0" || e.order == "x" })
	w.add(events...)
	w.speed(map[int]int64{0: 0, 1: 0})
	checkWindow(t, "speed", w.query(Query{Window: "visits"}), folded(w, "visits", kept))
	w.settle()
	checkWindow(t, "batch", w.query(Query{Window: "visits"}), folded(w, "visits", kept))
	checkWindow(t, "lake", w.query(Query{Window: "visits", Exact: true}), folded(w, "visits", kept))
}

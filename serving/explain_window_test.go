package serving

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// explainRow asks for an explanation, by parameters in pairs.
func (w *world) explainRow(parameters ...string) Explanation {
	w.t.Helper()
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	for range unservedAtMost {
		response, text := w.answer("GET", "/v1/views/sales/explain?"+values.Encode(), "")
		var e Explanation
		if err := json.Unmarshal(text, &e); err != nil || response.StatusCode != http.StatusOK {
			w.t.Fatalf("%v: %d %s", parameters, response.StatusCode, text)
		}
		if !e.Partial {
			return e
		}
	}
	w.t.Fatalf("%v: the answer stays partial", parameters)
	return Explanation{}
}

// unservedAtMost is how often a test asks again because Redis has taken longer than a question waits for it, as it may on a machine with other work.
const unservedAtMost = 10

// queryWhole is query, once all that is in Redis is in the answer.
func (w *world) queryWhole(q Query) *Result {
	w.t.Helper()
	for range unservedAtMost {
		if r := w.query(q); !r.Provenance.Partial {
			return r
		}
	}
	w.t.Fatalf("%+v: the answer stays partial", q)
	return nil
}

// told is an explanation in a line: when the row is, who has how many of its events, and its panes, by minutes after a time.
func told(e Explanation, since time.Time) string {
	minutes := func(text string) string {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return text
		}
		return fmt.Sprint(at.Sub(since).Minutes())
	}
	line := fmt.Sprintf("%s-%s batch %d", minutes(e.Time), minutes(e.End), e.Batch.Events)
	for _, epoch := range e.Speed.Epochs {
		line += fmt.Sprintf(" p%d from %d: %d", epoch.Partition, epoch.Start, epoch.Events)
	}
	for _, p := range e.Panes {
		line += fmt.Sprintf(" [%s-%s %s %d/%d]", minutes(p.Time), minutes(p.End), p.Source, p.Live, p.Events)
	}
	return line
}

// seamed is a world of sales of one product at 10:00, 10:20, 10:50 and 11:40, of which batch has the first two.
func seamed(t *testing.T) (w *world, at time.Time) {
	t.Helper()
	w = newWorld(t, windowsYAML)
	at = time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	sale := func(partition, minute int) event {
		return event{partition: partition, product: "P", country: "France", order: "o", pence: 100, at: at.Add(time.Duration(minute) * time.Minute)}
	}
	w.add(sale(0, 0), sale(1, 20))
	cuts := w.cuts()
	w.publish(cuts)
	w.add(sale(0, 50), sale(1, 100))
	w.speed(cuts)
	w.serve()
	return w, at
}

func TestASessionThatGoesAcrossTheSeamIsExplainedByItsPanes(t *testing.T) {
	w, at := seamed(t)
	moment := func(minute int) string { return at.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
	const want = "0-50 batch 2 p0 from 1: 1 [0-5 batch 0/1] [20-25 batch 0/1] [50-55 speed 1/1]"
	for _, minute := range []int{0, 7, 50} {
		e := w.explainRow("window", "visits", "product", "P", "at", moment(minute))
		if got := told(e, at); got != want || e.Window != "visits" || e.Grain != "" || string(e.Answer["lines"]) != "3" || e.Origin.Source != "merged" {
			t.Errorf("at minute %d: %s, want %s: %+v", minute, got, want, e)
		}
		if e.Panes[1].First != moment(20) || e.Panes[1].Last != moment(20) {
			t.Errorf("the events of a pane are from %s to %s", e.Panes[1].First, e.Panes[1].Last)
		}
	}
	if got, want := told(w.explainRow("window", "visits", "at", moment(100)), at), "100-100 batch 0 p1 from 1: 1 [100-105 speed 1/1]"; got != want {
		t.Errorf("the session after it, whose product nobody named: %s, want %s", got, want)
	}
	none := w.explainRow("window", "visits", "product", "P", "at", moment(51))
	if got := told(none, at); got != "51-51 batch 0" || none.Answer != nil || none.Note != "No event matches." {
		t.Errorf("between two sessions: %s, %+v", got, none)
	}
}

func TestAHopWhosePanesLieOnBothSidesOfTheSeamIsExplained(t *testing.T) {
	w, at := seamed(t)
	e := w.explainRow("window", "last_3h", "at", at.Add(59*time.Minute).Format(time.RFC3339))
	if got, want := told(e, at), "0-180 batch 2 p0 from 1: 1 p1 from 1: 1 [0-60 merged 1/3] [60-120 speed 1/1]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The hop before it has one pane of the two.
	e = w.explainRow("window", "last_3h", "at", at.Add(-61*time.Minute).Format(time.RFC3339), "country", "France")
	if got, want := told(e, at), "-120-60 batch 2 p0 from 1: 1 [0-60 merged 1/3]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	e = w.explainRow("window", "last_3h", "at", at.Add(-9*time.Hour).Format(time.RFC3339))
	if got, want := told(e, at), "-540--360 batch 0"; got != want || e.Answer != nil {
		t.Errorf("a hop without events: %s, want %s", got, want)
	}
}

// What a row's explanation says is what the query answers, and panes, batch and epochs each add up to it.
func TestExplanationsOfWindowsAddUpToTheirRows(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	rows := 0
	ask := func(what, where string) {
		t.Helper()
		for _, window := range foldedWindows() {
			r := w.queryWhole(Query{Window: window, Dimensions: []string{"product"}, Where: where, Limit: 100_000})
			for i := 0; i < len(r.Rows); i += 1 + len(r.Rows)/12 {
				rows++
				parameters := []string{"window", window, "product", r.Rows[i][2].Text(), "at", formatTime(r.Rows[i][0].Int64(), time.UTC)}
				if where != "" {
					parameters = append(parameters, "where", where)
				}
				w.explainsRow(fmt.Sprintf("%s, %s, row %d", what, window, i), r, i, w.explainRow(parameters...))
			}
		}
	}
	all := bursts(5, 300)
	w.add(all[:150]...)
	w.speed(map[int]int64{0: 0, 1: 0})
	ask("speed only", "")
	cuts := w.cuts()
	w.publish(cuts)
	w.add(all[150:]...)
	w.speed(cuts)
	w.pass(time.Minute)
	ask("across the seam", "")
	ask("of France", "country = 'France'")
	w.publish(w.cuts())
	w.pass(time.Minute)
	ask("batch only", "")
	if rows < 100 {
		t.Errorf("only %d rows were explained", rows)
	}
}

// explainsRow compares an explanation with a row of an answer.
func (w *world) explainsRow(what string, r *Result, i int, e Explanation) {
	w.t.Helper()
	if e.Origin == nil {
		w.t.Fatalf("%s: nothing is explained", what)
	}
	events, alive := int64(0), int64(0)
	for k, p := range e.Panes {
		events += p.Events
		alive += p.Live
		if source := map[bool]string{true: "speed", false: "merged"}[p.Live == p.Events]; p.Live > 0 && p.Source != source || p.Live == 0 && p.Source != "batch" || k > 0 && p.Time < e.Panes[k-1].End {
			w.t.Errorf("%s: pane %d is %+v", what, k, p)
		}
	}
	epochs := int64(0)
	for _, epoch := range e.Speed.Epochs {
		epochs += epoch.Events
	}
	lines := value(w.t, r, i, "lines").Int64()
	if events != lines || e.Batch.Events+e.Speed.Events != lines || alive != e.Speed.Events || epochs != e.Speed.Events {
		w.t.Errorf("%s: the row has %d events, its panes %d (%d live), batch %d, speed %d, its epochs %d", what, lines, events, alive, e.Batch.Events, e.Speed.Events, epochs)
	}
	loc := w.view.Location
	if e.Time != formatTime(r.Rows[i][0].Int64(), loc) || e.End != formatTime(r.Rows[i][1].Int64(), loc) || e.Origin.Source != r.Provenance.Rows[i].Source || e.Origin.State != r.Provenance.Rows[i].State {
		w.t.Errorf("%s: explained is %s to %s, %+v; the row is %v, %+v", what, e.Time, e.End, e.Origin, r.Rows[i], r.Provenance.Rows[i])
	}
	for c, column := range r.Meta.Columns {
		if want := string(r.Rows[i][c].AppendJSON(nil)); column.Role == "measure" && string(e.Answer[column.Name]) != want {
			w.t.Errorf("%s: %s is explained as %s, and %s in the answer", what, column.Name, e.Answer[column.Name], want)
		}
	}
}

// A batch finds a repeat that the speed layer could not: the session ends earlier, and the ledger's entries of its day say why.
func TestAWindowThatABatchCorrectedListsWhatTheLedgerSays(t *testing.T) {
	w := newWorld(t, windowsYAML)
	w.serve()
	at := time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	w.add(event{product: "P", country: "France", order: "a", pence: 100, at: at}, event{partition: 1, product: "P", country: "France", order: "a", pence: 100, at: at.Add(20 * time.Minute)})
	w.speed(map[int]int64{0: 0, 1: 0})
	session := func() Explanation {
		return w.explainRow("window", "visits", "product", "P", "at", "2024-03-24T10:00:00Z")
	}
	if got := told(session(), at); !strings.HasPrefix(got, "0-20 batch 0 p0 from 0: 1 p1 from 0: 1") || len(session().Changes) != 0 {
		t.Fatalf("before: %s", got)
	}
	must(t, w.conn.Exec(t.Context(), "DELETE FROM events WHERE _partition = 1"))
	cell := map[string]string{"country": "France", "product": "P"}
	w.publishLedger(w.cuts(), 9,
		entry("2024-03-24T00:00:00Z", "1d", cell, `"2.00"`, `"1.00"`, `"-1.00"`),
		entry("2024-03-24T00:00:00Z", "1d", nil, `"2.00"`, `"1.00"`, `"-1.00"`),
		entry("2024-03-24T00:00:00Z", "1d", map[string]string{"country": "France", "product": "Q"}, `"7.00"`, `"1.00"`, `"-6.00"`),
		entry("2024-03-23T00:00:00Z", "1d", cell, `"3.00"`, `"1.00"`, `"-2.00"`),
		entry("2024-03-18T00:00:00Z", "1d", nil, `"9.00"`, `"1.00"`, `"-8.00"`),
		entry("2024-03-25T00:00:00Z", "1d", nil, `"4.00"`, `"1.00"`, `"-3.00"`),
	)
	w.pass(time.Minute)
	changes := func(e Explanation) (list []string) {
		for _, c := range e.Changes {
			list = append(list, c.Time.Format("01-02 ")+string(c.Difference))
		}
		return list
	}
	after := session()
	if got, want := told(after, at), "0-0 batch 1 [0-5 batch 0/1]"; got != want {
		t.Errorf("after: %s, want %s", got, want)
	}
	if got, want := changes(after), []string{`03-24 "-1.00"`}; !slices.Equal(got, want) {
		t.Errorf("the session's changes are %v, want %v", got, want)
	}
	// The week's hop that begins on Tuesday the 19th holds the days to the 25th.
	if got, want := changes(w.explainRow("window", "week", "at", "2024-03-19T12:00:00Z")), []string{`03-24 "-1.00"`, `03-25 "-3.00"`}; !slices.Equal(got, want) {
		t.Errorf("the hop's changes are %v, want %v", got, want)
	}
	if got, want := changes(w.explainRow("window", "week", "at", "2024-03-19T12:00:00Z", "where", "product = 'P'")), []string{`03-24 "-1.00"`, `03-23 "-2.00"`}; !sameNames(got, want) {
		t.Errorf("its changes of one product are %v, want %v", got, want)
	}
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Events of no product have sessions of their own, which a condition can name, as it can the French ones.
func TestSessionsThatNoParameterNamesAreNamedByAConditionOrNotAtAll(t *testing.T) {
	w := newWorld(t, strings.Replace(windowsYAML, "by: [product]", "by: [country]", 1))
	at := time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	w.add(event{product: "P", order: "a", pence: 100, at: at}, event{product: "P", country: "France", order: "b", pence: 100, at: at.Add(-time.Minute)},
		event{product: "Q", country: "France", order: "b", pence: 100, at: at.Add(5 * time.Minute)})
	w.speed(map[int]int64{0: 0, 1: 0})
	w.serve()
	const when = "2024-03-24T10:00:00Z"
	none := w.explainRow("window", "visits", "where", "country is null", "at", when)
	if got, want := told(none, at), "0-0 batch 0 p0 from 0: 1 [0-5 speed 1/1]"; got != want || string(none.Dimensions["country"]) != "null" {
		t.Errorf("%s, want %s: %s", got, want, none.Dimensions)
	}
	if got, want := told(w.explainRow("window", "visits", "country", "France", "where", "product = 'P'", "at", "2024-03-24T09:59:00Z"), at), "-1--1 batch 0 p0 from 0: 1 [-5-0 speed 1/1]"; got != want {
		t.Errorf("the French session of one product: %s, want %s", got, want)
	}
	// Of the two the one that holds the time is meant, and events of the other one in its time are not its own.
	if got, want := told(w.explainRow("window", "visits", "at", "2024-03-24T09:59:00Z"), at), "-1-5 batch 0 p0 from 0: 2 [-5-0 speed 1/1] [5-10 speed 1/1]"; got != want {
		t.Errorf("the session whose country nobody named: %s, want %s", got, want)
	}
	for parameters, want := range map[string]string{
		"window=visits&at=" + when:                              "2 sessions of window \\\"visits\\\" hold that time",
		"window=visits&product=P&at=" + when:                    "write it into where",
		"window=visit&at=" + when:                               "visits",
		"window=visits&grain=1d&at=" + when:                     "leave one of the two out",
		"window=visits&country=France&at=noon":                  "is no time",
		"window=visits&where=contry+%3D+'x'&at=" + when:         "country",
		"grain=1d&where=lines+%3E+3&at=" + when:                 "a filter looks at dimensions only",
		"window=visits&country=France":                          "at is not given",
		"window=visits&where=country+is+null)+or+(1&at=" + when: "where",
	} {
		r := w.get("/v1/views/sales/explain?" + parameters)
		if r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), want) {
			t.Errorf("%s: %d %s", parameters, r.Code, r.Body)
		}
	}
}

// A hop of many panes lists the first of them and says how many there are.
func TestAnExplanationListsABoundedNumberOfPanes(t *testing.T) {
	w := newWorld(t, strings.Replace(windowsYAML, "{size: 25m, every: 10m}", "{size: 240h, every: 5m}", 1))
	at := time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	var events []event
	for i := range panesAtMost + 7 {
		events = append(events, event{product: "P", order: "a", pence: 1, at: at.Add(time.Duration(i) * 5 * time.Minute)})
	}
	w.add(events...)
	w.speed(map[int]int64{0: 0, 1: 0})
	w.serve()
	e := w.explainRow("window", "last_25m", "at", "2024-03-24T10:00:00Z")
	if len(e.Panes) != panesAtMost || e.MorePanes != 7 || e.Speed.Events != panesAtMost+7 {
		t.Errorf("%d panes, %d left off, of %d events", len(e.Panes), e.MorePanes, e.Speed.Events)
	}
}

// A session that the caller may not see is answered as one that does not exist.
func TestAnExplanationTellsNothingOfWindowsOfOthers(t *testing.T) {
	w := newGuardedWorld(t)
	ask := func(caller, product string) string {
		r := w.as(caller, "GET", "/v1/views/sales/explain?window=visits&at=2024-03-01T10:00:00Z&product="+product, "")
		return strings.ReplaceAll(fmt.Sprint(r.Code, r.Body), product, "?")
	}
	if got, want := ask("paris", "PG"), ask("paris", "PQ"); got != want {
		t.Errorf("of Germany: %s\nof what is not: %s", got, want)
	}
	if got := ask("admin", "PG"); !strings.Contains(got, `"777.77"`) {
		t.Errorf("whoever may see it is told %s", got)
	}
	// Of two sessions that hold a time one is the caller's: to whom there is but that one.
	const both = "/v1/views/sales/explain?window=visits&at=2024-03-02T10:00:00Z"
	if r := w.as("paris", "GET", both, ""); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"PX"`) {
		t.Errorf("of the caller's one session: %d %s", r.Code, r.Body)
	}
	if r := w.as("admin", "GET", both, ""); r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), "2 sessions") {
		t.Errorf("of two sessions: %d %s", r.Code, r.Body)
	}
}

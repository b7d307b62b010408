package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
)

// entry is a change of revenue by a repeat.
func entry(at, grain string, dims map[string]string, before, after, difference string) ledger.Entry {
	start, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	e := ledger.Entry{Time: start, Grain: grain, Total: len(dims) == 0, Dimensions: map[string]json.RawMessage{}, Measure: "revenue",
		Before: json.RawMessage(before), After: json.RawMessage(after), Difference: json.RawMessage(difference),
		Parts: []ledger.Part{{Class: ledger.BatchDedup, Amount: json.RawMessage(difference)}}}
	for name, value := range dims {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		e.Dimensions[name] = text
	}
	return e
}

// publishLedger computes a snapshot of the records below the cuts, and publishes it with a ledger of a repeat that was left out, of so many cells.
func (w *world) publishLedger(cuts map[int]int64, cells int, entries ...ledger.Entry) {
	w.t.Helper()
	m := *w.publish(cuts)
	l := ledger.Ledger{View: "sales", Definition: w.view.Hash, Run: "explained", Parent: m.ID, Grains: []string{"1d", "1mo"}, From: map[int]int64{0: 0, 1: 0}, To: cuts,
		Comparable: true, Repeats: 1, Cells: cells, Changed: len(entries), Classes: map[ledger.Class]int{ledger.BatchDedup: len(entries)}, Entries: entries}
	data, err := l.Encode()
	must(w.t, err)
	f, err := w.lake.PutFile(context.Background(), w.lake.RunKey("sales", w.view.Hash, "explained", "ledger.json"), data)
	must(w.t, err)
	m.Run, m.Parent, m.Ledger = "explained", m.ID, []lake.ViewFile{{Key: f.Key, Unit: "ledger", Bytes: f.Bytes, SHA256: f.SHA256}}
	_, w.tag, err = w.lake.Publish(context.Background(), m, w.tag)
	must(w.t, err)
}

// explained is the small world, whose current snapshot has a ledger.
func explained(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, viewYAML)
	at := func(text string) time.Time { return time.UnixMicro(instantOf(t, text)).UTC() }
	w.add(
		event{partition: 0, at: at("2024-03-01T09:10"), country: "France", product: "P&1", order: "a", pence: 1000},
		event{partition: 1, at: at("2024-03-01T10:00"), country: "Spain", product: "P1", order: "b", pence: 1000},
	)
	cuts := w.cuts()
	w.publishLedger(cuts, 6,
		entry("2024-03-01T00:00:00Z", "1d", map[string]string{"country": "France", "product": "P&1"}, `"5010.00"`, `"10.00"`, `"-5000.00"`),
		entry("2024-03-01T00:00:00Z", "1d", nil, `"5020.00"`, `"20.00"`, `"-5000.00"`),
		entry("2024-03-01T00:00:00Z", "1mo", nil, `"5020.00"`, `"20.00"`, `"-5000.00"`),
		entry("2024-02-29T00:00:00Z", "1d", nil, `"1.00"`, `null`, `"-1.00"`),
	)
	w.add(
		event{partition: 0, at: at("2024-03-01T23:00"), country: "France", product: "P2", order: "d", pence: 50},
		event{partition: 0, at: at("2024-03-01T23:10"), country: "Spain", product: "P2", order: "e", pence: 50},
	)
	w.speed(cuts)
	w.serve()
	return w
}

func TestChangesAndExplanationsOverHTTP(t *testing.T) {
	w := explained(t)
	for name, c := range map[string]struct {
		path   string
		status int
	}{
		"changes.json":             {"/v1/views/sales/changes", 200},
		"changes_range.json":       {"/v1/views/sales/changes?from=2024-03-01&to=2024-04-01&limit=1", 200},
		"changes_first.json":       {"/v1/views/sales/changes?snapshot=000000-first", 200},
		"explain_day.json":         {"/v1/views/sales/explain?at=2024-03-01T09:10:00Z", 200},
		"explain_country.json":     {"/v1/views/sales/explain?at=2024-03-01T09:10:00Z&country=France&product=P%261", 200},
		"explain_hour.json":        {"/v1/views/sales/explain?at=2024-03-01T09:10:00Z&grain=1h&country=France", 200},
		"explain_empty.json":       {"/v1/views/sales/explain?at=2020-03-01", 200},
		"explain_bad_view.json":    {"/v1/views/sals/explain?at=2020-03-01", 404},
		"explain_bad_dim.json":     {"/v1/views/sales/explain?at=2020-03-01&contry=France", 400},
		"explain_bad_grain.json":   {"/v1/views/sales/explain?at=2020-03-01&grain=1w", 400},
		"explain_no_time.json":     {"/v1/views/sales/explain?country=France", 400},
		"changes_bad_limit.json":   {"/v1/views/sales/changes?limit=0", 400},
		"changes_bad_param.json":   {"/v1/views/sales/changes?form=2024-03-01", 400},
		"changes_bad_range.json":   {"/v1/views/sales/changes?from=2024-03-02&to=2024-03-01", 400},
		"changes_no_snapshot.json": {"/v1/views/sales/changes?snapshot=000002-explaind", 400},
	} {
		response, text := w.answer("GET", c.path, "")
		golden(t, name, text)
		wantType := "application/json"
		if c.status >= 400 {
			wantType = "application/problem+json"
		}
		if response.StatusCode != c.status || response.Header.Get("Content-Type") != wantType {
			t.Errorf("%s: status %d, %s", c.path, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
}

// What an explanation says of the layers adds up to what the query answers.
func TestTheSharesOfTheLayersAddUp(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(7, 300)...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(random(8, 200)...)
	w.speed(cuts)
	w.serve()
	days := w.query(Query{Measures: []string{"lines"}, Dimensions: []string{"product"}, Grain: "1d"})
	for _, row := range days.Rows {
		path := fmt.Sprintf("/v1/views/sales/explain?at=%s&product=%s", url.QueryEscape(formatTime(row[0].Int64(), time.UTC)), url.QueryEscape(row[1].Text()))
		response, text := w.answer("GET", path, "")
		var e Explanation
		if err := json.Unmarshal(text, &e); err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, response.StatusCode, text)
		}
		events := int64(0)
		for _, epoch := range e.Speed.Epochs {
			events += epoch.Events
		}
		if events != e.Speed.Events || e.Batch.Events+e.Speed.Events != row[2].Int64() || strings.TrimSpace(string(e.Answer["lines"])) != fmt.Sprint(row[2].Int64()) {
			t.Fatalf("%s: %d of batch, %d of speed, the query answers %d: %s", path, e.Batch.Events, e.Speed.Events, row[2].Int64(), text)
		}
	}
	if len(days.Rows) < 5 {
		t.Fatalf("only %d rows", len(days.Rows))
	}
}

func TestALedgerThatCannotBeReadIsNamed(t *testing.T) {
	w := explained(t)
	must(t, w.lake.Store().Delete(context.Background(), w.lake.RunKey("sales", w.view.Hash, "explained", "ledger.json")))
	if response, text := w.answer("GET", "/v1/views/sales/changes", ""); response.StatusCode != 503 {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
	response, text := w.answer("GET", "/v1/views/sales/explain?at=2024-03-01", "")
	if response.StatusCode != 200 || !strings.Contains(string(text), `"unread"`) {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
}

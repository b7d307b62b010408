package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/auth"
)

const stockYAML = `
view: stock
source: orders
dimensions: [product]
grains: [1h, 1d]
measures:
  - {name: lines, agg: count}
`

// guardedWindows are those of the guarded views, which the views of other worlds do not have.
const guardedWindows = "windows: [{name: span, hopping: {size: 3h, every: 1h}}, {name: visits, session: {gap: 2h, max: 12h, by: [product]}}]\n"

// everything are the rights of who may do everything.
func everything() auth.Grant { return auth.Grant{Role: auth.Admin} }

// guardedWorld is a world with a guard: two views, French and German sales in every layer and in the ledger, and callers with their tokens.
type guardedWorld struct {
	*world
	tokens map[string]string // by the caller's name; "nobody" has none, and "stranger" one that nobody knows
	file   string            // of the tokens
	kept   string            // id of a snapshot
}

// french is what those may see whose rows are limited.
const french = "country = 'France'"

// callers are those of the guarded world. The zero role is for those who are not known.
func callers() map[string]auth.Grant {
	return map[string]auth.Grant{
		"nobody": {}, "stranger": {},
		"reader":  {Role: auth.Read},
		"seller":  {Role: auth.Read, Views: []string{"sales"}},
		"paris":   {Role: auth.Read, Views: []string{"sales"}, Where: map[string]string{"sales": french}},
		"paris2":  {Role: auth.Read, Where: map[string]string{"sales": french}},
		"stocker": {Role: auth.Read, Views: []string{"stock"}},
		"till":    {Role: auth.Write, Views: []string{"stock"}},
		"writer":  {Role: auth.Write},
		"paris3":  {Role: auth.Write, Where: map[string]string{"sales": french}},
		"admin":   {Role: auth.Admin},
	}
}

func newGuardedWorld(t testing.TB) *guardedWorld {
	t.Helper()
	w := &guardedWorld{world: newWorld(t, viewYAML+guardedWindows, view.File{Path: "views/stock.yaml", Data: []byte(stockYAML + guardedWindows)},
		view.File{Path: "alerts/sales.yaml", Data: []byte(fmt.Sprintf(alertYAML, "sales", "sales", "[country, product]"))},
		view.File{Path: "alerts/stock.yaml", Data: []byte(fmt.Sprintf(alertYAML, "stock", "stock", "[product]"))}), tokens: map[string]string{"stranger": auth.NewToken()}}
	w.push = PushConfig{Every: time.Millisecond, Beat: 10 * time.Millisecond}
	at := func(text string) time.Time { return time.UnixMicro(instantOf(t, text)).UTC() }
	w.add(
		event{partition: 0, at: at("2024-03-01T09:10"), country: "France", product: "PF", order: "a", pence: 1000},
		event{partition: 1, at: at("2024-03-01T10:00"), country: "Germany", product: "PG", order: "b", pence: 77777},
		event{partition: 1, at: at("2024-03-02T10:00"), country: "France", product: "PX", order: "c", pence: 500},
		event{partition: 0, at: at("2024-03-02T10:00"), country: "", product: "PG", order: "n", pence: 33333},
	)
	cuts := w.cuts()
	m := *w.publish(cuts)
	w.kept = m.ID
	l := ledger.Ledger{View: "sales", Definition: w.view.Hash, Run: "told", Parent: m.ID, Grains: []string{"1d", "1mo"}, From: map[int]int64{0: 0, 1: 0}, To: cuts,
		Comparable: true, Repeats: 31, Cells: 67, Changed: 3, Classes: map[ledger.Class]int{ledger.BatchDedup: 3}, Entries: []ledger.Entry{
			entry("2024-03-01T00:00:00Z", "1d", map[string]string{"country": "France", "product": "PF"}, `"5010.00"`, `"10.00"`, `"-5000.00"`),
			entry("2024-03-01T00:00:00Z", "1d", map[string]string{"country": "Germany", "product": "PG"}, `"55443.00"`, `"777.77"`, `"-65888.23"`),
			entry("2024-03-01T00:00:00Z", "1d", nil, `"88888.00"`, `"787.77"`, `"-88100.23"`),
		}}
	data, err := l.Encode()
	must(t, err)
	f, err := w.lake.PutFile(context.Background(), w.lake.RunKey("sales", w.view.Hash, "told", "ledger.json"), data)
	must(t, err)
	m.Run, m.Parent, m.Ledger = "told", m.ID, []lake.ViewFile{{Key: f.Key, Unit: "ledger", Bytes: f.Bytes, SHA256: f.SHA256}}
	_, w.tag, err = w.lake.Publish(context.Background(), m, w.tag)
	must(t, err)
	w.archiveAll()
	w.alert("sales", cause("sales-france", "777.0", "country", "France", "product", "PF"), cause("sales-germany", "777.77", "country", "Germany", "product", "PG"))
	w.alert("stock", cause("stock-france", "3", "product", "PF"), cause("stock-other", "4", "product", "PX"))
	w.add(
		event{partition: 0, at: at("2024-03-02T23:00"), country: "France", product: "PF", order: "d", pence: 50},
		event{partition: 0, at: at("2024-03-02T23:10"), country: "Germany", product: "PG", order: "e", pence: 77777},
	)
	w.speed(cuts)
	w.file = filepath.Join(t.TempDir(), "tokens.jsonl")
	for name, g := range callers() {
		if g.Role != 0 {
			w.give(name, g)
		}
	}
	w.guard, err = auth.New(auth.Config{TokenFile: w.file, Open: []string{"livez", "query"}, Rate: 1e6, Check: func(g auth.Grant) error { return CheckGrant(w.project, g) }})
	must(t, err)
	w.shares = time.Minute // so that an answer of one caller would be shown to others whom it is not for, if it could
	w.serve()
	for _, v := range w.server.definitions.now.Load().Views {
		must(t, w.server.refresh(context.Background(), w.server.state(v), time.Time{}))
	}
	return w
}

// give adds a caller to the token file.
func (w *guardedWorld) give(name string, g auth.Grant) {
	w.t.Helper()
	w.tokens[name] = auth.NewToken()
	line := auth.TokenLine{Name: name, Role: g.Role.String(), Views: g.Views, Where: g.Where, Hash: auth.HashOf(w.tokens[name])}
	must(w.t, line.Append(w.file))
}

// as sends a request on behalf of a caller.
func (w *guardedWorld) as(caller, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // a stream that says nothing ends all the same
	defer cancel()
	request := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", mediaJSON)
	}
	if token := w.tokens[caller]; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	var to http.ResponseWriter = recorder
	if strings.HasPrefix(path, "/v1/stream") {
		to = &firstEvent{recorder, cancel}
	}
	w.server.Handler().ServeHTTP(to, request)
	return recorder
}

// firstEvent ends a stream after its first event.
type firstEvent struct {
	*httptest.ResponseRecorder
	enough context.CancelFunc
}

func (f *firstEvent) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "data: ") {
		defer f.enough()
	}
	return f.ResponseRecorder.Write(b)
}

// rowsOf are the rows of an answer, and its counts.
func rowsOf(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	var a struct {
		Data       json.RawMessage
		Statistics struct{ Rows, TotalRows, Events, Late, Errors int }
		Meta       struct{ From, To string }
	}
	if err := json.Unmarshal(r.Body.Bytes(), &a); err != nil || r.Code != 200 {
		t.Fatalf("status %d: %v: %.500s", r.Code, err, r.Body)
	}
	return fmt.Sprintf("%s %+v %+v", a.Data, a.Statistics, a.Meta)
}

const alertYAML = `
alert: watch_%s
view: %s
by: %s
when: "lines > 1"
`

// cause is one that fires, with labels as names and values in turn.
func cause(id, value string, labels ...string) alert.Cause {
	c := alert.Cause{ID: id, Phase: alert.Firing, Values: alert.Labels{{Name: "lines", Value: &value}}}
	for i := 0; i < len(labels); i += 2 {
		c.Labels = append(c.Labels, alert.Label{Name: labels[i], Value: &labels[i+1]})
	}
	return c
}

// alert keeps what the alert of a view has found.
func (w *guardedWorld) alert(view string, causes ...alert.Cause) {
	w.t.Helper()
	data, err := json.Marshal(alert.State{Begun: true, Causes: causes})
	must(w.t, err)
	must(w.t, w.lake.ChangeNote(context.Background(), AlertNote("watch_"+view), func([]byte) ([]byte, error) { return data, nil }))
}

// silenced makes a silence of the alert of a view, beside one about Germans that stays, and returns its id.
func (w *guardedWorld) silenced(view string) string {
	w.t.Helper()
	germany, label := "Germany", alert.Label{Name: "product", Value: new(string)}
	if *label.Value = "PF"; view == "sales" {
		label.Name, *label.Value = "country", "France"
	}
	list := []alert.Silence{{ID: "s-" + view, Alert: "watch_" + view, Labels: alert.Labels{label}, Until: w.clock().Add(time.Hour)},
		{ID: "g", Alert: "watch_sales", Labels: alert.Labels{{Name: "country", Value: &germany}}, Until: w.clock().Add(time.Hour)}}
	data, err := json.Marshal(list)
	must(w.t, err)
	must(w.t, w.lake.ChangeNote(context.Background(), silencesNote, func([]byte) ([]byte, error) { return data, nil }))
	return "s-" + view
}

package serving

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
)

// visited is a world of two sales in one session, and one in another.
func visited(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, windowsYAML)
	at := time.Date(2024, 3, 24, 10, 2, 0, 0, time.UTC)
	for _, minute := range []int{0, 20, 90} {
		w.add(event{product: "P1", country: "France", order: "o", pence: 150, at: at.Add(time.Duration(minute) * time.Minute)})
	}
	w.speed(map[int]int64{0: 0, 1: 0})
	w.serve()
	return w
}

func TestWindowsAreAskedForOverHTTPInEveryFormat(t *testing.T) {
	w := visited(t)
	const path = "/v1/views/sales/query"
	if got, want := w.get(path+".csv?window=visits&measures=lines").Body.String(), "time,end,product,lines\n2024-03-24T10:02:00Z,2024-03-24T10:22:00Z,P1,2\n2024-03-24T11:32:00Z,2024-03-24T11:32:00Z,P1,1\n"; strings.ReplaceAll(got, "\r", "") != want {
		t.Errorf("CSV is\n%s\nwant\n%s", got, want)
	}
	for _, suffix := range []string{".json", ".ndjson", ".parquet", ".arrow"} {
		if r := w.get(path + suffix + "?window=last_3h&measures=lines"); r.Code != http.StatusOK {
			t.Errorf("%s: %d %s", suffix, r.Code, r.Body)
		}
	}
	var answer struct {
		Meta struct {
			Window, Grain string
			Columns       []struct{ Name, Role string }
		}
		Data       []map[string]any
		Provenance struct{ Rows []struct{ State string } }
	}
	r := w.get(path + "?window=last_3h&measures=lines&from=2024-03-24T10:00:00Z&to=2024-03-24T10:00:01Z")
	must(t, json.Unmarshal(r.Body.Bytes(), &answer))
	if answer.Meta.Window != "last_3h" || answer.Meta.Grain != "" || answer.Meta.Columns[1].Role != "end" || len(answer.Data) != 1 ||
		answer.Data[0]["time"] != "2024-03-24T10:00:00Z" || answer.Data[0]["end"] != "2024-03-24T13:00:00Z" || answer.Data[0]["lines"] != 3.0 || answer.Provenance.Rows[0].State != "open" {
		t.Errorf("answered %s", r.Body)
	}
	tag := w.get(path + "?window=visits").Header().Get("ETag")
	if r := w.get(path+"?window=visits", "If-None-Match", tag); r.Code != http.StatusNotModified || tag == "" {
		t.Errorf("asked again with %q: %d", tag, r.Code)
	}
	if other := w.get(path + "?window=last_3h").Header().Get("ETag"); other == tag {
		t.Error("two windows have one tag")
	}
}

func TestTheCatalogueListsWindows(t *testing.T) {
	w := visited(t)
	var info ViewInfo
	must(t, json.Unmarshal(w.get("/v1/views/sales").Body.Bytes(), &info))
	got, err := json.Marshal(info.Windows)
	must(t, err)
	const want = `[{"name":"last_3h","kind":"hopping","pane":"1h","size":"3h","every":"1h"},{"name":"last_25m","kind":"hopping","pane":"5m","size":"25m","every":"10m"},` +
		`{"name":"week","kind":"hopping","pane":"1d","size":"7d","every":"1d"},{"name":"visits","kind":"session","pane":"5m","gap":"30m","max":"3h","by":["product"]},` +
		`{"name":"busy","kind":"session","pane":"1h","gap":"1h","max":"12h"}]`
	if string(got) != want {
		t.Errorf("listed are %s", got)
	}
	relations, err := w.server.Relations(t.Context())
	must(t, err)
	tables := map[string]Relation{}
	for _, r := range relations {
		tables[r.Window] = r
	}
	if r := tables["visits"]; !r.Whole || len(r.Columns) != 3+5 || r.Columns[2].Name != "product" || !r.Columns[3].Additive {
		t.Errorf("the table of sessions is %+v", r)
	}
	if r := tables["last_3h"]; r.Whole || len(r.Columns) != 4+5 || r.Columns[4].Additive {
		t.Errorf("the table of hops is %+v", r)
	}
}

// A session that grows is the same row with other values, not one that is gone and another that has come.
func TestASessionThatGrowsIsOneRowForThoseWhoFollowIt(t *testing.T) {
	w := visited(t)
	before := w.query(Query{Window: "visits", Measures: []string{"lines"}})
	old := w.log.ends[0]
	w.add(event{product: "P1", country: "France", order: "o", pence: 150, at: time.Date(2024, 3, 24, 11, 50, 0, 0, time.UTC)})
	w.flush(0, 0, old, w.log.ends[0])
	w.pass(time.Minute)
	after := w.query(Query{Window: "visits", Measures: []string{"lines"}})
	var u Update
	must(t, json.Unmarshal(updateOf(before, after), &u))
	if len(u.Removed) != 0 || len(u.Rows) != 1 || !strings.Contains(string(u.Rows[0]), `"end":"2024-03-24T11:50:00Z"`) {
		t.Errorf("the update is %s removed, %s", u.Removed, u.Rows)
	}
	if k := after.identity(1, 3); len(k) != 2 || k[0] != algebra.TimestampValue(after.Rows[1][0].Int64()) {
		t.Errorf("a row is known by %v", k)
	}
}

func TestThePageOffersWindowsBesideGrains(t *testing.T) {
	w := visited(t)
	tab, _ := w.page(wide, "view=sales&measures=lines&grain=window%3Alast_3h")
	drawn(tab)
	var seen struct {
		Chosen, Title string
		Marks, Rows   int
	}
	read := `({ Chosen: document.querySelector('#grain').selectedOptions[0].textContent, Title: document.querySelector('#title').textContent,
		Marks: document.querySelectorAll('#panels svg.plot').length, Rows: document.querySelectorAll('#table tbody tr').length })`
	tab.Eval(read, &seen)
	if want := len(w.query(Query{Window: "last_3h"}).Rows); seen.Chosen != "last_3h" || seen.Title != "lines in last 3h" || seen.Marks != 1 || seen.Rows != want {
		t.Errorf("hops are shown as %+v, want %d rows", seen, want)
	}
	tab.Eval(`document.querySelector('#grain').value = 'window:visits'; document.querySelector('#grain').dispatchEvent(new Event('change', { bubbles: true }))`, nil)
	tab.Wait(`document.querySelector('#title').textContent.endsWith('in visits') && document.querySelectorAll('#table tbody tr').length === 2`)
	tab.Eval(read, &seen)
	var address string
	tab.Eval(`location.search`, &address)
	if seen.Marks != 0 || !strings.Contains(address, "grain=window%3Avisits") || !strings.Contains(address, "dimensions=product") {
		t.Errorf("sessions are shown as %+v at %s", seen, address)
	}
	calm(t, tab)
}

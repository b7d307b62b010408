package serving

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are names, filters and values of people who mean harm, or of whom nobody knows what they mean.
func hostile() []string {
	return []string{
		"", " ", "'", `"`, "';--", `" or "1"="1`, "1; drop table events", "country' OR '1'='1", "$$", "\x00", "a\x00b", "\xff\xfe", "é\u202e", strings.Repeat("(", 5000), strings.Repeat("not ", 2000),
		"country = 'x'; ATTACH '/tmp/caudal-hostile'", "country in (select 1)", "country = read_csv('/etc/passwd')", "read_text('/etc/passwd')", "country like '%' escape 'x'", "country = 'a' union select 1",
		"country = ''", `"country" = 'O''Land'`, `country = "product"`, "country = 1e309", "country = -0", "country is not null and not not true", "revenue > 1", "_partition = 0", "__other__",
		"country = '" + strings.Repeat("x", 100_000) + "'", "product like '" + strings.Repeat("%_", 3000) + "'", "9999-12-31T23:59:59Z", "0000-00-00", "2024-03-01T00:00:00+99:99", "-1", "99999999999999999999", "NaN", "null", "{}", "%00", "../../etc/passwd",
		"time", "-time,-country", "revenue,revenue", ",", "orders,", "1h", "1H", "one", "eyJkIjoiIn0", "getvariable('x')", "country = chr(0)", "/*", "--", "\\", "country = e'\\x41'", "country BETWEEN 'a' AND 'b'",
	}
}

// ask sends what a fuzzer made up in a place of a query, and reports answers that no input may have: a 5xx, an error that is no problem, text of the database, a
// file that appears.
func (w *world) ask(t *testing.T, place, text string, exact, post bool) (status int) {
	t.Helper()
	a := map[string]any{"measures": []string{"lines"}, "dimensions": []string{"country"}}
	switch place {
	case "measures", "dimensions", "order":
		a[place] = []string{text}
	default:
		a[place] = text
	}
	if exact {
		a["exact"] = true
	}
	var request *http.Request
	if post {
		body, err := json.Marshal(a)
		must(t, err)
		request = httptest.NewRequest("POST", "/v1/views/sales/query", strings.NewReader(string(body)))
	} else {
		q := url.Values{}
		for name, value := range a {
			if list, ok := value.([]string); ok {
				value = strings.Join(list, ",")
			}
			q.Set(name, fmt.Sprint(value))
		}
		request = httptest.NewRequest("GET", "/v1/views/sales/query?"+q.Encode(), nil)
	}
	recorder := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(recorder, request)
	body := recorder.Body.String()
	if recorder.Code >= 500 || recorder.Code >= 400 && recorder.Header().Get("Content-Type") != mediaProblem || !json.Valid([]byte(body)) {
		t.Errorf("%s %.200q (exact %v, POST %v): status %d, %s: %.300s", place, text, exact, post, recorder.Code, recorder.Header().Get("Content-Type"), body)
	}
	for _, leak := range []string{"Parser Error", "Binder Error", "Catalog Error", "Conversion Error", "SELECT ", "root:x:0"} {
		if strings.Contains(body, leak) && !strings.Contains(text, leak) {
			t.Errorf("%s %.200q: the answer shows %q: %.300s", place, text, leak, body)
		}
	}
	return recorder.Code
}

func places() []string {
	return []string{"measures", "dimensions", "grain", "from", "to", "where", "order", "cursor", "as_of"}
}

// FuzzQueries looks for names, filters and values that reach the database as they were written, or make the server fail. Its seeds run as a normal test.
func FuzzQueries(f *testing.F) {
	w := archivedFuzz(f)
	for i, text := range hostile() {
		f.Add(uint8(i), text, i%2 == 0, i%3 == 0)
		f.Add(uint8(5), text, i%3 == 0, i%2 == 0) // where
	}
	f.Fuzz(func(t *testing.T, place uint8, text string, exact, post bool) {
		w.ask(t, places()[int(place)%len(places())], text, exact, post)
	})
}

// FuzzQueriesOfACaller looks for inputs that bring a caller whose rows are limited the rows of others. Its seeds run as a normal test.
func FuzzQueriesOfACaller(f *testing.F) {
	w := newGuardedWorld(f)
	for i, text := range append(hostile(), "country = 'Germany'", "not country = 'France'") {
		f.Add(uint8(i), text, i%4 == 0)
		f.Add(uint8(5), text, i%4 == 1) // where
	}
	f.Fuzz(func(t *testing.T, place uint8, text string, exact bool) {
		q := url.Values{"measures": {"revenue,lines"}, "dimensions": {"product"}}
		q.Set(places()[int(place)%len(places())], text)
		if exact {
			q.Set("exact", "true")
		}
		w.harmless(t, "paris", "/v1/views/sales/query?"+q.Encode(), text)
	})
}

// archivedFuzz is a world with a few events in all layers.
func archivedFuzz(tb testing.TB) *world {
	w := newWorld(tb, viewYAML)
	w.add(random(1, 30)...)
	cuts := w.cuts()
	w.publish(cuts)
	w.archiveAll()
	w.add(random(2, 10)...)
	w.speed(cuts)
	w.serve()
	return w
}

func TestHostileInputsNeverReachTheDatabaseOrBreakTheServer(t *testing.T) {
	w := archivedFuzz(t)
	before, err := filepath.Glob("*")
	must(t, err)
	counts, asked := map[int]int{}, 0
	for _, place := range places() {
		for i, text := range hostile() {
			asked++
			counts[w.ask(t, place, text, place == "where" && i%2 == 0, i%2 == 1)]++
		}
	}
	// What explain, changes, events and paths take.
	for _, text := range hostile() {
		escaped := url.QueryEscape(text)
		for _, path := range []string{
			"/v1/views/sales/explain?at=2024-03-01&country=" + escaped, "/v1/views/sales/explain?at=" + escaped, "/v1/views/sales/changes?snapshot=" + escaped,
			"/v1/views/sales/changes?" + escaped + "=1", "/v1/views/" + url.PathEscape(text) + "/query", "/v1/stream?view=" + escaped, "/v1/stream?view=sales&where=" + escaped + "%20and",
		} {
			got := w.get(path)
			asked++
			counts[got.Code]++
			if got.Code >= 500 {
				t.Errorf("%.200s: status %d: %.300s", path, got.Code, got.Body)
			}
		}
		status, _, _ := w.send(t.Context(), mediaJSON, text)
		asked++
		counts[status]++
		if status >= 500 {
			t.Errorf("events %.200q: status %d", text, status)
		}
	}
	after, err := filepath.Glob("*")
	must(t, err)
	if len(before) != len(after) {
		t.Errorf("files appeared: %v", after)
	}
	if _, err := os.Stat("/tmp/caudal-hostile"); err == nil {
		t.Error("a query made a file")
	}
	fmt.Printf("hostile inputs: %d asked, by status %v\n", asked, counts)
}

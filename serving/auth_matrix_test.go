package serving

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/serving/auth"
)

// knock is one request of a route.
type knock struct {
	path, body string
	noView     bool // it names no view: what it answers depends on the caller's views alone
}

// knocks are the requests that the matrix makes of each route, about a view. A route that is not here fails the test.
func knocks(w *guardedWorld, view string) map[string][]knock {
	all := map[string][]knock{
		"stream":     {{path: "/v1/stream?view=" + view + "&measures=lines&grain=1d"}, {path: "/v1/stream?view=" + view + "&dimensions=product"}},
		"list_views": {{path: "/v1/views", noView: true}},
		"get_view":   {{path: "/v1/views/" + view}},
		"changes":    {{path: "/v1/views/" + view + "/changes"}},
		"explain": {{path: "/v1/views/" + view + "/explain?at=2024-03-01"}, {path: "/v1/views/" + view + "/explain?at=2024-03-02T10:00:00Z&product=PG"},
			{path: "/v1/views/" + view + "/explain?at=2024-03-02T23:05:00Z&window=span"}, {path: "/v1/views/" + view + "/explain?at=2024-03-01T10:00:00Z&window=span&where=" + url.QueryEscape("not product = 'PF'")},
			{path: "/v1/views/" + view + "/explain?at=2024-03-01T10:00:00Z&window=visits&product=PG"}, {path: "/v1/views/" + view + "/explain?at=2024-03-02T23:10:00Z&window=visits&product=PG"}},
		"status":  {{path: "/v1/status", noView: true}},
		"openapi": {{path: "/openapi.json", noView: true}},

		"list_alerts":       {{path: "/v1/alerts", noView: true}, {path: "/v1/alerts?alert=watch_" + view + "&phase=firing"}},
		"list_silences":     {{path: "/v1/silences", noView: true}},
		"acknowledge_alert": {{path: "/v1/alerts/" + view + "-france/acknowledge?comment=mine"}},
		"silence_alert":     {{path: "/v1/silences?alert=watch_" + view + "&for=1m&labels=" + map[string]string{"sales": "country=France", "stock": "product=PF"}[view]}},
		"end_silence":       {{path: "/v1/silences/" + w.silenced(view)}},
		"livez":             {{path: "/livez", noView: true}},
		"readyz":            {{path: "/readyz", noView: true}},
		"metrics":           {{path: "/metrics", noView: true}},
		"send_events": {{path: "/v1/events/orders", noView: true,
			body: `[{"placed_at": "2024-03-01T10:00:00Z", "country": null, "product": "P1", "order_no": "o1", "amount": 1.25}]`}},
	}
	for _, suffix := range append([]string{""}, suffixes()...) {
		name := strings.ReplaceAll(suffix, ".", "_")
		path := "/v1/views/" + view + "/query" + suffix
		all["query"+name] = []knock{{path: path}, {path: path + "?dimensions=product&grain=1d"}}
		all["post_query"+name] = []knock{{path: path, body: "{}"}, {path: path, body: `{"dimensions": ["product"], "order": ["-lines"]}`}}
		if suffix == "" || suffix == ".csv" {
			all["query"+name] = append(all["query"+name], knock{path: path + "?exact=true&dimensions=product"}, knock{path: path + "?exact=true&where=" + url.QueryEscape("product = 'PG' or product = 'PF'")})
			all["post_query"+name] = append(all["post_query"+name], knock{path: path, body: `{"exact": true}`})
		}
		if view == "sales" {
			all["query"+name] = append(all["query"+name], knock{path: path + "?as_of=" + w.kept}, knock{path: path + "?dimensions=country,product&grain=1h"},
				knock{path: path + "?where=" + url.QueryEscape("country = 'Germany' or country is null or not (country = 'x')")})
		}
	}
	return all
}

// wanted is the status that the caller's rights ask for.
func wanted(g auth.Grant, rt *route, k knock, view string) int {
	switch {
	case rt.id == "livez":
		return 200
	case g.Role == 0:
		return 401
	case g.Role < cmp.Or(rt.needs, auth.Read):
		return 403
	case !k.noView && !g.MayRead(view):
		return 404
	}
	return 200
}

// secrets are words that stand in German rows, and in totals over them, and in nothing that those may read who see the French.
func secrets() []string {
	return []string{"Germany", "PG", "777.77", "333.33", "1888.87", "1904.37", "787.77", "88888", "55443", "65888"}
}

// opaque are the parts of an answer that say nothing, and in whose letters any word may come up: ids of updates, and cursors.
var opaque = regexp.MustCompile(`(?m)^id: .*$|"next":"[^"]*"`)

// TestRightsHoldOnEveryRouteForEveryCaller is the matrix: callers by views by routes. It knows of every route, or fails.
func TestRightsHoldOnEveryRouteForEveryCaller(t *testing.T) {
	w := newGuardedWorld(t)
	asked, told := 0, map[string]bool{}
	for name, g := range callers() {
		for _, view := range []string{"sales", "stock"} {
			all := knocks(w, view)
			for _, rt := range w.server.routes {
				if len(all[rt.id]) == 0 {
					t.Fatalf("route %s is not in the matrix: add requests of it to knocks", rt.id)
				}
				for _, k := range all[rt.id] {
					asked++
					got := w.as(name, rt.method, k.path, k.body)
					if want := wanted(g, &rt, k, view); got.Code != want {
						t.Errorf("%s, %s %s: status %d, want %d: %.300s", name, rt.method, k.path, got.Code, want, got.Body)
						continue
					}
					if got.Code >= 400 && got.Header().Get("Content-Type") != mediaProblem {
						t.Errorf("%s, %s: a refusal of type %s", name, k.path, got.Header().Get("Content-Type"))
					}
					looked := w.look(t, name, g, k, rt.id, got.Body.String())
					for _, word := range looked {
						told[word] = true
					}
				}
			}
		}
	}
	for _, word := range secrets() {
		if !told[word] {
			t.Errorf("%q was told to nobody: that it was not told proves nothing", word)
		}
	}
	fmt.Printf("matrix: %d requests of %d routes by %d callers\n", asked, len(w.server.routes), len(callers()))
}

// look finds words in an answer that the caller may not read, and returns the secrets that it may and did.
func (w *guardedWorld) look(t *testing.T, name string, g auth.Grant, k knock, id, body string) []string {
	t.Helper()
	if !g.MayRead("stock") && strings.Contains(strings.ReplaceAll(body, k.path, ""), "stock") && !strings.Contains(k.path, "stock") {
		t.Errorf("%s, %s names a view that is not the caller's: %.2000s", name, k.path, body)
	}
	body = opaque.ReplaceAllString(body, "")
	var told []string
	about := strings.Contains(k.path, "/sales/") || strings.Contains(k.path, "view=sales") || k.noView && id != "metrics"
	for _, word := range secrets() {
		if !strings.Contains(body, word) {
			continue
		}
		if !about || g.Where == nil {
			told = append(told, word)
			continue
		}
		if strings.Contains(k.path, word) || strings.Contains(k.body, word) {
			continue // the caller has said it itself
		}
		t.Errorf("%s, %s tells %q: %.2000s", name, k.path, word, body)
	}
	return told
}

// TestRowsOfACallerAreThoseOfTheCondition compares each answer to a caller whose rows are limited with the answer to one who asks for these rows.
func TestRowsOfACallerAreThoseOfTheCondition(t *testing.T) {
	w := newGuardedWorld(t)
	for _, more := range []string{"", "product != 'PX'", "country = 'Germany'", "country is null or product = 'PF'", "not country = 'France'"} {
		for _, mode := range []string{"", "&exact=true", "&as_of=" + w.kept} {
			for _, dims := range []string{"", "product", "country", "product,country"} {
				for _, grain := range []string{"", "1h", "1d", "1mo"} {
					ask := func(where string) string {
						return "/v1/views/sales/query?dimensions=" + dims + "&grain=" + grain + mode + "&where=" + url.QueryEscape(where)
					}
					both := french
					if more != "" {
						both += " and (" + more + ")"
					}
					got, want := rowsOf(t, w.as("paris", "GET", ask(more), "")), rowsOf(t, w.as("admin", "GET", ask(both), ""))
					if got != want {
						t.Errorf("%s\n got %s\nwant %s", ask(more), got, want)
					}
				}
			}
		}
	}
}

func TestEveryRouteIsGuardedUnlessItSaysOtherwise(t *testing.T) {
	open := map[string]bool{}
	for _, rt := range routes() {
		if rt.mayOpen {
			open[rt.id] = true
		}
	}
	if got := slices.Sorted(maps.Keys(open)); !slices.Equal(got, []string{"livez", "metrics", "readyz"}) {
		t.Errorf("the routes that a project may open are %v", got)
	}
	// A route that somebody adds without a word about rights; the guard of this world opens "query", which is none of those that may be opened.
	w := newGuardedWorld(t)
	for _, rt := range append(routes(), route{method: "GET", path: "/v1/new", id: "new"}) {
		reached := false
		serve := w.server.guarded(&rt, func(http.ResponseWriter, *http.Request) { reached = true })
		serve(httptest.NewRecorder(), httptest.NewRequest(rt.method, "/", nil))
		if reached != (rt.id == "livez") {
			t.Errorf("%s was reached by nobody: %v", rt.id, reached)
		}
	}
}

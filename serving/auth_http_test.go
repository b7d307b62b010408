package serving

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/serving/auth"
)

// manual is a guard for the callers of a world with a clock of its own, at so many requests per second.
func (w *guardedWorld) manual(t *testing.T, perSecond float64, burst int) *auth.Guard {
	t.Helper()
	g, err := auth.New(auth.Config{TokenFile: w.file, Rate: perSecond, Burst: burst, Clock: w.clock})
	must(t, err)
	return g
}

func TestTokensComeByTheAuthorizationHeaderAndNoOtherWay(t *testing.T) {
	w := newGuardedWorld(t)
	token := w.tokens["admin"]
	for _, c := range []struct {
		name, path, header string
		want               int
	}{
		{"bearer", "/v1/views", "Bearer " + token, 200},
		{"lower case", "/v1/views", "bearer " + token, 200},
		{"basic", "/v1/views", "Basic " + token, 401},
		{"no scheme", "/v1/views", token, 401},
		{"two", "/v1/views", "Bearer " + token + ", Bearer " + token, 401},
		{"cut off", "/v1/views", "Bearer " + token[:len(token)-1], 401},
		{"its hash", "/v1/views", "Bearer " + auth.HashOf(token), 401},
		{"in the query string", "/v1/views?access_token=" + token, "", 401},
		{"huge", "/v1/views", "Bearer caudal_" + strings.Repeat("x", 1<<20), 401},
	} {
		got := w.as("nobody", "GET", c.path, "", "Authorization", c.header)
		if got.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", c.name, got.Code, c.want, got.Body)
		}
		if got.Code == 401 && (got.Header().Get("WWW-Authenticate") == "" || got.Header().Get("Content-Type") != mediaProblem) {
			t.Errorf("%s: a 401 with the headers %v", c.name, got.Header())
		}
		if vary := strings.Join(got.Header().Values("Vary"), ","); !strings.Contains(vary, "Authorization") {
			t.Errorf("%s: Vary is %q: a cache could give one caller's answer to another", c.name, vary)
		}
	}
}

func TestACallerWhoAsksTooOftenIsToldWhenToAskAgain(t *testing.T) {
	w := newGuardedWorld(t)
	w.server.cfg.Guard = w.manual(t, 0.5, 3)
	for i := range 3 {
		if got := w.as("reader", "GET", "/v1/views", ""); got.Code != 200 {
			t.Fatalf("request %d: status %d: %s", i, got.Code, got.Body)
		}
	}
	got := w.as("reader", "GET", "/v1/views/sales/query", "")
	if got.Code != 429 || got.Header().Get("Retry-After") != "2" || got.Header().Get("Content-Type") != mediaProblem {
		t.Errorf("one too many: status %d, %v: %s", got.Code, got.Header(), got.Body)
	}
	if got := w.as("seller", "GET", "/v1/views", ""); got.Code != 200 {
		t.Errorf("another caller pays for it: status %d", got.Code)
	}
	w.pass(2 * time.Second)
	if got := w.as("reader", "GET", "/v1/views", ""); got.Code != 200 {
		t.Errorf("after Retry-After: status %d", got.Code)
	}
}

func TestTheRequestLogTellsWhoAskedWhatAndNoSecret(t *testing.T) {
	w := newGuardedWorld(t)
	var lines bytes.Buffer
	w.server.cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secret := "s3cr3t"
	w.as("paris", "GET", "/v1/views/sales/query?where="+url.QueryEscape("product = '"+secret+"'"), "", "Cookie", secret, "X-Api-Key", secret)
	w.as("paris", "POST", "/v1/views/sales/query", `{"where": "country = '`+secret+`'"}`)
	w.as("writer", "POST", "/v1/events/orders", `[{"country": "`+secret+`"}]`)
	w.as("nobody", "GET", "/v1/views/"+secret+"/query?token="+secret, "", "Authorization", "Bearer "+secret)
	w.as("stranger", "GET", "/v1/views", "")
	w.as("nobody", "GET", "/"+secret, "")
	text := lines.String()
	for _, hidden := range []string{secret, w.tokens["paris"], w.tokens["stranger"], auth.HashOf(w.tokens["paris"])} {
		if strings.Contains(text, hidden) {
			t.Errorf("the log tells %q:\n%s", hidden, text)
		}
	}
	for _, line := range []string{"route=query method=GET view=sales status=200 caller=paris from=192.0.2.1", "route=send_events method=POST view=\"\" status=422 caller=writer", "route=list_views method=GET view=\"\" status=401 caller=\"\""} {
		if !strings.Contains(text, line) {
			t.Errorf("the log lacks %q:\n%s", line, text)
		}
	}
}

func TestAnswersAndTagsAndCursorsStayWithTheirCaller(t *testing.T) {
	w := newGuardedWorld(t)
	path := "/v1/views/sales/query.csv?measures=revenue&dimensions=product&limit=1"
	mine, all := w.as("paris", "GET", path, ""), w.as("admin", "GET", path, "")
	tag := all.Header().Get("ETag")
	if mine.Header().Get("ETag") == tag || mine.Body.String() == all.Body.String() && mine.Header().Get("Caudal-Next") == all.Header().Get("Caudal-Next") {
		t.Errorf("two callers with other rows have one answer, tag %s: %s", tag, mine.Body)
	}
	if got := w.as("paris", "GET", path, "", "If-None-Match", tag); got.Code != 200 {
		t.Errorf("the tag of another caller's answer: status %d", got.Code)
	}
	next := all.Header().Get("Caudal-Next")
	if next == "" {
		t.Fatalf("no second page: %v", all.Header())
	}
	if got := w.as("paris", "GET", path+"&cursor="+next, ""); got.Code != 400 {
		t.Errorf("another caller's cursor: status %d: %s", got.Code, got.Body)
	}
	// Page by page, the caller has what it has at once.
	var rows []string
	for cursor := ""; ; {
		got := w.as("paris", "GET", path+"&cursor="+cursor, "")
		rows = append(rows, strings.Split(strings.TrimSpace(got.Body.String()), "\r\n")[1:]...)
		if cursor = got.Header().Get("Caudal-Next"); cursor == "" {
			break
		}
	}
	whole := w.as("paris", "GET", strings.Replace(path, "limit=1", "limit=100", 1), "")
	if want := strings.Split(strings.TrimSpace(whole.Body.String()), "\r\n")[1:]; strings.Join(rows, ";") != strings.Join(want, ";") || len(rows) != 2 {
		t.Errorf("page by page %q, at once %q", rows, want)
	}
}

func TestAStreamIsSharedByThoseWhoSeeTheSameRowsAndByNobodyElse(t *testing.T) {
	w := newGuardedWorld(t)
	path := "/v1/stream?view=sales&measures=revenue&dimensions=product"
	life := func(body string) string {
		_, after, _ := strings.Cut(body, "id: ")
		life, _, _ := strings.Cut(after, "-")
		return life
	}
	lives := map[string]string{}
	for _, caller := range []string{"admin", "paris", "reader", "paris2"} {
		lives[caller] = life(w.as(caller, "GET", path, "").Body.String())
	}
	if lives["admin"] == "" || lives["admin"] != lives["reader"] || lives["paris"] != lives["paris2"] || lives["admin"] == lives["paris"] {
		t.Errorf("questions that are followed: %v", lives)
	}
	// The id of another caller's stream brings nothing of it.
	got := w.as("paris", "GET", path, "", "Last-Event-ID", lives["admin"]+"-1").Body.String()
	if !strings.Contains(got, "event: reset") || strings.Contains(got, "PG") {
		t.Errorf("a stream that goes on from another caller's: %s", got)
	}
}

// TestAStreamEndsWhenItsCallerMayNoLongerFollow takes the token away while its stream is open.
func TestAStreamEndsWhenItsCallerMayNoLongerFollow(t *testing.T) {
	for name, mend := range map[string]func(w *guardedWorld, text string) string{
		"removed":  func(*guardedWorld, string) string { return "" },
		"narrowed": func(_ *guardedWorld, text string) string { return strings.ReplaceAll(text, "France", "Frankreich") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newGuardedWorld(t)
			w.server.cfg.Guard = w.manual(t, 1e6, 1e6)
			server := httptest.NewServer(w.server.Handler())
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/stream?view=sales&measures=lines", nil)
			must(t, err)
			request.Header.Set("Authorization", "Bearer "+w.tokens["paris"])
			response, err := http.DefaultClient.Do(request)
			must(t, err)
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), ": beat") {
			}
			text, err := os.ReadFile(w.file)
			must(t, err)
			must(t, os.WriteFile(w.file, []byte(mend(w, string(text))), 0o600))
			w.pass(2 * time.Second)
			for lines.Scan() {
			}
			if ctx.Err() != nil || lines.Err() != nil {
				t.Errorf("the stream went on: %v", lines.Err())
			}
		})
	}
}

func TestADefinitionWithoutTheDimensionOfACallersRowsAnswersNothing(t *testing.T) {
	w := newGuardedWorld(t)
	g := auth.Grant{Role: auth.Read, Where: map[string]string{"sales": "region = 'North'"}}
	ctx := auth.With(t.Context(), auth.Caller{Name: "north", Grant: g})
	_, err := w.server.Query(ctx, Query{View: "sales"})
	if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 403 {
		t.Errorf("query: %v", err)
	}
	if _, err := w.server.changes(ctx, w.view, changesQuery{from: beginning, to: forever}); err == nil {
		t.Error("changes were told")
	}
}

func TestWhatIsNotReadyIsToldByNameToThoseWhoMayKnowIt(t *testing.T) {
	w := newGuardedWorld(t)
	w.serve() // nothing is loaded yet
	for caller, told := range map[string]bool{"admin": true, "reader": true, "stocker": false, "paris": false} {
		if got := w.as(caller, "GET", "/readyz", ""); got.Code != 503 || strings.Contains(got.Body.String(), "view sales") != told {
			t.Errorf("%s: status %d: %s", caller, got.Code, got.Body)
		}
	}
	var err error
	w.server.cfg.Guard, err = auth.New(auth.Config{TokenFile: w.file, Open: []string{"readyz"}})
	must(t, err)
	if got := w.as("nobody", "GET", "/readyz", ""); got.Code != 503 || strings.Contains(got.Body.String(), "sales") {
		t.Errorf("nobody: status %d: %s", got.Code, got.Body)
	}
}

func TestMethodsAskWhoAsksAlsoWithoutHTTP(t *testing.T) {
	w := newGuardedWorld(t)
	unknown := func(what string, err error) {
		t.Helper()
		if p := (*Problem)(nil); !errors.As(err, &p) || p.Status != 401 {
			t.Errorf("%s by nobody: %v", what, err)
		}
	}
	ctx := t.Context()
	_, err := w.server.Query(ctx, Query{View: "sales"})
	unknown("query", err)
	_, err = w.server.Status(ctx)
	unknown("status", err)
	_, err = w.server.find(ctx, "sales")
	unknown("catalogue", err)
	_, err = w.server.changes(ctx, w.view, changesQuery{})
	unknown("changes", err)
	_, err = w.server.explain(ctx, w.view, &address{grain: &w.view.Grains[1]})
	unknown("explain", err)
	unknown("events", w.server.maySend(ctx, "orders"))
	unknown("records", w.server.recordsOf(ctx, "orders"))
	for name, g := range callers() {
		if err := w.server.recordsOf(auth.With(ctx, auth.Caller{Name: name, Grant: g}), "orders"); (err == nil) != g.Unlimited() {
			t.Errorf("records of the source for %s: %v", name, err)
		}
	}
}

func TestEventsGoToTheSourcesOfACallersViewsAlone(t *testing.T) {
	w := newGuardedWorld(t)
	for name, c := range map[string]struct {
		grant auth.Grant
		want  int // 0: they are taken
	}{
		"its view's source": {auth.Grant{Role: auth.Write, Views: []string{"stock"}}, 0},
		"any":               {auth.Grant{Role: auth.Write}, 0},
		"another's":         {auth.Grant{Role: auth.Write, Views: []string{"gone"}}, 404},
		"a reader":          {auth.Grant{Role: auth.Read}, 403},
	} {
		err := w.server.maySend(auth.With(t.Context(), auth.Caller{Name: name, Grant: c.grant}), "orders")
		status := 0
		if p := (*Problem)(nil); errors.As(err, &p) {
			status = p.Status
		}
		if status != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCallersWithLimitsFilterScansByDimensionsAlone(t *testing.T) {
	w := newGuardedWorld(t)
	path := "/v1/views/sales/query?exact=true&measures=lines&where=" + url.QueryEscape("order_no = 'b'")
	for caller, want := range map[string]int{"admin": 200, "reader": 200, "seller": 400, "paris": 400, "paris2": 400} {
		if got := w.as(caller, "GET", path, ""); got.Code != want {
			t.Errorf("%s: status %d, want %d: %s", caller, got.Code, want, got.Body)
		}
	}
}

// TestHostileInputsOfCallersBringNoRowsOfOthers sends everything that is hostile on behalf of a caller whose rows are limited.
func TestHostileInputsOfCallersBringNoRowsOfOthers(t *testing.T) {
	w := newGuardedWorld(t)
	counts := map[int]int{}
	for i, text := range append(hostile(), "country = 'Germany'", "country = 'France' or country = 'Germany'", "product = 'PG' or 1 = 1", "country = 'x') or (country = 'Germany'", "not country = 'x' or country is null",
		w.tokens["admin"], auth.HashOf(w.tokens["paris"]), "Bearer "+w.tokens["admin"]) {
		for _, place := range places() {
			q := url.Values{"measures": {"revenue,lines"}, "dimensions": {"product"}}
			q.Set(place, text)
			if i%3 == 0 {
				q.Set("exact", "true")
			}
			counts[w.harmless(t, "paris", "/v1/views/sales/query?"+q.Encode(), text)]++
		}
		escaped := url.QueryEscape(text)
		for _, path := range []string{"/v1/views/" + url.PathEscape(text) + "/query", "/v1/views/sales/explain?at=2024-03-01&product=" + escaped, "/v1/views/sales/changes?snapshot=" + escaped, "/v1/stream?view=sales&dimensions=product&where=" + escaped} {
			counts[w.harmless(t, "paris", path, text)]++
		}
		got := w.as("nobody", "GET", "/v1/views/sales/query", "", "Authorization", "Bearer "+text)
		if want := 401; got.Code != want && text != w.tokens["admin"] {
			t.Errorf("token %.100q: status %d", text, got.Code)
		}
		counts[got.Code]++
	}
	fmt.Printf("hostile inputs of a caller with limits, by status: %v\n", counts)
}

// harmless asks and looks for what the caller must not have.
func (w *guardedWorld) harmless(t *testing.T, caller, path, text string) int {
	t.Helper()
	got := w.as(caller, "GET", path, "")
	body := opaque.ReplaceAllString(got.Body.String(), "")
	if got.Code >= 500 || got.Code == 403 || got.Code >= 400 && got.Header().Get("Content-Type") != mediaProblem {
		t.Errorf("%.200q: status %d: %.300s", path, got.Code, body)
	}
	if got.Code < 400 {
		for _, word := range secrets() {
			if strings.Contains(body, word) && !strings.Contains(text, word) || strings.Contains(body, `"product":"PG"`) {
				t.Errorf("%.200q tells %q: %.1000s", path, word, body)
			}
		}
	}
	return got.Code
}

func TestTheDocumentDescribesWhatACallerMayKnow(t *testing.T) {
	w := newGuardedWorld(t)
	w.project.Serving.Auth.Tokens = w.file
	defer func() { w.project.Serving.Auth.Tokens = "" }()
	var d struct {
		Security   []map[string][]string
		Components struct{ SecuritySchemes map[string]any }
		Paths      map[string]map[string]struct {
			Security  *[]map[string][]string
			Responses map[string]any
		}
	}
	must(t, json.Unmarshal(w.as("seller", "GET", "/openapi.json", "").Body.Bytes(), &d))
	if len(d.Security) != 1 || d.Security[0]["token"] == nil || d.Components.SecuritySchemes["token"] == nil {
		t.Errorf("security %v, schemes %v", d.Security, d.Components.SecuritySchemes)
	}
	query := d.Paths["/v1/views/{view}/query"]["get"]
	for _, status := range []string{"401", "403", "429"} {
		if query.Responses[status] == nil {
			t.Errorf("a query does not answer %s", status)
		}
	}
	if live := d.Paths["/livez"]["get"]; live.Security == nil || len(*live.Security) != 0 && len((*live.Security)[0]) != 0 {
		t.Errorf("livez needs %v", live.Security)
	}
}

func TestAPageOfAnotherOriginSendsNothing(t *testing.T) {
	w := newGuardedWorld(t)
	order := `[{"placed_at": "2024-03-01T10:00:00Z", "country": null, "product": "P1", "order_no": "o1", "amount": 1.25}]`
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"a program":              {nil, 200},
		"our page":               {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"another page":           {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another, old browser":   {[]string{"Origin", "https://evil.example.com"}, 403},
		"an odd subdomain of us": {[]string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		if got := w.as("writer", "POST", "/v1/events/orders", order, c.headers...); got.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, got.Code, c.want, got.Body)
		}
	}
	got := w.as("reader", "GET", "/v1/views", "", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com")
	for header, want := range map[string]string{"Access-Control-Allow-Origin": "", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := got.Header().Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if policy := got.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the content policy is %q", policy)
	}
}

// TestCallersAskAtOnce is for the race detector.
func TestCallersAskAtOnce(t *testing.T) {
	w := newGuardedWorld(t)
	var wg sync.WaitGroup
	for _, caller := range []string{"admin", "paris", "stranger", "till"} {
		for range 4 {
			wg.Go(func() {
				for range 5 {
					w.as(caller, "GET", "/v1/views/sales/query?dimensions=product", "")
				}
			})
		}
	}
	wg.Wait()
}

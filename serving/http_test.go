package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, got)
	}
}

// small is a world whose answers can be checked by eye: four events in batch, two later.
func small(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, viewYAML)
	at := func(text string) time.Time {
		us := instantOf(t, text)
		return time.UnixMicro(us).UTC()
	}
	w.add(
		event{partition: 0, at: at("2024-03-01T09:10"), country: "France", product: "P1", order: "a", pence: 1000},
		event{partition: 0, at: at("2024-03-01T09:20"), country: "France", product: "P2", order: "a", pence: 250},
		event{partition: 1, at: at("2024-03-01T10:00"), country: "Spain", product: "P1", order: "b", pence: 1000},
		event{partition: 1, at: at("2024-03-02T10:00"), product: "P1", order: "c", pence: 500},
	)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(
		event{partition: 0, at: at("2024-03-02T11:00"), country: "France", product: "P1", order: "d", pence: 1050},
		event{partition: 0, at: at("2024-03-01T23:00"), country: "Spain", product: "P2", order: "b", pence: 1}, // late
	)
	w.speed(cuts)
	w.serve()
	return w
}

var varying = regexp.MustCompile(`"elapsed_ms":[0-9.]+|"definition":"[0-9a-f]+"`)

// answer sends a request and returns the status, the headers and the body with what changes from run to run left out.
func (w *world) answer(method, path, body string) (*http.Response, []byte) {
	w.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	recorder := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(recorder, request)
	response := recorder.Result()
	text, err := io.ReadAll(response.Body)
	must(w.t, err)
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		text = varying.ReplaceAllFunc(text, func(b []byte) []byte {
			return append(b[:bytes.IndexByte(b, ':')+1:bytes.IndexByte(b, ':')+1], `"…"`...)
		})
		var out bytes.Buffer
		must(w.t, json.Indent(&out, text, "", "  "))
		text = out.Bytes()
	}
	return response, text
}

func TestAnswersOverHTTP(t *testing.T) {
	w := small(t)
	w.query(Query{}) // what the catalogue says of the snapshot is there once it is loaded
	for name, path := range map[string]string{
		"by_day.json":      "/v1/views/sales/query?measures=revenue,orders,lines,per_line&grain=1d",
		"by_country.json":  "/v1/views/sales/query.json?measures=revenue,median&dimensions=country&order=-revenue&limit=2",
		"filtered.json":    "/v1/views/sales/query?measures=lines&grain=1h&from=2024-03-01&to=2024-03-02&where=country+%3D+%27Spain%27",
		"empty.json":       "/v1/views/sales/query?measures=lines&from=2020-01-01&to=2020-02-01",
		"views.json":       "/v1/views",
		"view.json":        "/v1/views/sales",
		"status.json":      "/v1/status",
		"bad_grain.json":   "/v1/views/sales/query?grain=1w",
		"bad_view.json":    "/v1/views/sals/query",
		"bad_where.json":   "/v1/views/sales/query?where=contry='x'",
		"bad_param.json":   "/v1/views/sales/query?measure=revenue",
		"bad_limit.json":   "/v1/views/sales/query?limit=many",
		"off_grain.json":   "/v1/views/sales/query?grain=1d&from=2024-03-01T05:00:00Z",
		"bad_path.json":    "/v1/nothing",
		"twice_given.json": "/v1/views/sales/query?grain=1d&grain=1h",
	} {
		response, text := w.answer("GET", path, "")
		golden(t, name, text)
		bad := !strings.HasPrefix(name, "by") && name != "filtered.json" && name != "empty.json" && !strings.HasPrefix(name, "view") && name != "status.json"
		wantType := "application/json"
		if bad {
			wantType = "application/problem+json"
		}
		if response.Header.Get("Content-Type") != wantType || bad != (response.StatusCode >= 400) {
			t.Errorf("%s: status %d, %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("X-Frame-Options") != "DENY" || response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: security headers are missing", path)
		}
	}
}

func TestPostAsksTheSameAsGet(t *testing.T) {
	w := small(t)
	_, byGet := w.answer("GET", "/v1/views/sales/query?measures=revenue&grain=1d&where=country+is+not+null", "")
	response, byPost := w.answer("POST", "/v1/views/sales/query", `{"measures": ["revenue"], "grain": "1d", "where": "country is not null"}`)
	if response.StatusCode != 200 || !bytes.Equal(byGet, byPost) {
		t.Errorf("status %d:\n%s\nwant\n%s", response.StatusCode, byPost, byGet)
	}
	for body, want := range map[string]string{
		`{"measure": ["revenue"]}`:       `did you mean \"measures\"?`,
		`{"measures": "revenue"}`:        `stands where a list of texts is expected`,
		`{"view": "other"}`:              `the body names view`,
		`{`:                              `the body is no JSON query`,
		`{} {}`:                          `the body is no JSON query`,
		strings.Repeat(" ", maxBody+100): `the body has more than`,
	} {
		response, text := w.answer("POST", "/v1/views/sales/query", body)
		if response.StatusCode < 400 || response.StatusCode >= 500 || !strings.Contains(string(text), want) {
			t.Errorf("%.40s: status %d, %s", body, response.StatusCode, text)
		}
	}
}

func TestWrongMethodIsAProblem(t *testing.T) {
	w := small(t)
	response, text := w.answer("DELETE", "/v1/views/sales/query", "")
	if response.StatusCode != 405 || !strings.Contains(string(text), "use GET, HEAD, POST") {
		t.Errorf("status %d: %s", response.StatusCode, text)
	}
}

func TestCancelledQueryEnds(t *testing.T) {
	w := small(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.server.Query(ctx, Query{View: "sales"}); err == nil {
		t.Error("a query whose caller has gone was answered")
	}
}

func TestReadyOnceTheSnapshotsAreLoaded(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.serve()
	if response, _ := w.answer("GET", "/readyz", ""); response.StatusCode != 503 {
		t.Errorf("status %d before a snapshot is loaded", response.StatusCode)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Run(ctx) }()
	deadline := time.After(5 * time.Second)
	for w.server.Ready() != nil {
		select {
		case <-deadline:
			t.Fatal(w.server.Ready())
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Run ended with %v", err)
	}
	if response, _ := w.answer("GET", "/readyz", ""); response.StatusCode != 200 {
		t.Errorf("status %d after", response.StatusCode)
	}
}

func TestPageIsServedWholeAndAsksNobodyElse(t *testing.T) {
	w := small(t)
	want := map[string]string{".html": "text/html", ".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	files, err := pageFiles.ReadDir("page")
	must(t, err)
	for _, file := range files {
		path, want := "/"+strings.TrimPrefix(file.Name(), "index.html"), want[filepath.Ext(file.Name())]
		response, text := w.answer("GET", path, "")
		if response.StatusCode != 200 || want == "" || !strings.Contains(response.Header.Get("Content-Type"), want) {
			t.Errorf("%s: status %d, %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"|https?://[^\s"'<>)]+`).FindAllString(string(text), -1) {
			if strings.Contains(m, "://") && !strings.Contains(m, "www.w3.org") {
				t.Errorf("%s refers to %s", path, m)
			}
		}
	}
	if response, _ := w.answer("GET", "/metrics", ""); response.StatusCode != 200 {
		t.Errorf("/metrics: status %d", response.StatusCode)
	}
	if response, _ := w.answer("GET", "/../server.go", ""); response.StatusCode == 200 {
		t.Error("the page gives away files that are not its own")
	}
}

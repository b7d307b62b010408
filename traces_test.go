package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traceCollector is an OpenTelemetry collector of OTLP over HTTP.
type traceCollector struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	all    []*spans.Span
	raw    strings.Builder
	signal chan struct{} // something came
}

func startCollector(t *testing.T) *traceCollector {
	c := &traceCollector{t: t, signal: make(chan struct{}, 1)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *traceCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var request spans.TracesData // the same as an ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(data, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("%s: %v", r.URL.Path, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(data)
	for _, of := range request.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			c.all = append(c.all, scope.Spans...)
		}
	}
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// named are the spans of a trace by name; of several of a name the first.
func (c *traceCollector) named(trace string) map[string]*spans.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]*spans.Span{}
	for _, s := range c.all {
		if hex.EncodeToString(s.TraceId) == trace && found[s.Name] == nil {
			found[s.Name] = s
		}
	}
	return found
}

// root is the trace of the first span of a name.
func (c *traceCollector) root(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.all, func(s *spans.Span) bool { return s.Name == name })
	if i < 0 {
		return ""
	}
	return hex.EncodeToString(c.all[i].TraceId)
}

// await returns once a trace has spans of all the names.
func (c *traceCollector) await(trace func() string, names ...string) map[string]*spans.Span {
	c.t.Helper()
	late := time.After(patience)
	for {
		found := c.named(trace())
		missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return found[n] != nil })
		if len(missing) == 0 {
			return found
		}
		select {
		case <-c.signal:
		case <-late:
			c.t.Fatalf("trace %q lacks %v", trace(), missing)
		}
	}
}

// TestOneTraceGoesFromTheProducerToTheAnswer follows an event that a client sends, and asks for, within its own trace.
func TestOneTraceGoesFromTheProducerToTheAnswer(t *testing.T) {
	c := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	d := startDev(t)
	defer d.stop()
	running, err := findRunning(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	const trace, client = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	ask := func(method, path, body string) string {
		r, err := http.NewRequest(method, running.HTTP+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("traceparent", "00-"+trace+"-"+client+"-01")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v: %s", path, answer.Status, err, text)
		}
		return string(text)
	}
	ask("POST", "/v1/events/orders", `[{"id": "9", "invoice": "Z", "at": "2026-01-01T09:00:00Z", "country": "Spain-in-secret", "amount": 1.5}]`)
	d.awaitQuery("time,lines,source,exactness\n2026-01-01T00:00:00Z,1,speed,exact\n", "--measures", "lines", "--grain", "1d")
	ask("GET", "/v1/views/sales/query?measures=lines&grain=1d&where=country%3D'Spain-in-secret'", "")
	d.must("batch", "run") // closes the chunk

	found := c.await(func() string { return trace }, "send_events", "speed micro-batch", "speed flush", "archive chunk", "query")
	for child, parent := range map[string]string{"speed micro-batch": "send_events", "archive chunk": "send_events", "speed flush": "speed micro-batch"} {
		if string(found[child].ParentSpanId) != string(found[parent].SpanId) {
			t.Errorf("%s is not within %s", child, parent)
		}
	}
	for _, name := range []string{"send_events", "query"} {
		if hex.EncodeToString(found[name].ParentSpanId) != client {
			t.Errorf("%s is not within what the client named", name)
		}
	}
	c.await(func() string { return c.root("batch run") }, "batch run", "batch begin", "batch cut", "batch wait", "batch compute", "batch publish")

	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	found = c.await(func() string { return c.root("produce") }, "produce", "speed micro-batch")
	if string(found["speed micro-batch"].ParentSpanId) != string(found["produce"].SpanId) {
		t.Error("the micro-batch is not within what was produced")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.Contains(c.raw.String(), "in-secret") {
		t.Error("a value of an event or of a filter is told to the collector")
	}
}

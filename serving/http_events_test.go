package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/ingest"
)

// broker acknowledges what is sent to it when the test says so.
type broker struct {
	mu      sync.Mutex
	stored  []stream.Message
	err     error
	waiting chan struct{} // nil: acknowledges at once; else says here that a request waits
	release chan struct{} // and waits for this
}

func (b *broker) Write(ctx context.Context, messages []stream.Message) error {
	if b.waiting != nil {
		b.waiting <- struct{}{}
		select {
		case <-b.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.stored = append(b.stored, messages...)
	}
	return b.err
}

func (b *broker) Close() error { return nil }

// send posts events of a media type.
func (w *world) send(ctx context.Context, media, body string) (int, Problem, ingest.Receipt) {
	w.t.Helper()
	request := httptest.NewRequestWithContext(ctx, "POST", "/v1/events/orders", strings.NewReader(body))
	request.Header.Set("Content-Type", media)
	recorder := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(recorder, request)
	var p Problem
	var r ingest.Receipt
	if recorder.Code == 200 {
		must(w.t, json.Unmarshal(recorder.Body.Bytes(), &r))
	} else {
		must(w.t, json.Unmarshal(recorder.Body.Bytes(), &p))
	}
	return recorder.Code, p, r
}

func order(n int) string {
	return fmt.Sprintf(`{"placed_at": "2024-03-01T10:00:00Z", "country": null, "product": "P1", "order_no": "o%d", "amount": 1.25}`, n)
}

func TestEventsAreAcceptedOnceTheBrokerHasThem(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.view.Source.EventID = "order_no"
	w.serve()
	for media, body := range map[string]string{
		mediaJSON:  "[" + order(1) + ",\n" + order(2) + "]",
		mediaLines: order(1) + "\r\n\n" + order(2),
	} {
		w.sent.stored = nil
		status, p, r := w.send(t.Context(), media, body)
		if status != 200 || r.Accepted != 2 || !r.Deduplicated || len(w.sent.stored) != 2 {
			t.Fatalf("%s: status %d: %+v %+v", media, status, r, p)
		}
		// The source has no key: repeats of an event id have to meet in one partition.
		for i, m := range w.sent.stored {
			if string(m.Key) != fmt.Sprintf("o%d", i+1) || string(m.Value) != order(i+1) {
				t.Errorf("%s: sent %s: %s", media, m.Key, m.Value)
			}
		}
	}
	if status, _, r := w.send(t.Context(), mediaJSON, order(3)); status != 200 || r.Accepted != 1 {
		t.Errorf("a single object: status %d", status)
	}
	// Nothing is said before the acknowledgement, and a refusal of the broker is none.
	w.sent.waiting, w.sent.release = make(chan struct{}), make(chan struct{})
	done := make(chan int)
	go func() {
		status, _, _ := w.send(t.Context(), mediaJSON, order(4))
		done <- status
	}()
	<-w.sent.waiting
	select {
	case status := <-done:
		t.Fatalf("answered %d before the acknowledgement", status)
	default:
	}
	close(w.sent.release)
	if status := <-done; status != 200 {
		t.Errorf("status %d after it", status)
	}
	w.sent.waiting, w.sent.err = nil, errors.New("not enough replicas")
	status, p, _ := w.send(t.Context(), mediaJSON, order(5))
	if status != http.StatusServiceUnavailable || !strings.Contains(p.Suggestion, "are not counted twice") {
		t.Errorf("refused by the broker: status %d: %+v", status, p)
	}
}

func TestOneBadEventKeepsAllFromBeingSent(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.serve()
	bad := []struct{ event, field, reason string }{
		{`{"placed_at": "yesterday", "product": "P1", "order_no": "o", "amount": 1}`, "placed_at", "unparsable_event_time"},
		{`{"placed_at": "2024-03-01T10:00:00Z", "order_no": "o", "amount": 1}`, "product", "missing_field"},
		{`{"placed_at": "2024-03-01T10:00:00Z", "product": 7, "order_no": "o", "amount": 1}`, "product", "wrong_type"},
		{`{"placed_at": "2024-03-01T10:00:00Z", "product": "P1", "order_no": "o", "amount": 1.001}`, "amount", "out_of_range"},
		{`[]`, "", "not_an_object"},
	}
	body := "[" + order(0)
	for _, b := range bad {
		body += "," + b.event
	}
	status, p, _ := w.send(t.Context(), mediaJSON, body+"]")
	if status != http.StatusUnprocessableEntity || len(p.Errors) != len(bad) || len(w.sent.stored) != 0 {
		t.Fatalf("status %d, %d stored: %+v", status, len(w.sent.stored), p)
	}
	for i, b := range bad {
		e := p.Errors[i]
		if e.Index != i+1 || e.Field != b.field || e.Reason != b.reason || e.Detail == "" || e.Suggestion == "" {
			t.Errorf("%s: %+v", b.event, e)
		}
	}
}

func TestEventsWithArraysNameTheElementThatIsWrong(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.view.Source.Fields = append(w.view.Source.Fields, view.Field{Name: "tags", Type: view.Type{Kind: view.List, Item: view.String}, From: view.Keys("tags"), Nullable: true})
	w.serve()
	with := func(tags string) string { return strings.Replace(order(1), "{", `{"tags": `+tags+`, `, 1) }
	status, p, _ := w.send(t.Context(), mediaJSON, "["+with(`["a", 7]`)+", "+with(`[null]`)+", "+with(`"a"`)+", "+with("[]")+"]")
	if status != http.StatusUnprocessableEntity || len(p.Errors) != 3 {
		t.Fatalf("status %d: %+v", status, p)
	}
	for i, want := range []string{"element 1: the number 7 is no string", "element 0 is null, and it is no array<string?>", `the string "a" is no array<string>`} {
		if e := p.Errors[i]; e.Field != "tags" || e.Detail != want || !strings.Contains(e.Suggestion, `send "tags" as array<string>`) {
			t.Errorf("%+v, want %s", e, want)
		}
	}
	if status, p, r := w.send(t.Context(), mediaJSON, "["+with(`["a", "b"]`)+", "+with("[]")+", "+with("null")+"]"); status != 200 || r.Accepted != 3 {
		t.Errorf("status %d: %+v", status, p)
	}
}

func TestRequestsWithEventsAreBounded(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.serve()
	for what, c := range map[string]struct {
		media, body string
		status      int
	}{
		"bytes":        {mediaJSON, `["` + strings.Repeat("x", ingest.MaxBytes) + `"]`, 413},
		"events":       {mediaLines, strings.Repeat("{}\n", ingest.MaxEvents+1), 413},
		"array":        {mediaJSON, "[" + strings.Repeat("{},", ingest.MaxEvents) + "{}]", 413},
		"broken":       {mediaJSON, `[{"a": 1}`, 400},
		"followed":     {mediaJSON, `[] []`, 400},
		"text":         {mediaJSON, `"events"`, 400},
		"nothing":      {mediaLines, "\n \n", 400},
		"other type":   {"text/csv", "a,b", 415},
		"blank events": {mediaJSON, `[]`, 200},
	} {
		if status, p, _ := w.send(t.Context(), c.media, c.body); status != c.status {
			t.Errorf("%s: status %d, want %d: %+v", what, status, c.status, p)
		}
	}
	for range cap(w.server.intake) {
		w.server.intake <- struct{}{}
	}
	if status, p, _ := w.send(t.Context(), mediaJSON, order(1)); status != 503 || !strings.HasSuffix(p.Type, ":busy") {
		t.Errorf("beyond the requests at once: status %d: %+v", status, p)
	}
	for range cap(w.server.intake) {
		<-w.server.intake
	}
	response, text := w.answer("POST", "/v1/events/order", "[]")
	if response.StatusCode != 404 || !strings.Contains(string(text), `did you mean \"orders\"?`) {
		t.Errorf("unknown source: status %d: %s", response.StatusCode, text)
	}
}

func TestAClientThatGoesEndsItsEvents(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.serve()
	w.sent.waiting = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		status, _, _ := w.send(ctx, mediaJSON, order(1))
		done <- status
	}()
	<-w.sent.waiting
	cancel()
	if status := <-done; status != statusClosed || len(w.server.intake) != 0 {
		t.Errorf("status %d, %d under way", status, len(w.server.intake))
	}
}

package serving

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAQueryBeyondItsLimitsIsAProblemAndNoOutOfMemory(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(1, 2000)...)
	cuts := w.cuts()
	w.publish(cuts)
	w.add(random(2, 50)...)
	w.speed(cuts)
	w.serve()
	const path = "/v1/views/sales/query?dimensions=country,product&grain=1h"
	if got := w.get(path); got.Code != 200 {
		t.Fatalf("status %d: %s", got.Code, got.Body)
	}
	for what, c := range map[string]struct {
		change func(*Config)
		status int
		say    string
	}{
		"cells": {func(c *Config) { c.QueryMemory = 20_000 }, http.StatusUnprocessableEntity, "do not fit into the memory of one query"},
		"time":  {func(c *Config) { c.QueryTimeout = time.Nanosecond }, http.StatusRequestTimeout, "no answer within 1ns"},
	} {
		before := w.server.cfg
		c.change(&w.server.cfg)
		got := w.get(path)
		w.server.cfg = before
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.say) || !strings.Contains(got.Body.String(), "suggestion") {
			t.Errorf("%s: status %d: %s", what, got.Code, got.Body)
		}
	}
	// The database's own limit: it is set anew on the one that holds the results.
	conn, put, err := w.server.store.reader(t.Context())
	must(t, err)
	for kib := 64 << 10; conn.Exec(t.Context(), fmt.Sprintf("SET memory_limit = '%dKiB'", kib)) == nil; kib = kib * 9 / 10 {
		// down to what the results themselves take
	}
	put()
	w.server.store.rows, w.server.derived = newStoredRows(0), newDerivedAnswers() // what was asked before is not answered from memory
	got := w.get(path)
	if got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "of memory that batch results are read with") {
		t.Errorf("DuckDB's memory: status %d: %s", got.Code, got.Body)
	}
}

func TestAClientThatGoesCancelsItsQuery(t *testing.T) {
	w := small(t)
	w.query(Query{})
	w.server.store.rows, w.server.derived = newStoredRows(0), newDerivedAnswers()
	// Every connection to the batch results is taken, so that the query waits.
	var back []func()
	for range cap(w.server.store.readers) {
		_, put, err := w.server.store.reader(t.Context())
		must(t, err)
		back = append(back, put)
	}
	defer func() {
		for _, put := range back {
			put()
		}
	}()
	began, served := make(chan struct{}), make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: rw}
		close(began)
		w.server.Handler().ServeHTTP(seen, r)
		served <- seen.status
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/views/sales/query", nil)
	must(t, err)
	gone := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
		}
		gone <- err
	}()
	<-began
	cancel()
	if err := <-gone; err == nil {
		t.Error("the request was answered")
	}
	if status := <-served; status != statusClosed {
		t.Errorf("the handler ended with %d", status)
	}
}

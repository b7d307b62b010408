package trace

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWithoutACollectorNothingIsToldAndNothingIsAllocated(t *testing.T) {
	for _, set := range []map[string]string{{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}} {
		for _, name := range []string{"OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
			t.Setenv(name, set[name])
		}
		if tracer, err := Open(t.Context(), slog.New(slog.DiscardHandler)); tracer != nil || err != nil {
			t.Errorf("%v: %v, %v", set, tracer, err)
		}
	}
	var off *Tracer
	ctx := context.Background()
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	traces := []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	if n := testing.AllocsPerRun(100, func() {
		inner, end := off.Start(ctx, "step")
		_, take := off.Take(inner, "step", time.Time{}, traces)
		take(nil)
		_, serve := off.Serve(request, "query")
		serve(200)
		end(errors.New("failed"))
	}); n > 1 { // the error
		t.Errorf("%v allocations", n)
	}
	if Parent(ctx) != "" || off.Close() != nil {
		t.Error("there is no trace to carry on")
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			if _, err := Open(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestACollectorThatIsAwayHoldsNothingUp(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	tracer, err := Open(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil || tracer == nil {
		t.Fatal(err)
	}
	ctx, end := tracer.Start(t.Context(), "step")
	if Parent(ctx) == "" {
		t.Error("the trace cannot be carried on")
	}
	end(nil)
	began := time.Now()
	if err := tracer.Close(); err != nil || time.Since(began) > 5*closeTime {
		t.Errorf("closing took %v: %v", time.Since(began), err)
	}
}

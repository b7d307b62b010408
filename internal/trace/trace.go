// Package trace tells an OpenTelemetry collector what was done for an event and for a question, and how long it took: from the producer through the log
// to the answer. It is off, and costs nothing, unless the environment names a collector.
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Header is the name of the W3C header that carries a trace, in HTTP and in records of Kafka.
const Header = "traceparent"

// Most is how many traces of its records a step names: the first is its parent, the others are links.
const Most = 8

// Join appends the traces of more records to those of a step, up to Most.
func Join(traces, more []string) []string {
	return append(traces, more[:min(len(more), Most-len(traces))]...)
}

// Tracer tells of spans. Nil is one that tells nothing, whose methods may be called. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   api.Tracer
}

// Open returns what tells the collector of the environment (OTEL_EXPORTER_OTLP_ENDPOINT and the other standard variables), over OTLP by HTTP; nil where
// it names none, or OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none turns it off. Nothing is sent before the first span has ended.
func Open(ctx context.Context, log *slog.Logger) (*Tracer, error) {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	exporter, err := newExporter(log)
	if err != nil || exporter == nil {
		return nil, err
	}
	// What the environment says of the service wins over its default name.
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "caudal")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read what OTEL_RESOURCE_ATTRIBUTES says: %w", err)
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{provider: p, tracer: p.Tracer("github.com/caudal/caudal")}, nil
}

// closeTime is how long the collector may take for what is left to be told.
const closeTime = 3 * time.Second

// Close tells what is left. That a collector is away is no reason to fail: traces are lost then.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
	return nil
}

// End ends a span; err is how it went wrong, and may be nil. What it says is not told, as it may name values.
type End func(err error)

func nothing(error) {}

// Start begins a span within that of ctx, or a trace. Attributes are pairs of a name and a value, and name no value of an event or of a filter.
func (t *Tracer) Start(ctx context.Context, name string, pairs ...string) (context.Context, End) {
	if t == nil {
		return ctx, nothing
	}
	ctx, span := t.tracer.Start(ctx, name, api.WithAttributes(attributes(pairs)...))
	return ctx, ending(span)
}

// Within is Start for a step that is only worth telling of within a trace.
func (t *Tracer) Within(ctx context.Context, name string, pairs ...string) (context.Context, End) {
	if t == nil || !api.SpanContextFromContext(ctx).IsValid() {
		return ctx, nothing
	}
	return t.Start(ctx, name, pairs...)
}

// Take begins the span of a step that takes in records, of which some carry traces: it belongs to the first and is linked to the others. A step without
// any is not told of. began is when it did.
func (t *Tracer) Take(ctx context.Context, name string, began time.Time, traces []string, pairs ...string) (context.Context, End) {
	if t == nil || len(traces) == 0 {
		return ctx, nothing
	}
	options := []api.SpanStartOption{api.WithAttributes(attributes(pairs)...), api.WithSpanKind(api.SpanKindConsumer), api.WithTimestamp(began)}
	for _, trace := range traces[1:min(len(traces), Most)] {
		if link := api.SpanContextFromContext(remote(context.Background(), trace)); link.IsValid() {
			options = append(options, api.WithLinks(api.Link{SpanContext: link}))
		}
	}
	ctx, span := t.tracer.Start(remote(ctx, traces[0]), name, options...)
	return ctx, ending(span)
}

// Serve begins the span of a request, within the trace that its header names. The returned function ends it with the status of the answer.
func (t *Tracer) Serve(r *http.Request, route string) (*http.Request, func(status int)) {
	if t == nil {
		return r, func(int) {}
	}
	ctx, span := t.tracer.Start(remote(r.Context(), r.Header.Get(Header)), route, api.WithSpanKind(api.SpanKindServer),
		api.WithAttributes(attribute.String("http.route", route), attribute.String("http.request.method", r.Method)))
	return r.WithContext(ctx), func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, strconv.Itoa(status))
		}
		span.End()
	}
}

// Parent is the header that carries ctx's trace on; "" where there is none.
func Parent(ctx context.Context) string {
	if !api.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Header]
}

// remote is ctx within the trace of a header; ctx itself where that is none.
func remote(ctx context.Context, header string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: header})
}

func attributes(pairs []string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, attribute.String(pairs[i], pairs[i+1]))
	}
	return all
}

func ending(span api.Span) End {
	return func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "failed")
		}
		span.End()
	}
}

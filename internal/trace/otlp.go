package trace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// exporter sends spans by OTLP over HTTP, in protobuf. It is our own because OpenTelemetry's links gRPC, which makes the binary 27 MB larger (docs/adr/0030).
type exporter struct {
	client  *http.Client
	address string
	headers map[string]string
	log     *slog.Logger

	mu     sync.Mutex
	failed bool // the last attempt; failures are logged when they begin
}

// setting is a variable of the exporter: that for traces alone wins.
func setting(name string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), os.Getenv("OTEL_EXPORTER_OTLP_"+name))
}

// exportTime is how long the collector may take where the environment does not say.
const exportTime = 10 * time.Second

// newExporter reads the standard variables: endpoint, headers and timeout. Nil: there is no endpoint.
func newExporter(log *slog.Logger) (*exporter, error) {
	address := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); address == "" && base != "" {
		address = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if address == "" {
		return nil, nil
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %q is no http or https URL", address)
	}
	if p := setting("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken: http/protobuf is, on port 4318 as a rule", p)
	}
	e := &exporter{address: address, log: log, headers: map[string]string{}, client: &http.Client{Timeout: exportTime}}
	if text := setting("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT: %q is no number of milliseconds", text)
		}
		e.client.Timeout = time.Duration(ms) * time.Millisecond
	}
	for pair := range strings.SplitSeq(setting("HEADERS"), ",") {
		name, value, ok := strings.Cut(pair, "=")
		if value, err := url.PathUnescape(strings.TrimSpace(value)); ok && err == nil {
			e.headers[strings.TrimSpace(name)] = value
		}
	}
	return e, nil
}

// ExportSpans sends spans. What the collector does not take is lost: traces are worth no memory that events need.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.send(ctx, encode(spans))
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && !e.failed {
		e.log.Warn("traces are lost: the collector does not take them", "error", err)
	}
	e.failed = err != nil
	return nil
}

func (e *exporter) send(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range e.headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection is used again
	if answer.StatusCode >= 300 {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// Shutdown ends the connections.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// encode is an ExportTraceServiceRequest. The numbers are those of opentelemetry/proto/trace/v1/trace.proto. All spans are of one resource and scope.
func encode(spans []sdk.ReadOnlySpan) []byte {
	var resource, scope []byte
	for i, s := range spans {
		if i == 0 {
			for _, a := range s.Resource().Attributes() {
				resource = message(resource, 1, keyValue(a))
			}
			scope = message(nil, 1, text(nil, 1, s.InstrumentationScope().Name))
		}
		scope = message(scope, 2, encodeSpan(s))
	}
	return message(nil, 1, message(message(nil, 1, resource), 2, scope))
}

func encodeSpan(s sdk.ReadOnlySpan) []byte {
	b := ids(nil, s.SpanContext())
	if parent := s.Parent(); parent.HasSpanID() {
		id := parent.SpanID()
		b = message(b, 4, id[:])
	}
	b = text(b, 5, s.Name())
	b = number(b, 6, uint64(s.SpanKind())) // the numbers are the same
	b = fixed(b, 7, s.StartTime())
	b = fixed(b, 8, s.EndTime())
	for _, a := range s.Attributes() {
		b = message(b, 9, keyValue(a))
	}
	for _, l := range s.Links() {
		b = message(b, 13, ids(nil, l.SpanContext))
	}
	if s.Status().Code == codes.Error {
		const failed = 2
		b = message(b, 15, number(text(nil, 2, s.Status().Description), 3, failed))
	}
	return b
}

// ids are the fields that name a span.
func ids(b []byte, c api.SpanContext) []byte {
	trace, span := c.TraceID(), c.SpanID()
	return message(message(b, 1, trace[:]), 2, span[:])
}

func keyValue(a attribute.KeyValue) []byte {
	var value []byte
	if a.Value.Type() == attribute.INT64 {
		value = number(nil, 3, uint64(a.Value.AsInt64()))
	} else {
		value = text(nil, 1, a.Value.String())
	}
	return message(text(nil, 1, string(a.Key)), 2, value)
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func text(b []byte, field protowire.Number, s string) []byte { return message(b, field, []byte(s)) }

func number(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func fixed(b []byte, field protowire.Number, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(protowire.AppendTag(b, field, protowire.Fixed64Type), uint64(t.UnixNano()))
}

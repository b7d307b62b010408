package serving

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caudal/caudal/internal/trace"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the serving layer.
type metrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	partial  *prometheus.CounterVec
	sequence *prometheus.GaugeVec
	scans    prometheus.Gauge
	created  *prometheus.GaugeVec
	requests *prometheus.HistogramVec
	streams  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caudal_serving_queries_total", Help: "Queries by view and HTTP status of the outcome; the view is empty where the query was refused.",
		}, []string{"view", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caudal_serving_query_seconds", Help: "Time that queries took that were answered.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"view"}),
		partial: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caudal_serving_partial_answers_total", Help: "Answers that lacked the speed layer or a part of it.",
		}, []string{"view"}),
		sequence: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "caudal_serving_snapshot_sequence", Help: "Publication number of the snapshot that is served; -1 before the first.",
		}, []string{"view"}),
		scans: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caudal_serving_scans", Help: "Scans of the lake that are under way, for queries with exact=true."}),
		created: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "caudal_serving_snapshot_created_seconds", Help: "When the snapshot that is served was computed, s since the epoch.",
		}, []string{"view"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "caudal_serving_request_seconds", Help: "Time that HTTP requests took, by route and HTTP status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "status"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caudal_serving_streams", Help: "Clients that follow an answer."}),
	}
	for _, c := range []prometheus.Collector{m.queries, m.duration, m.partial, m.sequence, m.scans, m.created, m.requests, m.streams} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(view string, err error, took time.Duration) {
	status := 200
	if err != nil {
		status = 500
		if p := (*Problem)(nil); errors.As(err, &p) {
			status = p.Status
		}
	} else {
		m.duration.WithLabelValues(view).Observe(took.Seconds())
	}
	m.queries.WithLabelValues(view, fmt.Sprint(status)).Inc()
}

// timed notes how long the requests of a route take, and tells of each within the trace that it is part of.
func (m *metrics) timed(route string, tracer *trace.Tracer, serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, end := tracer.Serve(r, route)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		start := time.Now()
		defer func() {
			end(seen.status)
			m.requests.WithLabelValues(route, strconv.Itoa(seen.status)).Observe(time.Since(start).Seconds())
		}()
		serve(seen, r)
	})
}

// statusWriter learns the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush, and set deadlines.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

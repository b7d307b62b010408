package pgwire

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the SQL door.
type metrics struct {
	connections prometheus.Gauge
	accepted    *prometheus.CounterVec
	statements  *prometheus.CounterVec
	duration    prometheus.Histogram
	working     prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caudal_sql_connections", Help: "Clients that are connected by the PostgreSQL protocol."}),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caudal_sql_connections_total", Help: "Connections by the PostgreSQL protocol, by SQLSTATE of what became of them; 00000: let in.",
		}, []string{"state"}),
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caudal_sql_statements_total", Help: "Statements by SQLSTATE; 00000: answered.",
		}, []string{"state"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "caudal_sql_statement_seconds", Help: "Time that statements took that were answered.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}),
		working: prometheus.NewGauge(prometheus.GaugeOpts{Name: "caudal_sql_statements_at_work", Help: "Statements that are under way."}),
	}
}

// register lets the metrics be read at r, too; nil: nowhere.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.connections, m.accepted, m.statements, m.duration, m.working} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register the metrics of SQL: %w", err)
		}
	}
	return nil
}

// observe notes how a statement ended.
func (m *metrics) observe(err error, took time.Duration) {
	if err != nil {
		m.statements.WithLabelValues(explain(err).state).Inc()
		return
	}
	m.statements.WithLabelValues("00000").Inc()
	m.duration.Observe(took.Seconds())
}

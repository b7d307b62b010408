package watch

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of a watcher (docs/operations/metrics.md).
type metrics struct {
	working  prometheus.Gauge
	looks    *prometheus.CounterVec // by alert
	notices  *prometheus.CounterVec // by alert, kind
	waiting  *prometheus.GaugeVec   // by what waits
	lost     *prometheus.GaugeVec   // by alert
	pending  *prometheus.GaugeVec   // by sink
	taken    *prometheus.CounterVec // by sink
	failures *prometheus.CounterVec // by sink
	givenUp  *prometheus.CounterVec // by sink
	emitted  *prometheus.CounterVec // by view, kind
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "caudal_watch_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "caudal_watch_" + name, Help: help}, labels)
	}
	m := &metrics{
		working:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "caudal_watch_working", Help: "1 where this process watches, 0 where it stands by."}),
		looks:    counter("looks_total", "Times that an alert was judged.", "alert"),
		notices:  counter("notices_total", "Notices that alerts gave.", "alert", "kind"),
		waiting:  gauge("waiting", "1 while nothing is judged or emitted, as the answer is partial or none.", "what"),
		lost:     gauge("lost", "Causes of an alert that were not begun, as too many are kept.", "alert"),
		pending:  gauge("pending", "Messages that a sink has not taken yet.", "sink"),
		taken:    counter("taken_total", "Messages that a sink has taken.", "sink"),
		failures: counter("failures_total", "Attempts that a sink did not take.", "sink"),
		givenUp:  counter("given_up_total", "Messages that were put aside in the lake, as a sink did not take them.", "sink"),
		emitted:  counter("emitted_total", "Rows that went to the topic of a view.", "view", "kind"),
	}
	for _, c := range []prometheus.Collector{m.working, m.looks, m.notices, m.waiting, m.lost, m.pending, m.taken, m.failures, m.givenUp, m.emitted} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

package serving

import (
	"context"
	"errors"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/prometheus/client_golang/prometheus"
)

// batchMetrics tell of the last batch run, as its note in the lake says: whoever ran it may have ended.
type batchMetrics struct {
	ended    prometheus.Gauge
	took     prometheus.Gauge
	success  *prometheus.GaugeVec // view
	failed   *prometheus.GaugeVec // view
	computed *prometheus.GaugeVec // view
	events   *prometheus.GaugeVec // view
	changed  *prometheus.GaugeVec // view, cause
}

func newBatchMetrics(r prometheus.Registerer) (*batchMetrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "batch", Name: name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "batch", Name: name, Help: help}, labels)
	}
	m := &batchMetrics{
		ended:    gauge("last_run_timestamp_seconds", "When the last batch run ended, s since the epoch."),
		took:     gauge("last_run_duration_seconds", "Time that the last batch run took."),
		success:  vector("last_success_timestamp_seconds", "When a batch run last published the view, s since the epoch.", "view"),
		failed:   vector("failed", "1 where the last batch run did not publish the view.", "view"),
		computed: vector("compute_seconds", "Time that the last run which published the view computed it.", "view"),
		events:   vector("events", "Events below the cuts of the last run which published the view.", "view"),
		changed:  vector("changed_answers", "Answers that the last publish changed, by the cause that the ledger names.", "view", "cause"),
	}
	for _, c := range []prometheus.Collector{m.ended, m.took, m.success, m.failed, m.computed, m.events, m.changed} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// causes are the classes that are told even where nothing changed for them.
var causes = []ledger.Class{ledger.BatchDedup, ledger.SketchError, ledger.Cardinality, ledger.Coverage, ledger.DefinitionChange, ledger.Erasure, ledger.Unexplained}

// tell takes in a note.
func (m *batchMetrics) tell(note lake.BatchNote) {
	m.ended.Set(seconds(note.Ended))
	m.took.Set(note.Seconds)
	for _, v := range note.Views {
		failed := 0.0
		if v.Failed {
			failed = 1
		}
		m.failed.WithLabelValues(v.View).Set(failed)
		if v.Succeeded.IsZero() {
			continue
		}
		m.success.WithLabelValues(v.View).Set(seconds(v.Succeeded))
		m.computed.WithLabelValues(v.View).Set(v.Seconds)
		m.events.WithLabelValues(v.View).Set(float64(v.Events))
		for _, cause := range causes {
			m.changed.WithLabelValues(v.View, string(cause)).Set(float64(v.Changed[string(cause)]))
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// batchEvery is how often the note of the last batch is read.
const batchEvery = 5 * time.Second

// followBatch keeps the batch metrics current until ctx ends.
func (s *Server) followBatch(ctx context.Context) {
	tick := time.NewTicker(batchEvery)
	defer tick.Stop()
	var failure string
	for {
		note, err := s.cfg.Lake.BatchNote(ctx)
		switch {
		case err == nil:
			s.batches.tell(note)
			failure = ""
		case ctx.Err() != nil || errors.Is(err, lake.ErrNotFound):
		case err.Error() != failure:
			failure = err.Error()
			s.cfg.Logger.Warn("the note of the last batch cannot be read; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

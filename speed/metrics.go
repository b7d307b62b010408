package speed

import (
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the speed layer's, all of them named caudal_speed_…
type metrics struct {
	records    *prometheus.CounterVec // source
	events     *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	late       *prometheus.CounterVec
	dead       *prometheus.CounterVec // source, reason
	cells      *prometheus.GaugeVec   // source
	memory     *prometheus.GaugeVec   // source
	written    *prometheus.CounterVec // source, view
	bytes      *prometheus.CounterVec // source, view, grain
	other      *prometheus.CounterVec // source, view
	deferred   *prometheus.CounterVec // source, view
	evicted    prometheus.Counter
	readBack   *prometheus.CounterVec // source, view
	taken      *prometheus.CounterVec // source, how
	dropped    *prometheus.CounterVec // source, why
	cuts       *prometheus.CounterVec // source, view
	lag        *prometheus.GaugeVec   // source, partition
	lagSeconds *prometheus.GaugeVec   // source, partition
	watermark  *prometheus.GaugeVec   // source, partition
	flush      *prometheus.HistogramVec
	batch      *prometheus.HistogramVec
	errors     *prometheus.CounterVec // source, what
	endToEnd   *prometheus.HistogramVec
	redis      prometheus.Gauge
	redisBytes *prometheus.GaugeVec   // source, view
	asked      *prometheus.CounterVec // cause
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caudal", Subsystem: "speed", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "speed", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "caudal", Subsystem: "speed", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}, []string{"source"})
	}
	m := &metrics{
		records:    counter("records_total", "Records read.", "source"),
		events:     counter("events_total", "Records that were events, duplicates not included.", "source"),
		duplicates: counter("duplicates_total", "Events whose id stood before within the horizon.", "source"),
		late:       counter("late_total", "Events behind the watermark.", "source"),
		dead:       counter("dead_letters_total", "Records that could not be typed, by reason.", "source", "reason"),
		cells:      gauge("cells", "Cells in memory.", "source"),
		memory:     gauge("cell_bytes", "Memory that cells take.", "source"),
		written:    counter("cells_written_total", "Cells written to Redis.", "source", "view"),
		bytes:      counter("cell_bytes_written_total", "Bytes of the cells written to Redis, names and states, by grain.", "source", "view", "grain"),
		other:      counter("other_events_total", "Events counted under __other__, beyond the view's max_values.", "source", "view"),
		deferred:   counter("deferred_events_total", "Events left to the next batch, beyond the project's speed.live_cells.", "source", "view"),
		evicted:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "caudal", Subsystem: "speed", Name: "cells_evicted_total", Help: "Cells dropped from memory to keep the limit."}),
		readBack:   counter("cells_read_back_total", "Cells asked of Redis because memory did not hold them.", "source", "view"),
		taken:      counter("taken_total", "Groups taken, by what was found.", "source", "how"),
		dropped:    counter("dropped_total", "Partitions whose memory was dropped, by why.", "source", "why"),
		cuts:       counter("cuts_total", "Epochs begun by a batch and followed.", "source", "view"),
		lag:        gauge("lag_records", "Records of the log that are not in Redis yet.", "source", "partition"),
		lagSeconds: gauge("lag_seconds", "Time for which the oldest record that is not in Redis yet has waited, at most.", "source", "partition"),
		watermark:  gauge("watermark_seconds", "Event time up to which the partition is complete but for late events, s since the epoch.", "source", "partition"),
		flush:      seconds("flush_seconds", "Time of one flush of all groups of a micro-batch."),
		batch:      seconds("batch_seconds", "Time of one micro-batch, from its first record to its acknowledgement."),
		endToEnd:   seconds("end_to_end_seconds", "Time from a record's timestamp until it could be queried, of a sample of the records."),
		errors:     counter("errors_total", "Failures that are tried again, by what was being done.", "source", "doing"),
		redis:      prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "speed", Name: "redis_memory_share", Help: "Share of Redis' memory that is used, of the fullest node; 0 without a limit."}),
		redisBytes: gauge("redis_bytes", "Memory of Redis that the state of a view takes, of the partitions of this worker; estimated.", "source", "view"),
		asked:      counter("batches_asked_total", "Batches asked for before their time, by cause.", "cause"),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.records, m.events, m.duplicates, m.late, m.dead, m.cells, m.memory, m.written, m.other, m.deferred, m.bytes, m.evicted,
		m.readBack, m.taken, m.dropped, m.cuts, m.lag, m.lagSeconds, m.watermark, m.flush, m.batch, m.errors, m.redis, m.redisBytes, m.endToEnd, m.asked} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// whyDropped are the causes for which a partition is begun anew. They are counted from zero on, as the first of a kind is not seen to rise otherwise.
var whyDropped = []string{"chunk lost", "flush refused", "merge failed", "no boundary", "read failed", "state differs", "state gone", "take failed"}

// sourceMetrics are the metrics of one source, looked up once.
type sourceMetrics struct {
	*metrics
	source                            string
	records, events, duplicates, late prometheus.Counter
	dead                              map[intake.Reason]prometheus.Counter
	flush, batch, endToEnd            prometheus.Observer
}

func (m *metrics) of(source string) *sourceMetrics {
	s := &sourceMetrics{
		metrics: m, source: source,
		records: m.records.WithLabelValues(source), events: m.events.WithLabelValues(source),
		duplicates: m.duplicates.WithLabelValues(source), late: m.late.WithLabelValues(source),
		dead:  map[intake.Reason]prometheus.Counter{},
		flush: m.flush.WithLabelValues(source), batch: m.batch.WithLabelValues(source), endToEnd: m.endToEnd.WithLabelValues(source),
	}
	for _, reason := range intake.Reasons() {
		s.dead[reason] = m.dead.WithLabelValues(source, string(reason))
	}
	for _, why := range whyDropped {
		m.dropped.WithLabelValues(source, why)
	}
	for _, doing := range []string{"flush", "read", "take", "poll redis", "poll current", "measure lag", "commit"} {
		m.errors.WithLabelValues(source, doing)
	}
	return s
}

// tally counts records by their verdicts. Dead letters are counted by reason as they are met.
func (s *sourceMetrics) tally(c live.Counts) {
	s.records.Add(float64(c.Events + c.Duplicates + c.Dead))
	s.events.Add(float64(c.Events))
	s.duplicates.Add(float64(c.Duplicates))
	s.late.Add(float64(c.Late))
}

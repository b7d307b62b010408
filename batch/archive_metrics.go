package batch

import (
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/prometheus/client_golang/prometheus"
)

// archiveMetrics are what an operator watches of the archive.
type archiveMetrics struct {
	records *prometheus.CounterVec // by topic and verdict
	dead    *prometheus.CounterVec // by topic and reason
	chunks  *prometheus.CounterVec // by topic
	bytes   *prometheus.CounterVec // by topic, of files written
	missing *prometheus.CounterVec // by topic: offsets that retention took before they were archived
	errors  *prometheus.CounterVec // by topic: failures that were retried
	next    *prometheus.GaugeVec   // by topic and partition: offset from which the next chunk begins
	// By topic and partition, of what stands in the lake of the topic's life that is archived:
	segments     *prometheus.GaugeVec
	segmentBytes *prometheus.GaugeVec
}

func newArchiveMetrics(to prometheus.Registerer) (*archiveMetrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caudal", Subsystem: "archive", Name: name, Help: help}, labels)
	}
	m := &archiveMetrics{
		records: counter("records_total", "Records archived, by the intake's verdict.", "topic", "verdict"),
		dead:    counter("dead_letters_total", "Records that could not be read, by reason.", "topic", "reason"),
		chunks:  counter("chunks_total", "Chunks committed.", "topic"),
		bytes:   counter("bytes_total", "Bytes of the files of committed chunks.", "topic"),
		missing: counter("missing_records_total", "Offsets that the log's retention took before they were archived: data lost.", "topic"),
		errors:  counter("errors_total", "Failures that were followed by another attempt.", "topic"),
		next: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "archive", Name: "next_offset",
			Help: "Offset up to which the lake holds the log."}, []string{"topic", "partition"}),
		segments: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "archive", Name: "lake_segments",
			Help: "Segments in the lake."}, []string{"topic", "partition"}),
		segmentBytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caudal", Subsystem: "archive", Name: "lake_segment_bytes",
			Help: "Bytes of the segments in the lake."}, []string{"topic", "partition"}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.records, m.dead, m.chunks, m.bytes, m.missing, m.errors, m.next, m.segments, m.segmentBytes} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin counts from zero on what may happen to a topic: the first failure is not seen to rise otherwise.
func (m *archiveMetrics) begin(topic string) {
	m.missing.WithLabelValues(topic)
	m.errors.WithLabelValues(topic)
	for _, reason := range intake.Reasons() {
		m.dead.WithLabelValues(topic, string(reason))
	}
}

// hold adds the segments of chunks that stand in the lake.
func (m *archiveMetrics) hold(topic, partition string, chunks ...lake.Chunk) {
	segments, bytes := m.segments.WithLabelValues(topic, partition), m.segmentBytes.WithLabelValues(topic, partition)
	for _, c := range chunks {
		for _, f := range c.Files {
			if !f.Dead {
				segments.Inc()
				bytes.Add(float64(f.Bytes))
			}
		}
	}
}

// release forgets the segments of a partition.
func (m *archiveMetrics) release(topic, partition string) {
	m.segments.DeleteLabelValues(topic, partition)
	m.segmentBytes.DeleteLabelValues(topic, partition)
}

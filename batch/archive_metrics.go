package batch

import "github.com/prometheus/client_golang/prometheus"

// archiveMetrics are what an operator watches of the archive.
type archiveMetrics struct {
	records *prometheus.CounterVec // by topic and verdict
	dead    *prometheus.CounterVec // by topic and reason
	chunks  *prometheus.CounterVec // by topic
	bytes   *prometheus.CounterVec // by topic, of files written
	missing *prometheus.CounterVec // by topic: offsets that retention took before they were archived
	errors  *prometheus.CounterVec // by topic: failures that were retried
	next    *prometheus.GaugeVec   // by topic and partition: offset from which the next chunk begins
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
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.records, m.dead, m.chunks, m.bytes, m.missing, m.errors, m.next} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

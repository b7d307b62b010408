package speed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkBacklog folds a backlog into four rollups in one process with its broker and its Redis: what remains per event is the whole
// path, fetch to acknowledged flush.
func BenchmarkBacklog(b *testing.B) {
	w := newWorld(b, "per_country", "per_product", "per_user", "per_day")
	n := max(b.N, 200_000)
	w.backlog(n)
	cfg := w.config()
	reg := prometheus.NewRegistry()
	cfg.BatchRecords, cfg.BatchWait, cfg.FlushCells, cfg.Poll, cfg.Metrics = 0, 0, 0, 0, reg
	b.ResetTimer()
	began := time.Now()
	worker, stop := w.start(cfg)
	for {
		var done int64
		for _, h := range w.live.Heads(context.Background(), w.groups()) {
			done += h.Off
		}
		if done == int64(n*len(w.project.Views)) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	b.ReportMetric(float64(n)/took.Seconds(), "events/s")
	b.ReportMetric(sum(worker.metrics.written)/float64(n), "cells/event")
	b.ReportMetric(histogram(worker.metrics.flush)/took.Seconds(), "flush-share")
	stop()
}

func (w *world) backlog(n int) {
	p := w.stream.Producer(w.topic)
	defer p.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	base := time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC).UnixMilli()
	var msgs []stream.Message
	for i := range n {
		now := base + int64(i)/20 // 20,000 events per second of event time
		user := fmt.Sprintf("u%06d", rnd.IntN(100_000))
		msgs = append(msgs, stream.Message{Key: []byte(user), Timestamp: now * 1000, Value: fmt.Appendf(nil,
			`{"id":"o-%012d","at":%d,"user":%q,"country":"C%02d","amount":%d.%02d,"product":"P%05d","channel":"web","note":"a line of an order"}`,
			i, now, user, rnd.IntN(40), 1+rnd.IntN(200), rnd.IntN(100), rnd.IntN(2000))})
		if len(msgs) == 20_000 || i == n-1 {
			w.check(p.Write(context.Background(), msgs))
			msgs = msgs[:0]
		}
	}
}

// histogram is the sum of all that was observed.
func histogram(c prometheus.Collector) (total float64) {
	for _, m := range collect(c) {
		total += m.GetHistogram().GetSampleSum()
	}
	return total
}

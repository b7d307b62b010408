package speed

import (
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// arrivalStride is how many records stand for one of which is told how long it took until it could be queried: few enough that bursts are
// seen, and so many that the telling costs nothing beside the folding.
const arrivalStride = 64

// sample keeps when records came to the log: the first of what was read together, and every arrivalStride-th behind it.
func (s *part) sample(records []stream.Record) {
	for i := 0; i < len(records); i += arrivalStride {
		s.arrivals = append(s.arrivals, records[i].Timestamp)
	}
}

// arrived tells how long the sampled records of a micro-batch took from the log to Redis, once all flushes of it are acknowledged. A partition
// that was dropped meanwhile reads its records again, and they are told of then.
func (s *shift) arrived(b *microBatch, now time.Time) {
	for _, share := range b.parts {
		if !share.p.up() {
			continue
		}
		for _, at := range share.arrivals {
			s.m.endToEnd.Observe(max(0, now.Sub(time.UnixMicro(at)).Seconds()))
		}
	}
}

// lagging tells how far a partition is behind the end of its log, in records and in seconds. It is called beside the loop, with what that
// reported last, so that a loop that hangs is seen to fall behind.
func (w *Worker) lagging(p *partition, end int64, now time.Time) {
	w.status.mu.Lock()
	st, known := w.status.parts[p]
	w.status.mu.Unlock()
	if !known {
		return
	}
	records := max(0, end-st.Offset)
	if records == 0 {
		p.caughtUp = now
	}
	// Whatever is not read came after what was read last, and after the last moment at which nothing was left to read.
	since := p.caughtUp
	if read := time.UnixMicro(st.read); st.read > 0 && read.After(since) {
		since = read
	}
	seconds := 0.0
	if records > 0 && !since.IsZero() {
		seconds = max(0, now.Sub(since).Seconds())
	}
	w.metrics.lag.WithLabelValues(p.lane.src.Name, p.label).Set(float64(records))
	w.metrics.lagSeconds.WithLabelValues(p.lane.src.Name, p.label).Set(seconds)
}

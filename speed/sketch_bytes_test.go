package speed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// bytesByGrain is what was written to Redis by grain, bytes of names and states.
func (m *metrics) bytesByGrain() map[string]float64 {
	all := map[string]float64{}
	for _, v := range collect(m.bytes) {
		for _, l := range v.GetLabel() {
			if l.GetName() == "grain" {
				all[l.GetValue()] += v.GetCounter().GetValue()
			}
		}
	}
	return all
}

// drain folds the log to its end in micro-batches of so many records, and returns the metrics of who did. The log may hold more than was
// produced: a request that timed out is sent again.
func (w *world) drain(records int) *metrics {
	ctx := context.Background()
	var ends int64
	for p := range w.project.Sources[0].Partitions {
		_, next, err := w.stream.Bounds(ctx, w.topic, p)
		w.check(err)
		ends += next
	}
	cfg := w.config()
	cfg.BatchRecords, cfg.BatchWait, cfg.FlushCells, cfg.Memory, cfg.Poll = records, 0, 0, 0, 0
	worker, stop := w.start(cfg)
	for done := int64(0); done < ends*int64(len(w.project.Views)); {
		done = 0
		for _, h := range w.live.Heads(ctx, w.groups()) {
			done += h.Off
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop() // whose error is that its context has ended
	return worker.metrics
}

// sketchBacklog is n orders from a time of one evening on, of so many products and users.
func (w *world) sketchBacklog(from time.Duration, n, products, users, perSecond int) {
	p := w.stream.Producer(w.topic)
	defer p.Close()
	rnd := rand.New(rand.NewPCG(1, uint64(from)))
	base := time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC).Add(from).UnixMilli()
	var msgs []stream.Message
	for i := range n {
		now := base + int64(i)*1000/int64(perSecond)
		user := fmt.Sprintf("u%06d", rnd.IntN(users))
		msgs = append(msgs, stream.Message{Key: []byte(user), Timestamp: now * 1000, Value: fmt.Appendf(nil,
			`{"id":"o-%d-%012d","at":%d,"user":%q,"amount":%d.%02d,"product":"P%05d"}`, from, i, now, user, 1+rnd.IntN(200), rnd.IntN(100), rnd.IntN(products))})
		if len(msgs) == 20_000 || i == n-1 {
			w.check(p.Write(context.Background(), msgs))
			msgs = msgs[:0]
		}
	}
}

// TestSketchCellsAreWrittenInTheSizeOfWhatTheyHold bounds what a flush writes for a cell with sketches: few values cost bytes each, and
// however many there are, a distinct count costs 3 KB (4,096 registers of 6 bits) and a percentile three bytes or so for each of its bins.
func TestSketchCellsAreWrittenInTheSizeOfWhatTheyHold(t *testing.T) {
	const name = 40     // bucket and dimension values
	const fixed = 30    // version, counts, lengths
	const bin = 5       // of a percentile: the key's distance and the count
	const amounts = 270 // bins that amounts between 1 and 200 fall into, at most
	for _, c := range []struct {
		what              string
		records, products int
		perCell           float64
	}{
		// each product is met four times or so: four registers and four bins
		{"sparse", 4_000, 1_000, name + fixed + 12*(3+bin)},
		// each is met thousands of times: the registers are dense
		{"dense", 24_000, 4, name + fixed + 3072 + amounts*bin},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, "sketches")
			w.sketchBacklog(0, c.records, c.products, 100_000, 20_000)
			m := w.drain(1_000)
			cells, bytes := sum(m.written)/3, m.bytesByGrain() // as many of each grain, but for the minute's end
			for grain, n := range bytes {
				if n/cells > c.perCell {
					t.Errorf("%s: %.0f bytes per cell, want at most %.0f", grain, n/cells, c.perCell)
				}
			}
			if len(bytes) != 3 {
				t.Errorf("bytes by grain: %v", bytes)
			}
		})
	}
}

// BenchmarkSketchBytes measures what a view with sketches writes to Redis by grain, for each second of event time, at 20,000 events a second,
// in micro-batches of 50 ms and of 250 ms, once the hour and the day hold so much that their distinct counts are dense; with coarser grains that
// are written with every flush, and with those that are written every five seconds: at the end of five.
func BenchmarkSketchBytes(b *testing.B) {
	const perSecond = 20_000
	for _, c := range []struct {
		products     int
		wait, coarse time.Duration
	}{
		{40, 50 * time.Millisecond, 0}, {40, 250 * time.Millisecond, 0}, {400, 50 * time.Millisecond, 0}, {400, 250 * time.Millisecond, 0},
		{40, 50 * time.Millisecond, 5 * time.Second}, {40, 250 * time.Millisecond, 5 * time.Second},
		{400, 50 * time.Millisecond, 5 * time.Second}, {400, 250 * time.Millisecond, 5 * time.Second},
	} {
		b.Run(fmt.Sprintf("%d cells each %v coarse %v", c.products, c.wait, c.coarse), func(b *testing.B) {
			w := newWorld(b, "sketches")
			warm, n := 3_000*c.products, 200_000
			if c.coarse > 0 {
				n = int(perSecond * c.coarse.Seconds())
				w.project.Speed.CoarseFlush = time.Hour // but for the one at the end
			}
			w.sketchBacklog(0, warm, c.products, 1_000_000, perSecond)
			w.drain(50_000)
			w.sketchBacklog(30*time.Minute, n, c.products, 1_000_000, perSecond)
			b.ResetTimer()
			m := w.drain(int(perSecond * c.wait.Seconds()))
			seconds := float64(n) / perSecond
			b.ReportMetric(sum(m.written)/seconds, "cells/s")
			for grain, n := range m.bytesByGrain() {
				b.ReportMetric(n/1e6/seconds, grain+"-MB/s")
				if c.coarse == 0 {
					b.ReportMetric(n/(sum(m.written)/3), grain+"-B/cell")
				}
			}
		})
	}
}

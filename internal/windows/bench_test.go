package windows

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// BenchmarkHops composes a day of hops of one key that begin every minute, from panes of a minute.
func BenchmarkHops(b *testing.B) {
	p := planOf(b)
	const minute = 60_000_000
	for _, size := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
		h := &view.Hop{Size: size, Every: time.Minute}
		var events []event
		for i := range int64(size/time.Minute) + 1440 {
			events = append(events, event{i * minute, 1})
		}
		panes := panesOf(p, minute, events)
		b.Run(fmt.Sprintf("%d panes a hop", size/time.Minute), func(b *testing.B) {
			rows := 0
			for b.Loop() {
				rows = 0
				if err := Hops(p, h, time.UTC, panes, 0, 1440*minute, func(Row) error { rows++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

// BenchmarkSessions composes the sessions of a key with an event in each minute but every twentieth.
func BenchmarkSessions(b *testing.B) {
	p := planOf(b)
	const minute = 60_000_000
	s := &view.Session{Gap: time.Minute, Max: 12 * time.Hour}
	var events []event
	for i := range int64(1440) {
		if i%20 != 0 {
			events = append(events, event{i * minute, 1})
		}
	}
	panes := panesOf(p, minute, events)
	for b.Loop() {
		if err := Sessions(p, s, panes, math.MinInt64, func(Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(panes)), "ns/pane")
}

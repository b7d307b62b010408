package serving

import (
	"testing"
	"time"
)

// The lateness is ten minutes.
func TestAnIdlePartitionHoldsTheWatermarkBackNoLonger(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.project.Sources[0].Idle = 5 * time.Minute
	w.serve()
	ten := time.Date(2024, 3, 24, 10, 0, 0, 0, time.UTC)
	sale := func(partition, minute int) event {
		return event{partition: partition, product: "P", country: "France", order: "o", pence: 100, at: ten.Add(time.Duration(minute) * time.Minute)}
	}
	expect := func(what, want string) {
		t.Helper()
		w.pass(time.Minute)
		if got := w.query(Query{Measures: []string{"lines"}}).Provenance.Watermark; got != want {
			t.Errorf("%s: the watermark is %s, want %s", what, got, want)
		}
	}
	next := func(e event) {
		before := w.log.ends[e.partition]
		w.add(e)
		w.flush(e.partition, 0, before, w.log.ends[e.partition])
	}
	w.add(sale(0, 0), sale(1, 5))
	w.speed(map[int]int64{0: 0, 1: 0})
	expect("as far behind as is allowed", "2024-03-24T09:50:00Z")
	next(sale(1, 20))
	expect("one has had nothing for twenty minutes", "2024-03-24T10:10:00Z")
	w.log.ends[0]++
	expect("it has something that was not read", "2024-03-24T09:50:00Z")
	w.log.ends[0]--
	next(sale(0, 19))
	expect("it goes on", "2024-03-24T10:09:00Z")
	w.project.Sources[0].Idle = 0
	next(sale(1, 40))
	expect("no partition is idle ever", "2024-03-24T10:09:00Z")
}

package speed

import (
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

func TestLagIsTimedFromTheLastRecordReadOrTheLastMomentWithoutLag(t *testing.T) {
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &partition{number: 3, label: "3", lane: &lane{src: &view.Source{Name: "orders"}}}
	w := &Worker{metrics: m, status: statusBoard{parts: map[*partition]PartitionStatus{}}}
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := func(offset, end int64, read, now time.Time) (records, seconds float64) {
		st := PartitionStatus{Offset: offset}
		if !read.IsZero() {
			st.read = read.UnixMicro()
		}
		w.status.parts[p] = st
		w.lagging(p, end, now)
		return sum(m.lag), sum(m.lagSeconds)
	}
	for _, c := range []struct {
		what             string
		offset, end      int64
		read             time.Duration // after t0; -1: nothing was read yet
		now              time.Duration
		records, seconds float64
	}{
		{"a backlog of which nothing is known", 0, 500, -1, time.Minute, 500, 0},
		{"a backlog, after a restart", 100, 500, 0, time.Minute, 400, 60},
		{"half of it is read", 300, 500, 30 * time.Second, time.Minute, 200, 30},
		{"nothing is left", 500, 500, 50 * time.Second, time.Minute, 0, 0},
		{"one record, after an hour without any", 500, 501, 50 * time.Second, time.Minute + time.Second, 1, 1},
		{"a loop that hangs", 500, 900, 50 * time.Second, 3 * time.Minute, 400, 120},
		{"a producer whose clock is ahead", 600, 900, time.Hour, 3 * time.Minute, 300, 0},
	} {
		read := time.Time{}
		if c.read >= 0 {
			read = t0.Add(c.read)
		}
		if records, seconds := look(c.offset, c.end, read, t0.Add(c.now)); records != c.records || seconds != c.seconds {
			t.Errorf("%s: %v records, %v s, want %v and %v", c.what, records, seconds, c.records, c.seconds)
		}
	}
}

func TestArrivalsAreSampledInEveryFetch(t *testing.T) {
	var share part
	for _, n := range []int{1, 0, arrivalStride, arrivalStride + 1} {
		share.sample(make([]stream.Record, n))
	}
	if len(share.arrivals) != 1+0+1+2 {
		t.Errorf("%d samples", len(share.arrivals))
	}
}

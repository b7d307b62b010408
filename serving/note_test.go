package serving

import (
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

const hourUS = int64(time.Hour / time.Microsecond)

// noted is a question by hour about two days, of which batch has all but the last hours.
func noted(t *testing.T, sources ...source) (*question, *merged, []row) {
	t.Helper()
	w := newWorld(t, viewYAML)
	q, err := resolve(w.project, Query{View: "sales", Measures: []string{"revenue", "orders"}, Grain: "1h"}, everything())
	must(t, err)
	start := instantOf(t, "2024-03-01T00:00")
	rows := make([]row, len(sources))
	for i, from := range sources {
		rows[i] = row{time: start + int64(i)*hourUS, source: from, counts: counts{events: 1}, measures: []algebra.Answer{
			{Value: algebra.Int64Value(100), Exact: true}, {Value: algebra.Int64Value(1000), Exact: from == fromBatch, Bound: 0.008},
		}}
	}
	snap := &snapshot{manifest: w.publish(map[int]int64{}), sequence: 1}
	m := &merged{snap: snap, cells: newCells(w.plan, q, 1<<20), partitions: []partition{{life: 1, number: 0, batch: 10, served: 30, end: 30}}}
	p := &m.partitions[0]
	p.read.served, p.read.meta.Progress.MaxEventTime = live.ServedWhole, start+int64(len(sources)-1)*hourUS+12*60_000_000
	p.read.meta.Progress.MaxTimestamp = start + int64(len(sources))*hourUS
	return q, m, rows
}

func TestTheNoteSaysUntilWhenTheAnswerIsExactAndWhatIsLive(t *testing.T) {
	b, s, x := fromBatch, fromSpeed, fromBoth
	for _, c := range []struct {
		what    string
		sources []source
		change  func(*question, *merged, []row)
		want    string
	}{
		{"a live tail", []source{b, b, x, s, s, s, s, s, s, s}, nil, "Exact until 02:00; the last 7 h 12 min are live, ±0.8 % on orders."},
		{"a live tail of which every number is exact", []source{b, b, x}, func(_ *question, _ *merged, rows []row) { rows[2].measures[1].Exact = true }, "Every number is exact; the last 12 min are live."},
		{"no bound is known", []source{b, x}, func(_ *question, _ *merged, rows []row) { rows[1].measures[1].Bound = 0 }, "Exact until 01:00; the last 12 min are live, orders without a known bound."},
		{"late events in the middle", []source{b, x, b, b}, nil, "1 of 4 rows have live events, ±0.8 % on orders; the rest is exact."},
		{"the first bucket is live too", []source{x, s}, nil, "The last 1 h 12 min are live, ±0.8 % on orders."},
		{"all from batch", []source{b, b}, nil, "All from batch snapshot 000001-run1. Every number is exact."},
		{"all live", []source{s, s}, nil, "All live: no batch result holds any of it yet. Approximate: ±0.8 % on orders, the rest exact."},
		{"nothing", nil, nil, "No event matches."},
		{"a layer is missing", []source{b, s}, func(_ *question, m *merged, _ []row) { m.reason = "Redis is away" }, "Partial: Redis is away. Exact until 01:00; the last 12 min are live, ±0.8 % on orders."},
		{"the speed layer lags", []source{b, s}, func(_ *question, m *merged, _ []row) { m.partitions[0].end = 1234 }, "Exact until 01:00; the last 12 min are live, ±0.8 % on orders. 1,204 more records are in the log and not in the answer yet."},
		{"another day", append(make([]source, 0, 30), b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, s, s, s), nil, "Exact until 2024-03-01 22:00; the last 2 h 12 min are live, ±0.8 % on orders."},
	} {
		t.Run(c.what, func(t *testing.T) {
			q, m, rows := noted(t, c.sources...)
			if c.change != nil {
				c.change(q, m, rows)
			}
			if got := provenance(q, m, rows, time.Now()).Note; got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestProvenanceSaysWhatIsApproximateAndHowFreshItIs(t *testing.T) {
	q, m, rows := noted(t, fromBatch, fromBoth, fromSpeed)
	newest := time.UnixMicro(m.partitions[0].read.meta.Progress.MaxTimestamp)
	p := provenance(q, m, rows, newest.Add(1500*time.Millisecond))
	if l := p.Live; l == nil || l.Events != 20 || *l.AgeSeconds != 1.5 || l.From != "2024-03-01T01:00:00Z" || l.Newest != "2024-03-01T03:00:00Z" {
		t.Errorf("live: %+v", p.Live)
	}
	if len(p.Approximate) != 1 || p.Approximate[0].Measure != "orders" || p.Approximate[0].Rows != 2 || *p.Approximate[0].Bound != 0.008 {
		t.Errorf("approximate: %+v", p.Approximate)
	}
	q.asOf = "x"
	if p := provenance(q, m, rows, newest); p.Live != nil || strings.Contains(p.Note, "live") {
		t.Errorf("as of a snapshot: %+v, %s", p.Live, p.Note)
	}
}

func TestLengthsOfTimeAreReadable(t *testing.T) {
	for us, want := range map[int64]string{0: "0 s", 59_400_000: "59 s", 60_000_000: "1 min", 61_000_000: "1 min 1 s", 7*hourUS + 12*60_000_000: "7 h 12 min", 24 * hourUS: "1 d", 49 * hourUS: "2 d 1 h", 24*hourUS + 1_000_000: "1 d"} {
		if got := lengthOf(us); got != want {
			t.Errorf("%d µs are %s, want %s", us, got, want)
		}
	}
}

package speed

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// heads are the metas of a view's groups.
func (w *world) heads() (all []live.Meta) {
	for _, h := range w.live.Heads(context.Background(), w.groups()) {
		w.check(h.Err)
		all = append(all, h.Meta)
	}
	return all
}

func TestCoarserGrainsAreFlushedSeldom(t *testing.T) {
	w := newWorld(t, "sketches")
	w.project.Speed.CoarseFlush, w.lags = time.Hour, true
	w.sketchBacklog(0, 20_000, 40, 100_000, 20_000)
	m := w.drain(1_000) // twenty flushes of the finest grain, and one of the others: when the worker ends
	bytes := m.bytesByGrain()
	if bytes["1m"] == 0 || bytes["1h"] == 0 || bytes["1h"] > bytes["1m"]/3 || bytes["1d"] > bytes["1m"]/3 {
		t.Errorf("bytes by grain: %v", bytes)
	}
	for _, h := range w.heads() {
		if h.Coarse != h.Off {
			t.Errorf("the worker ended with its coarser grains at %d of %d", h.Coarse, h.Off)
		}
	}
}

func TestPendingCellsAreBoundedByWhatOneFlushMayWrite(t *testing.T) {
	w := newWorld(t, "sketches")
	w.project.Speed.CoarseFlush, w.lags = time.Hour, true
	cfg := w.config()
	cfg.FlushCells, cfg.BatchRecords, cfg.Memory = 60, 100, 1<<30
	_, stop := w.start(cfg)
	w.sketchBacklog(0, 4_000, 200, 1_000, 20_000)
	reached := func() bool {
		off := int64(0)
		for _, h := range w.heads() {
			off += h.Off
		}
		return off >= 4_000
	}
	for deadline := time.Now().Add(20 * time.Second); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not flushed")
		}
	}
	for _, h := range w.heads() {
		if h.Coarse < h.Off/2 {
			t.Errorf("the coarser grains stand at %d of %d, with more pending than one flush may write", h.Coarse, h.Off)
		}
	}
	stop()
}

func TestWhatIsReadAgainGoesOnlyIntoTheCoarserGrains(t *testing.T) {
	w := newWorld(t, "people")
	w.project.Speed.CoarseFlush, w.lags = time.Hour, true
	rnd := rand.New(rand.NewPCG(21, 21))
	var crash fuse
	cfg := w.config()
	cfg.Steps = crash.step
	w.produce(rnd, 500)
	worker, stop := w.start(cfg)
	w.await()
	crash.light(1)
	w.produceOnly(rnd, 1)
	for deadline := time.Now().Add(20 * time.Second); worker.Status().Trouble == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the worker has not crashed")
		}
	}
	stop()
	w.readLog()
	before := w.heads()
	for _, h := range before {
		if h.Off > 0 && h.Coarse != 0 {
			t.Fatalf("nothing is pending: %+v", h)
		}
	}
	v := w.project.Views[0]
	w.cut(v, "never", false)
	_, stop = w.start(w.config())
	w.produce(rnd, 300)
	w.await()
	stop()
	w.lags = false
	w.await()
	for i, h := range w.heads() {
		if h.Counts.Events <= before[i].Counts.Events || h.Coarse != h.Off || len(h.Starts) != 2 {
			t.Errorf("%+v came of %+v", h, before[i])
		}
	}
}

func TestOffsetsThatCannotBeReadAgainAreStatedAsMissing(t *testing.T) {
	w := newWorld(t, "sketches")
	for _, c := range []struct {
		m    mark
		want [][2]int64
	}{
		{mark{offset: 19, gone: 5}, [][2]int64{{15, 20}}},
		{mark{offset: 11, gone: 8}, [][2]int64{{10, 12}}},  // below 10 the coarser grains have them
		{mark{offset: 39, gone: 15}, [][2]int64{{25, 30}}}, // from 30 on nobody has read them: they are the finest grain's, too
		{mark{offset: 22, gone: 2}, nil},                   // the finest grain passed over them as well
		{mark{offset: 17}, nil},
	} {
		g := newGroup(w.group(w.project.Views[0], 0), w.plans["sketches"], w.project.Speed)
		g.inst, g.token, g.off, g.coarse.at, g.coarse.starts = "i", "t", 30, 10, []int64{0}
		g.gaps.ranges, g.gaps.written = [][2]int64{{20, 24}}, true
		g.lose([]mark{c.m})
		have := slices.DeleteFunc(slices.Clone(g.gaps.ranges), func(r [2]int64) bool { return r == [2]int64{20, 24} })
		stated := len(g.coarseFlush().Chunks) == 1
		if c.want == nil && (len(have) > 0 || stated) || c.want != nil && (g.counts.Missing != c.want[0][1]-c.want[0][0] || !stated) {
			t.Errorf("%+v: %v, %d missing, stated %v; want %v", c.m, g.gaps.ranges, g.counts.Missing, stated, c.want)
		}
	}
}

func TestSpansGoAcrossNoBound(t *testing.T) {
	s := &part{}
	for _, off := range []int64{3, 4, 5, 9, 10, 11, 12, 20, 21} {
		s.marks = append(s.marks, mark{offset: off})
	}
	for _, c := range []struct {
		from   int64
		bounds []int64
		n      int
		want   []span
	}{
		{0, nil, 1, []span{{0, 9}}},
		{4, nil, 2, []span{{1, 5}, {5, 9}}},
		{0, []int64{5, 11}, 1, []span{{0, 2}, {2, 5}, {5, 9}}},
		{0, []int64{7, 8, 30}, 1, []span{{0, 3}, {3, 9}}},
		{0, []int64{5, 11}, 3, []span{{0, 2}, {2, 5}, {5, 8}, {8, 9}}},
		{21, []int64{21}, 1, []span{{8, 9}}},
		{22, []int64{25}, 1, nil},
	} {
		if got := s.spans(c.from, c.bounds, c.n, nil); !slices.Equal(got, c.want) {
			t.Errorf("from %d, bounds %v, %d parts: %v, want %v", c.from, c.bounds, c.n, got, c.want)
		}
	}
}

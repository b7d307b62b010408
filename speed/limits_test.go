package speed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// epoch is what Redis holds of one epoch of a group, as of one offset.
type epoch struct {
	start, end int64
	cells      map[string]map[int64]map[string]string // by grain, bucket and key, as world.fold writes them
	limited    *live.Limited
}

const otherKey = algebra.OtherText

// epochs reads all epochs of a group from the boundary of CURRENT on.
func (w *world) epochs(v *view.View, p int) ([]epoch, live.Meta, error) {
	ctx := context.Background()
	from := w.boundaries(v)[p]
	limits, err := w.live.Limits(ctx, w.group(v, p), from, true)
	if err != nil || limits.Served != live.ServedWhole {
		return nil, live.Meta{}, fmt.Errorf("not served: %s, %w", limits.Served, err)
	}
	var all []epoch
	starts := slices.DeleteFunc(slices.Clone(limits.Meta.Starts), func(s int64) bool { return s < from })
	for i, start := range starts {
		e := epoch{start: start, end: limits.Meta.Off, cells: map[string]map[int64]map[string]string{}, limited: limits.Epochs[start]}
		if i+1 < len(starts) {
			e.end = starts[i+1]
		}
		if e.limited == nil {
			e.limited = &live.Limited{}
		}
		all = append(all, e)
	}
	for _, grain := range v.Grains {
		reply, err := w.live.Read(ctx, w.group(v, p), live.ReadRequest{V: from, Grain: grain.Name, MinChunk: -1 << 40, MaxChunk: 1 << 40})
		if err != nil {
			return nil, live.Meta{}, err
		}
		if reply.Meta.Inst != limits.Meta.Inst || reply.Meta.Off != limits.Meta.Off || len(reply.Meta.Starts) != len(limits.Meta.Starts) {
			return nil, live.Meta{}, errors.New("moved on while it was read")
		}
		for _, c := range reply.Chunks {
			e := &all[slices.Index(starts, c.ID.Start)]
			w.cellsOf(v, grain.Name, c, e)
		}
	}
	return all, limits.Meta, nil
}

func (w *world) cellsOf(v *view.View, grain string, c live.ReadChunk, into *epoch) {
	plan := w.plans[v.Name]
	for i := range c.Cells.Fields {
		bucket, name, err := live.SplitField(c.Cells.Fields[i])
		w.check(err)
		dims, err := algebra.DecodeKey(name)
		w.check(err)
		key := dims[0].Text()
		switch {
		case dims[0].IsOther():
			key = otherKey
		case dims[0].IsNull():
			key = "null"
		}
		s := plan.New()
		w.check(plan.Decode(c.Cells.Values[i], s))
		text := fmt.Sprintf("events=%d late=%d", s.Events(), s.Late())
		for k, m := range v.Measures {
			text += fmt.Sprintf(" %s=%s", m.Name, plan.Final(s, k).Value)
		}
		if into.cells[grain] == nil {
			into.cells[grain] = map[int64]map[string]string{}
		}
		if into.cells[grain][bucket] == nil {
			into.cells[grain][bucket] = map[string]string{}
		}
		into.cells[grain][bucket][key] = text
	}
}

// numbers are the events, late ones and cents of a cell's text.
func numbers(text string) (n [3]int64) {
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		i := slices.Index([]string{"events", "late", "revenue"}, name)
		if name == "spent" {
			i = 2
		}
		if i >= 0 {
			n[i], _ = strconv.ParseInt(strings.Replace(value, ".", "", 1), 10, 64) // of the form that world.fold writes
		}
	}
	return n
}

func plus(a, b [3]int64) [3]int64 { return [3]int64{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }

// checkLimits compares the epochs of a group with the naive fold of their records: every value by itself is right or is not there; all of
// them with `__other__` add up in each bucket; what was left to the batch is stated.
func (w *world) checkLimits(v *view.View, p int) error {
	all, meta, err := w.epochs(v, p)
	if err != nil {
		return err
	}
	for i, e := range all {
		if err := w.checkEpoch(v, p, &e, meta, i+1 == len(all)); err != nil {
			w.t.Fatalf("%s of partition %d, records [%d, %d): %v", v.Name, p, e.start, e.end, err)
		}
	}
	return nil
}

func (w *world) checkEpoch(v *view.View, p int, e *epoch, meta live.Meta, newest bool) error {
	want := w.fold(map[int]int64{p: e.start, 1 - p: 0}, map[int]int64{p: e.end})
	left := int64(0)
	for _, r := range e.limited.Deferred {
		left += r.Events
	}
	known := map[string]bool{}
	cells := 0
	for _, grain := range v.Grains {
		sums, wanted := map[int64][3]int64{}, map[int64][3]int64{}
		for bucket, keys := range e.cells[grain.Name] {
			cells += len(keys)
			for key, text := range keys {
				sums[bucket] = plus(sums[bucket], numbers(text))
				lacking := lacks(e.limited.Deferred, bucket, grain.Next(bucket, v.Location))
				if key == otherKey {
					continue
				}
				if key != "null" {
					known[key] = true
				}
				name := fmt.Sprintf("%s %s %s [%s]", v.Name, grain.Name, time.UnixMicro(bucket).UTC().Format(time.RFC3339), key)
				if !lacking && text != want[name] {
					return fmt.Errorf("%s is %s, the naive fold says %s", name, text, want[name])
				}
			}
		}
		for name, text := range want {
			if of, ok := strings.CutPrefix(name, v.Name+" "+grain.Name+" "); ok {
				at, err := time.Parse(time.RFC3339, strings.Fields(of)[0])
				w.check(err)
				wanted[at.UnixMicro()] = plus(wanted[at.UnixMicro()], numbers(text))
			}
		}
		var sum, total [3]int64
		for bucket, n := range wanted {
			if sums[bucket] != n && !lacks(e.limited.Deferred, bucket, grain.Next(bucket, v.Location)) {
				return fmt.Errorf("%s at %d adds up to %v, the naive fold says %v", grain.Name, bucket, sums[bucket], n)
			}
			sum, total = plus(sum, sums[bucket]), plus(total, n)
			delete(sums, bucket)
		}
		if len(sums) > 0 {
			return fmt.Errorf("%s has the buckets %v, which the naive fold has not", grain.Name, sums)
		}
		if sum[0]+left != total[0] {
			return fmt.Errorf("%s has %d events and lacks %d, the naive fold has %d", grain.Name, sum[0], left, total[0])
		}
	}
	if v.MaxValues > 0 && len(known) > v.MaxValues {
		return fmt.Errorf("it knows %d values, more than %d", len(known), v.MaxValues)
	}
	if limit := w.project.Speed.LiveCells; cells > limit {
		return fmt.Errorf("it has %d cells, more than %d", cells, limit)
	}
	if newest && len(meta.Starts) == 1 && meta.Counts.Deferred != left {
		return fmt.Errorf("its counts have %d deferred events, its ranges %d", meta.Counts.Deferred, left)
	}
	return nil
}

func lacks(ranges []live.Deferred, from, to int64) bool {
	return slices.ContainsFunc(ranges, func(r live.Deferred) bool { return r.From < to && r.To > from })
}

// limitedWorld has two views by text, with tiny limits.
func limitedWorld(t *testing.T, maxValues, liveCells int) *world {
	w := newWorld(t, "sales", "users")
	for _, v := range w.project.Views {
		v.MaxValues = maxValues
	}
	w.project.Speed.LiveCells = liveCells
	return w
}

// settled waits until the limits hold for the whole log, and checks them on the way.
func (w *world) settled() {
	w.t.Helper()
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		last = nil
		for _, v := range w.project.Views {
			if _, _, err := w.lake.Current(context.Background(), v.Name, v.Hash); err != nil {
				last = err
				continue
			}
			for p := range 2 {
				if err := w.checkLimits(v, p); err != nil {
					last = err
					continue
				}
				if head := w.live.Heads(context.Background(), []live.Group{w.group(v, p)})[0]; head.Off != int64(len(w.sent[p])) {
					last = fmt.Errorf("%s of partition %d is at %d of %d", v.Name, p, head.Off, len(w.sent[p]))
				}
			}
		}
		if last == nil {
			return
		}
	}
	w.t.Fatal(last)
}

func TestValuesBeyondTheLimitGoToOther(t *testing.T) {
	w := limitedWorld(t, 20, 1<<30)
	rnd := rand.New(rand.NewPCG(21, 21))
	w.produce(rnd, 2000)
	worker, _ := w.start(w.config())
	w.settled()
	if n := sum(worker.metrics.other); n == 0 {
		t.Error("nothing went to __other__")
	}
	if n := sum(worker.metrics.deferred); n != 0 {
		t.Errorf("%v events were left to the batch", n)
	}
	if head := w.live.Heads(t.Context(), []live.Group{w.group(w.project.Views[1], 0)})[0]; head.Counts.Other == 0 {
		t.Errorf("the meta's counts are %+v", head.Counts)
	}
}

func TestCellsBeyondTheLimitAreLeftToTheBatch(t *testing.T) {
	w := limitedWorld(t, 0, 150)
	rnd := rand.New(rand.NewPCG(22, 22))
	w.produce(rnd, 2000)
	cfg := w.config()
	cfg.Memory = 1 // so that chunks are evicted of which Redis has nothing
	worker, _ := w.start(cfg)
	for range 3 {
		w.settled()
		w.produce(rnd, 300)
	}
	w.settled()
	before := sum(worker.metrics.deferred)
	if before == 0 {
		t.Error("nothing was left to the batch")
	}
	for _, v := range w.project.Views {
		w.cut(v, "run", false) // the next epoch has room again, and lacks only what is its own
	}
	w.produce(rnd, 2000)
	w.settled()
	if n := sum(worker.metrics.deferred); n <= before {
		t.Error("nothing was left to the batch by the second epoch")
	}
	if n := sum(worker.metrics.dropped); n != 0 {
		t.Errorf("memory was dropped %v times", n)
	}
	for asked := false; !asked; time.Sleep(time.Millisecond) {
		asks, err := w.lake.BatchAsked(t.Context())
		w.check(err)
		asked = len(asks) == 2 && asks[0].Cause == "live_cells" && asks[0].View == "sales" && asks[1].View == "users"
	}
}

func TestCellsThatAreReadBackCountOnce(t *testing.T) {
	w := limitedWorld(t, 0, 1<<30)
	rnd := rand.New(rand.NewPCG(25, 25))
	w.produce(rnd, 4000)
	_, stop := w.start(w.config())
	w.settled()
	most := 0
	for _, v := range w.project.Views {
		for p := range 2 {
			all, _, err := w.epochs(v, p)
			w.check(err)
			cells := 0
			for _, buckets := range all[0].cells {
				for _, keys := range buckets {
					cells += len(keys)
				}
			}
			most = max(most, cells)
		}
	}
	stop()
	w.redis.FlushAll()
	w.project.Speed.LiveCells = most
	cfg := w.config()
	cfg.Memory = 1
	worker, _ := w.start(cfg)
	w.settled()
	if read, left := sum(worker.metrics.readBack), sum(worker.metrics.deferred); read == 0 || left != 0 {
		t.Errorf("%v cells were read back, %v events left to the batch though all %d cells have room", read, left, most)
	}
}

// TestLimitsHoldWhateverCrashes has random streams, tiny limits and random limits of memory, crashes, cuts and a Redis that forgets.
func TestLimitsHoldWhateverCrashes(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 23))
			w := limitedWorld(t, 1+rnd.IntN(40), []int{60, 200, 1 << 30}[rnd.IntN(3)])
			var crash fuse
			cfg := w.config()
			cfg.Steps = crash.step
			w.produce(rnd, 300)
			_, stop := w.start(cfg)
			w.settled()
			for i := range 30 {
				v := w.project.Views[rnd.IntN(len(w.project.Views))]
				switch rnd.IntN(7) {
				case 0, 1:
					w.produce(rnd, 50+rnd.IntN(300))
				case 2:
					w.cut(v, fmt.Sprintf("run%d", i), rnd.IntN(2) == 0)
				case 3:
					crash.light(1 + rnd.IntN(25))
				case 4:
					stop()
					cfg.Memory = []int64{1, 20_000, 1 << 20}[rnd.IntN(3)]
					cfg.FlushCells = 10 + rnd.IntN(200)
					cfg.BatchRecords = 20 + rnd.IntN(400)
					_, stop = w.start(cfg)
				case 5:
					if rnd.IntN(3) == 0 {
						w.redis.FlushAll()
					}
				case 6:
					time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
				}
				for _, v := range w.project.Views {
					for p := range 2 {
						_ = w.checkLimits(v, p) // what is not served now is no failure; what is wrong fails the test
					}
				}
			}
			crash.light(0)
			stop()
			_, stop = w.start(cfg)
			w.settled()
			stop()
		})
	}
}

func TestRangesOfEventTimeAreJoinedAndBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(24, 24))
	for _, spread := range []int64{30, 5000, 1 << 40} {
		var d deferred
		lacking, events := map[int64]bool{}, int64(0)
		for range 3000 {
			from := (rnd.Int64N(2*spread) - spread) * 60
			n := rnd.Int64N(3)
			d.add(live.Deferred{From: from, To: from + 60, Events: n})
			lacking[from], events = true, events+n
		}
		exact := spread < 5000
		covered, stated := int64(0), int64(0)
		for i, r := range d.ranges {
			if r.From >= r.To || i > 0 && r.From <= d.ranges[i-1].To {
				t.Fatalf("spread %d: range %d is %+v", spread, i, d.ranges[max(0, i-1):i+1])
			}
			covered, stated = covered+(r.To-r.From)/60, stated+r.Events
		}
		for from := range lacking {
			if !lacks(d.ranges, from, from+60) {
				t.Errorf("spread %d: the range from %d is not noted", spread, from)
			}
		}
		if stated != events || len(d.ranges) > deferredRanges || exact && covered != int64(len(lacking)) {
			t.Errorf("spread %d: %d ranges cover %d buckets with %d events; %d buckets with %d were given", spread, len(d.ranges), covered, stated, len(lacking), events)
		}
	}
}

func TestAChunkThatRedisNeverHadIsNewAfterItsEviction(t *testing.T) {
	w := newWorld(t, "sales")
	g := newGroup(w.group(w.project.Views[0], 0), w.plans["sales"], view.Speed{LiveCells: 1})
	for _, exists := range []bool{false, true} {
		k := chunkKey{0, 7}
		g.chunk(k, 1).exists = exists
		g.evict(k)
		if c := g.chunk(k, 2); c.exists != exists || c.complete == exists {
			t.Errorf("a chunk that was written (%v) comes back as %+v", exists, c)
		}
		g.forget()
	}
}

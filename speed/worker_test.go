package speed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
)

func TestCellsEqualTheNaiveFold(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	w.produce(rnd, 3000)
	worker, stop := w.start(w.config())
	w.await()
	for range 3 {
		w.produce(rnd, 500)
		w.await()
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
	if n := len(worker.Status().Partitions); n != 0 {
		t.Errorf("%d partitions are on the board of a worker that has ended", n)
	}
}

func TestCellsEqualTheNaiveFoldOnRealServices(t *testing.T) {
	topic := "speed-" + randomID()
	testservices.LeaveNoTopic(t, topic)
	testservices.LeaveNoKeys(t, "shop/"+topic)
	w := newWorldOn(t, testservices.Kafka(t), testservices.Redis(t), topic)
	rnd := rand.New(rand.NewPCG(11, 11))
	w.produce(rnd, 3000)
	_, stop := w.start(w.config())
	w.await()
	for i, v := range w.project.Views {
		w.cut(v, "run", i != 0)
	}
	w.produce(rnd, 2000)
	stop()
	w.start(w.config())
	w.await()
}

func TestACutMovesNoRecordAcrossIt(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(2, 2))
	w.produce(rnd, 1000)
	w.start(w.config())
	w.await()
	old := map[string]map[int]int64{}
	for _, v := range w.project.Views {
		old[v.Name] = w.boundaries(v)
	}
	for i := range 4 {
		// A cut in the middle of a stream of flushes, of views one after the other.
		var wg sync.WaitGroup
		wg.Go(func() { w.produceOnly(rnd, 2000) })
		for _, v := range w.project.Views {
			w.cut(v, fmt.Sprintf("run%d", i), true)
		}
		wg.Wait()
		w.readLog()
		w.await()
	}
	for _, v := range w.project.Views { // a reader that keeps the first snapshot
		got, to, err := w.served(v, old[v.Name])
		if err != nil {
			t.Fatal(err)
		}
		if d := w.difference(v, old[v.Name], to, got); d != "" {
			t.Error(d)
		}
	}
}

func TestAFollowedCutReadsNothingBackAndDropsNothing(t *testing.T) {
	w := newWorld(t, "sales")
	rnd := rand.New(rand.NewPCG(3, 3))
	w.produce(rnd, 1000)
	worker, _ := w.start(w.config())
	w.await()
	w.cut(w.project.Views[0], "run", true)
	w.produce(rnd, 1000)
	w.await()
	if n := sum(worker.metrics.dropped); n != 0 {
		t.Errorf("%v partitions were dropped", n)
	}
	if n := sum(worker.metrics.readBack); n != 0 {
		t.Errorf("%v cells were read back", n)
	}
	if n := sum(worker.metrics.cuts); n != 2 {
		t.Errorf("%v cuts were followed in 2 partitions", n)
	}
}

func TestALostRedisIsRebuiltFromTheBoundary(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(4, 4))
	w.produce(rnd, 1500)
	w.start(w.config())
	w.await()
	for _, v := range w.project.Views[:1] {
		w.cut(v, "run", true)
	}
	w.redis.FlushAll() // idle: only the poll can see it
	w.await()
	w.redis.FlushAll()
	w.produce(rnd, 500)
	w.await()
}

func TestARedisThatIsAwayIsWaitedFor(t *testing.T) {
	w := newWorld(t, "sales")
	rnd := rand.New(rand.NewPCG(10, 10))
	addr := w.redis.Addr()
	w.redis.Close()
	w.produce(rnd, 500)
	worker, _ := w.start(w.config())
	for worker.Status().Trouble == "" {
		time.Sleep(time.Millisecond)
	}
	if worker.Status().Ready() {
		t.Error("ready without a Redis")
	}
	for range 2 {
		redis, err := embedded.StartRedis(addr)
		w.check(err)
		w.await()
		for !worker.Status().Ready() {
			time.Sleep(time.Millisecond)
		}
		redis.Close()
		w.produce(rnd, 500)
	}
	redis, err := embedded.StartRedis(addr)
	w.check(err)
	t.Cleanup(func() { redis.Close() })
	w.await()
	for {
		s := worker.Status().Partitions
		done := len(s) == 2
		for _, p := range s {
			n := int64(len(w.sent[p.Partition]))
			if p.Offset > n || p.End > n || p.Lag > n || len(p.Views) != 1 {
				t.Fatalf("status is %+v", p)
			}
			done = done && p.Served && p.Offset == n && p.End == n && p.Lag == 0
		}
		if done {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestCountsAndWatermarkFollowTheLog(t *testing.T) {
	w := newWorld(t, "sales")
	w.produce(rand.New(rand.NewPCG(13, 13)), 1000)
	worker, stop := w.start(w.config())
	w.await()
	var got live.Counts
	for p, h := range w.live.Heads(context.Background(), w.groups()) {
		got.Add(h.Counts)
		fold := w.intake(p)
		if h.Progress != fold.Progress() {
			t.Errorf("progress of partition %d is %+v, not %+v", p, h.Progress, fold.Progress())
		}
	}
	want := w.counts
	if got != want {
		t.Errorf("counts are %+v, not %+v", got, want)
	}
	if n := sum(worker.metrics.records); n != 1000 {
		t.Errorf("%v records are counted", n)
	}
	if n := int64(sum(worker.metrics.dead)); n != want.Dead {
		t.Errorf("%v dead letters are counted, not %d", n, want.Dead)
	}
	stop()
}

func TestAnIdlePartitionHealsAfterARollback(t *testing.T) {
	w := newWorld(t, "sales")
	v := w.project.Views[0]
	rnd := rand.New(rand.NewPCG(5, 5))
	w.produce(rnd, 1000)
	w.start(w.config())
	w.await()
	ctx := context.Background()
	first, _, err := w.lake.Current(ctx, v.Name, v.Hash)
	w.check(err)
	w.cut(v, "run", true)
	for p := range 2 { // the epoch that the rollback would need is gone
		b := w.boundaries(v)[p]
		if dropped, ok, err := w.live.Drop(ctx, w.group(v, p), b, b); len(dropped) != 1 || !ok || err != nil {
			t.Fatal(dropped, ok, err)
		}
	}
	_, tag, err := w.lake.Current(ctx, v.Name, v.Hash)
	w.check(err)
	_, _, err = w.lake.Rollback(ctx, v.Name, v.Hash, first.ID, tag)
	w.check(err)
	w.await()
}

func TestEvictedCellsAreReadBack(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(6, 6))
	cfg := w.config()
	cfg.Memory = 1 // nothing outlives its micro-batch
	w.produce(rnd, 2000)
	worker, _ := w.start(cfg)
	w.await()
	w.produce(rnd, 1000)
	w.await()
	if n := sum(worker.metrics.readBack); n == 0 {
		t.Error("nothing was read back")
	}
	if n := sum(worker.metrics.cells); n != 0 {
		t.Errorf("%v cells are in memory", n)
	}
}

func TestFlushesAreSplitBelowTheLimit(t *testing.T) {
	w := newWorld(t, "users")
	rnd := rand.New(rand.NewPCG(7, 7))
	cfg := w.config()
	cfg.FlushCells = 7
	w.produce(rnd, 1500)
	w.start(cfg)
	w.await()
}

func TestTwoOwnersOfAPartitionNeverCountTwice(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(8, 8))
	w.produce(rnd, 1000)
	cfg := w.config()
	w.start(cfg)
	zombie := cfg
	zombie.ConsumerGroup = "zombies" // a group of its own: it believes to own all partitions too
	_, stop := w.start(zombie)
	for range 6 {
		w.produce(rnd, 300)
		until := time.Now().Add(100 * time.Millisecond)
		for time.Now().Before(until) {
			w.compare() // fails where an answer is wrong
		}
	}
	stop()
	w.await()
}

func TestAWorkerThatIsStoppedFinishesItsFlush(t *testing.T) {
	w := newWorld(t, "sales")
	w.produce(rand.New(rand.NewPCG(9, 9)), 300)
	cfg := w.config()
	cfg.BatchRecords = 1000
	flushing := make(chan struct{})
	resume := make(chan struct{})
	var once sync.Once
	cfg.Steps = func(step string) error {
		if step == "before flush" {
			once.Do(func() { close(flushing); <-resume })
		}
		return nil
	}
	_, stop := w.start(cfg)
	<-flushing
	ended := make(chan error)
	go func() { ended <- stop() }()
	time.Sleep(20 * time.Millisecond) // so that the context has ended; the flush must not depend on it
	close(resume)
	<-ended
	off := int64(0)
	for _, h := range w.live.Heads(context.Background(), w.groups()) {
		off += h.Off
	}
	if off == 0 {
		t.Error("the flush in hand was given up")
	}
}

// TestAnyCrash is the metamorphic one: whatever happens in whatever order, what is served is right at every moment, and in the end
// everything is served.
func TestAnyCrash(t *testing.T) {
	first, seeds := uint64(0), uint64(3)
	if text := os.Getenv("CAUDAL_SEEDS"); text != "" { // "from-count", for longer runs
		if _, err := fmt.Sscanf(text, "%d-%d", &first, &seeds); err != nil {
			t.Fatal(err)
		}
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { anyCrash(t, seed) })
	}
}

func anyCrash(t *testing.T, seed uint64) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(seed, 77))
	lag := func(i int) {
		w.project.Speed.CoarseFlush = []time.Duration{time.Hour, 0, 5 * time.Millisecond, 80 * time.Millisecond}[i]
		w.lags = i != 1
	}
	lag(int(seed % 4))
	var crash fuse
	cfg := w.config()
	cfg.Steps = crash.step
	w.produce(rnd, 300)
	_, stop := w.start(cfg)
	for i := range 40 {
		v := w.project.Views[rnd.IntN(len(w.project.Views))]
		switch rnd.IntN(9) {
		case 0, 1, 2:
			w.produce(rnd, 50+rnd.IntN(300))
		case 3:
			w.cut(v, fmt.Sprintf("run%d", i), true)
		case 4:
			w.cut(v, fmt.Sprintf("run%d", i), false) // a batch that never published
		case 5:
			crash.light(1 + rnd.IntN(25))
		case 6:
			stop() // also after a crash
			lag(rnd.IntN(4))
			cfg.Memory = []int64{1, 20_000, 1 << 20}[rnd.IntN(3)]
			cfg.FlushCells = 10 + rnd.IntN(200)
			cfg.BatchRecords = 20 + rnd.IntN(400)
			_, stop = w.start(cfg)
		case 7:
			if rnd.IntN(3) == 0 {
				w.redis.FlushAll()
			}
		case 8:
			time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		}
		w.compare()
	}
	crash.light(0)
	stop()
	lag(1)
	_, stop = w.start(cfg)
	w.await()
	stop()
}

// cut begins an epoch in every partition of a view and, if it is to, publishes the snapshot that ends there.
func (w *world) cut(v *view.View, run string, publish bool) {
	w.t.Helper()
	cuts := map[int]lake.Cut{}
	for p := range 2 {
		off, at, ok, err := w.live.Cut(context.Background(), w.group(v, p))
		w.check(err)
		if ok {
			cuts[p] = lake.Cut{Offset: off, Progress: at}
		}
	}
	if !publish {
		return
	}
	m, _, err := w.lake.Current(context.Background(), v.Name, v.Hash)
	if errors.Is(err, lake.ErrNotFound) {
		return
	}
	w.check(err)
	for p, c := range cuts {
		if c.Offset < m.Cuts[p].Offset {
			return // Redis has been lost and is behind: such a run publishes nothing
		}
	}
	w.publish(v, run, cuts)
}

func TestLoopsShareThePartitionsOfASource(t *testing.T) {
	for _, loops := range []int{1, 2, 5} {
		var all []int
		for loop := range loops {
			mine := (&lane{loop: loop, loops: loops}).share([]int{7, 3, 5, 0})
			if len(mine) > (4+loops-1)/loops {
				t.Errorf("of %d loops number %d has %v", loops, loop, mine)
			}
			all = append(all, mine...)
		}
		slices.Sort(all)
		if !slices.Equal(all, []int{0, 3, 5, 7}) {
			t.Errorf("%d loops have %v together", loops, all)
		}
	}
}

func TestTheMetricsOfMemoryAreOfAllLoops(t *testing.T) {
	w := newWorld(t, "sales")
	w.produce(rand.New(rand.NewPCG(17, 17)), 1000)
	cfg := w.config()
	cfg.Loops = 2
	worker, stop := w.start(cfg)
	w.await()
	held := func() (cells int) {
		for _, p := range worker.Status().Partitions {
			for _, v := range p.Views {
				cells += v.Cells
			}
		}
		return cells
	}
	for deadline := time.Now().Add(20 * time.Second); held() == 0 || sum(worker.metrics.cells) != float64(held()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v cells are said to be in memory, and %d are", sum(worker.metrics.cells), held())
		}
	}
	stop()
	if n := sum(worker.metrics.cells); n != 0 {
		t.Errorf("%v cells are said to be in memory after the end", n)
	}
}

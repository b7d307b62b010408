// Package seamtest proves the seam: it runs all roles of a small project over an embedded broker, an embedded Redis and a lake in a
// folder, steps them by their hooks, injects faults, and compares every answer with a naive fold over the log.
//
// Scripts in the domain's words are in testdata, with a page about the words; the metamorphic test makes its own plans from a seed.
package seamtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// World is a small shop with everything that it runs on, in the process.
type World struct {
	t       testing.TB
	ctx     context.Context
	current atomic.Pointer[view.Project] // what the project's files hold now
	// projects are the shop with each definition of sales, by its name
	projects map[string]*view.Project
	log      *slog.Logger

	broker *embedded.Broker // nil where the brokers are others
	topics testservices.Topics
	redis  *embedded.Redis // nil: a real one
	gate   *gate
	stream *stream.Client
	live   *live.Redis // without the gate: what Redis really holds
	base   lake.Store  // without faults
	lake   *lake.Lake  // over base
	stores map[string]*faulty

	server  *serving.Server
	runner  *batch.Runner
	skew    atomic.Int64 // added to the serving layer's clock, ns
	losses  atomic.Int64 // times that Redis lost something
	workers map[string]*worker
	keepers map[string]*keeper
	batches *stepper
	lags    bool // the worker that was started last flushes the coarser grains seldom

	estimates estimates

	erasures []string // the customer of each erasure, in order

	mu   sync.Mutex
	logs map[logOf]*naive
	tail map[logOf]*stream.Reader
	life int // that the topic is in
	of   int // partitions of it
	most map[servedOf]int64
	gone map[logOf][][2]int64 // offsets that retention took and the lake may not have had

	takenIDs map[string]bool          // of those records
	clocks   map[string]time.Duration // how far the clock of a process is off
}

const topic = "orders"

// NewWorld starts the services of the shop, and nothing of ours.
func NewWorld(t testing.TB, partitions int, both bool) *World {
	t.Helper()
	redis, err := embedded.StartRedis("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	w := newWorldOn(t, partitions, both, redis.Addr())
	w.redis = redis
	return w
}

// newWorldOn is NewWorld over a Redis that runs already.
func newWorldOn(t testing.TB, partitions int, both bool, redis string) *World {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	w := newWorldOver(t, partitions, both, redis, broker.Addrs())
	w.broker = broker
	return w
}

// newWorldOver is newWorldOn over brokers that run already; the topic is made anew.
func newWorldOver(t testing.TB, partitions int, both bool, redis string, brokers []string) *World {
	t.Helper()
	w := &World{t: t, ctx: t.Context(), stores: map[string]*faulty{}, workers: map[string]*worker{}, keepers: map[string]*keeper{},
		batches: &stepper{}, logs: map[logOf]*naive{}, tail: map[logOf]*stream.Reader{}, most: map[servedOf]int64{}, gone: map[logOf][][2]int64{},
		takenIDs: map[string]bool{}, clocks: map[string]time.Duration{}}
	w.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("CAUDAL_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	w.check(w.defineAll(partitions, both))
	w.gate, err = openGate(redis)
	w.check(err)
	t.Cleanup(func() { w.gate.close() })
	w.stream = w.dialKafka(brokers)
	w.topics = testservices.Topics{Brokers: brokers}
	w.live = w.dialRedis(redis)
	w.base, err = lake.Open(w.ctx, t.TempDir(), lake.Options{NoSync: true})
	w.check(err)
	w.lake = lake.New(w.base)
	w.check(w.freshTopic(partitions))
	w.begin(1, partitions)
	w.serve()
	w.runner, err = w.newRunner()
	w.check(err)
	t.Cleanup(w.end)
	return w
}

func (w *World) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) dialKafka(addrs []string) *stream.Client {
	c, err := stream.Connect(stream.Config{Brokers: addrs, HeartbeatInterval: 50 * time.Millisecond, SessionTimeout: time.Second,
		OnError: func(err error) { w.log.Warn("kafka", "error", err) }})
	w.check(err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *World) dialRedis(addr string) *live.Redis {
	r, err := live.Connect(live.Config{Addrs: []string{addr}, Timeout: 2 * time.Second})
	w.check(err)
	w.t.Cleanup(func() { r.Close() })
	return r
}

// lakeOf is the lake as one process sees it, with what it remembers and with the faults that are meant for it.
func (w *World) lakeOf(process string) *lake.Lake {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stores[process] == nil {
		w.stores[process] = newFaulty(w.base)
	}
	return lake.New(w.stores[process])
}

func (w *World) store(process string) *faulty {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stores[process] == nil {
		w.stores[process] = newFaulty(w.base)
	}
	return w.stores[process]
}

// serve makes the serving layer, with a clock of its own: who moves it on makes the next query look at CURRENT and at the log's ends.
func (w *World) serve() {
	var err error
	w.server, err = serving.New(serving.Config{
		Project: w.project(), Lake: w.lakeOf("serving"), Live: w.dialRedis(w.gate.addr()), Stream: w.stream, Logger: w.log,
		Engine: engine.Options{Threads: 1, MemoryLimit: "256MB"}, CacheDir: w.t.TempDir(),
		Clock: func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) },
	})
	w.check(err)
}

// end stops whatever still runs.
func (w *World) end() {
	w.gate.set(false)
	for _, s := range w.stores {
		s.calm()
	}
	var all sync.WaitGroup
	for _, r := range w.workers {
		r.steps.calm()
		all.Go(func() { r.stop() })
	}
	for _, k := range w.keepers {
		k.steps.calm()
		all.Go(func() { k.stop() })
	}
	w.batches.calm()
	all.Wait()
	w.check(w.server.Close())
}

// view returns a view by its name.
func (w *World) view(name string) *view.View {
	i := slices.IndexFunc(w.project().Views, func(v *view.View) bool { return v.Name == name })
	if i < 0 {
		w.t.Fatalf("the shop has no view %q", name)
	}
	return w.project().Views[i]
}

func (w *World) group(v *view.View, p int) live.Group {
	return live.Group{Project: w.project().Name, Topic: topic, Incarnation: w.inLife(), Partition: p, View: v.Name, Hash: v.Hash}
}

// ends are the offsets after the logs' last records.
func (w *World) ends() (map[int]int64, error) {
	ends := map[int]int64{}
	for p := range w.partitions() {
		_, next, err := w.stream.Bounds(w.ctx, topic, p)
		if err != nil {
			return nil, err
		}
		ends[p] = next
	}
	return ends, nil
}

// batch runs the batch layer with the given run id. A crash leaves its lock, and so
// does a fault of the lake; it is freed as time would.
func (w *World) batch(o batch.RunOptions) (batch.Report, error) {
	report, err := w.runner.Run(w.ctx, o)
	return report, w.unlockAfter(err)
}

// unlockAfter frees the lock after an error that left it.
func (w *World) unlockAfter(err error) error {
	if errors.Is(err, errCrash) || errors.Is(err, lake.ErrLocked) {
		return errors.Join(err, w.unlock())
	}
	return err
}

func (w *World) rollback(viewName, snapshot string) error {
	_, err := w.runner.Rollback(w.ctx, viewName, snapshot)
	return err
}

func (w *World) newRunner() (*batch.Runner, error) {
	return batch.NewRunner(batch.Config{
		Project: w.project(), Stream: w.stream, Lake: w.lakeOf("batch"), Live: w.dialRedis(w.gate.addr()), Logger: w.log, TempDir: w.t.TempDir(),
		Engine: engine.Options{Threads: 1, TempDir: w.t.TempDir()}, Owner: "seamtest",
		Clock: w.clockOf("batch"), LockTTL: 10 * time.Second,
		Steps: func(step string) error {
			if step == "before-ask" {
				w.closeChunks()
			}
			return w.batches.step(step)
		},
	})
}

// closeChunks asks the archives that run to close what they have read, as they would by themselves within a second.
func (w *World) closeChunks() {
	ends, err := w.ends()
	if err != nil {
		return // the archive finds the wish in the lake, a little later
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.keepers {
		k.archive.Close(topic, ends)
	}
}

// unlock frees the lock that a crashed run left, as time would.
func (w *World) unlock() error {
	return w.base.Delete(w.ctx, "locks/batch-"+w.project().Name+".json")
}

// until waits for a condition that other goroutines bring about, and says in the end why it did not hold.
func (w *World) until(what string, holds func() error) error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := holds()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not come about: %w", what, err)
		}
		select {
		case <-time.After(3 * time.Millisecond):
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		}
	}
}

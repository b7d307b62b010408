package seamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/serving"
)

// Tally is what a metamorphic run did.
type Tally struct {
	Events, Queries, Refused, Partial int
	Scans, Past                       int // of Queries: of the lake itself, and as of a snapshot
	Faults                            map[string]int
}

func (t *Tally) add(o Tally) {
	t.Events, t.Queries, t.Refused, t.Partial = t.Events+o.Events, t.Queries+o.Queries, t.Refused+o.Refused, t.Partial+o.Partial
	t.Scans, t.Past = t.Scans+o.Scans, t.Past+o.Past
	for k, n := range o.Faults {
		t.Faults[k] += n
	}
}

// String is one line.
func (t Tally) String() string {
	var faults []string
	for _, k := range slices.Sorted(maps.Keys(t.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", k, t.Faults[k]))
	}
	return fmt.Sprintf("events %d, faults %s, queries compared %d (%d partial, %d scans of the lake, %d as of a snapshot, %d refused), lost 0, double 0", t.Events, strings.Join(faults, ", "), t.Queries, t.Partial, t.Scans, t.Past, t.Refused)
}

// chaos is one metamorphic run: a world, a stream of orders and a random plan, all from a seed.
type chaos struct {
	*World
	seed     uint64
	kinds    Kinds
	random   *rand.Rand
	shopper  *shopper
	producer *stream.Producer

	history []string
	tally   Tally // guarded by mu, as is history
	guard   sync.Mutex
	wrong   error

	batching sync.WaitGroup
	began    time.Time
	busy     chan struct{} // holds a token while a batch runs
	runs     int
	unfinish string // id of a run that crashed
	zombies  int
	replica  embedded.Contents // what a replica of Redis holds that stopped following; nil: none did
}

// Chaos plays a plan of so many moves, heals the world, and compares everything in the end. It fails the test with the seed and the
// history of the plan where an answer is wrong, or where the world does not heal.
func Chaos(t testing.TB, seed uint64, moves int, kinds Kinds) Tally {
	c := &chaos{World: NewWorld(t, 2, true), seed: seed, kinds: kinds, random: rand.New(rand.NewPCG(seed, 4)), busy: make(chan struct{}, 1)}
	c.tally.Faults, c.began = map[string]int{}, time.Now()
	c.shopper = newShopper(rand.New(rand.NewPCG(seed, 5)))
	c.limits()
	c.producer = c.stream.Producer(topic)
	defer func() { c.producer.Close() }()
	c.must(c.startWorker("a", "", c.pace()))
	c.must(c.startArchive("x", "", 0))
	watching, stop := context.WithCancel(t.Context())
	var watched sync.WaitGroup
	watched.Go(func() { c.watch(watching, rand.New(rand.NewPCG(seed, 6))) })
	defer watched.Wait()
	defer stop()
	plan := c.plan()
	for range moves {
		plan[c.random.IntN(len(plan))]()
		f := c.random.Float64() // mostly short pauses, so that moves meet in the middle of things, and some that let things end
		time.Sleep(time.Duration(f * f * f * float64(120*time.Millisecond)))
		c.must(c.failure())
	}
	stop()
	watched.Wait()
	c.must(c.failure())
	c.heal()
	for _, s := range c.stores {
		for fault, n := range s.counted() {
			c.tally.Faults["lake "+string(fault)] += n
		}
	}
	return c.tally
}

// limits gives half of the worlds tiny limits, of which the rules of `__other__` and of what is left to the batch hold.
func (c *chaos) limits() {
	if c.seed%2 == 0 {
		return
	}
	maxValues, liveCells := 1+c.random.IntN(6), []int{0, 60, 250}[c.random.IntN(3)]
	c.limit(maxValues, liveCells)
	c.shopper.countries[5] = algebra.OtherText // a country like any
	c.note("", "at most %d values, and %d cells (0: any number)", maxValues, liveCells)
}

// must fails the test with the plan so far.
func (c *chaos) must(err error) {
	c.t.Helper()
	if err == nil {
		return
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	c.t.Fatalf("seed %d, after %d moves: %v\n%s", c.seed, len(c.history), err, strings.Join(c.history, "\n"))
}

func (c *chaos) note(fault, format string, args ...any) {
	c.guard.Lock()
	defer c.guard.Unlock()
	c.history = append(c.history, fmt.Sprintf("%6.3f ", time.Since(c.began).Seconds())+fmt.Sprintf(format, args...))
	if fault != "" {
		c.tally.Faults[fault]++
	}
}

// fail remembers the first wrong answer.
func (c *chaos) fail(err error) {
	c.guard.Lock()
	defer c.guard.Unlock()
	if c.wrong == nil && err != nil {
		c.history = append(c.history, "WRONG "+err.Error())
		c.wrong = err
	}
}

func (c *chaos) failure() error {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.wrong
}

// Kinds are the moves of a plan that not every plan has.
type Kinds struct {
	Topic bool // its topic is created again, gets partitions, loses records to retention; clocks jump
	Lag   bool // workers flush the coarser grains seldom
}

// plan lists the moves; those that are listed more often are made more often.
func (c *chaos) plan() []func() {
	moves := []func(){
		c.produce, c.produce, c.produce, c.produce, c.produce,
		c.query, c.query, c.query, c.query, c.query,
		c.crashWorker, c.crashWorker, c.restartWorker, c.secondWorker, c.zombie, c.zombie,
		c.crashArchive, c.restartArchive, c.zombieArchive,
		c.batch, c.batch, c.batch, c.rollback, c.replay, c.replay, c.replay,
		c.redisHiccup, c.redisHiccup, c.redisAway, c.redisLoses, c.redisFallsBehind, c.redisFallsBehind, c.redisRefuses, c.brokerHangsUp, c.brokerFails,
		c.lakeFault, c.lakeFault, c.lakeFault,
	}
	if c.kinds.Topic {
		moves = append(moves, c.recreateTopic, c.addPartition, c.retention, c.retention, c.retention, c.clockJumps, c.clockJumps)
	}
	return moves
}

func (c *chaos) pace() pace {
	p := pace{records: 20 + c.random.IntN(400), cells: 10 + c.random.IntN(200), memory: []int64{1, 20_000, 1 << 20}[c.random.IntN(3)]}
	if c.kinds.Lag {
		p.coarse = []time.Duration{0, 5 * time.Millisecond, 100 * time.Millisecond, time.Hour}[c.random.IntN(4)]
	}
	return p
}

func (c *chaos) produce() {
	n := 20 + c.random.IntN(200)
	c.note("", "produce %d", n)
	c.tally.Events += n
	c.must(c.producer.Write(c.ctx, c.shopper.orders(n)))
}

func (c *chaos) query() { c.queryBy(c.random) }

// queryBy asks something. An answer may be refused while a service is away, but never be wrong.
func (c *chaos) queryBy(random *rand.Rand) {
	q := serving.Query{View: "sales", Grain: []string{"1m", "1h", "1d", ""}[random.IntN(4)], Limit: 1_000_000}
	if random.IntN(2) == 0 {
		q.Dimensions = []string{"country"}
	}
	if random.IntN(4) == 0 {
		q = serving.Query{View: "people", Grain: []string{"1d", ""}[random.IntN(2)]}
	}
	if q.View == "sales" && random.IntN(4) == 0 {
		q.Grain, q.Window = "", []string{"last_3h", "last_5m", "visits"}[random.IntN(3)]
		if q.Window == "visits" {
			q.Dimensions = nil // those of the session
		}
	}
	switch random.IntN(20) {
	case 0:
		c.scanned(&q, random)
	case 1:
		c.past(&q, random)
	}
	r, err := c.ask(q, random.IntN(2) == 0)
	c.guard.Lock()
	switch {
	case err == nil:
		c.tally.Queries++
		switch {
		case r.Provenance.Partial:
			c.tally.Partial++
		case q.Exact:
			c.tally.Scans++
		case q.AsOf != "":
			c.tally.Past++
		}
	case !errors.Is(err, errWrong):
		c.tally.Refused++
	}
	c.guard.Unlock()
	if errors.Is(err, errWrong) {
		c.fail(err)
	}
}

// watch asks all the time, beside the plan.
func (c *chaos) watch(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil && c.failure() == nil {
		c.queryBy(random)
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
	}
}

// worker returns one that runs; those that have died are started again first.
func (c *chaos) anyWorker() (string, *worker) {
	for _, name := range slices.Sorted(maps.Keys(c.workers)) {
		r := c.workers[name]
		select {
		case <-r.ended:
			c.note("", "worker %s had ended (%v) and is started again", name, r.err)
			delete(c.workers, name)
		default:
		}
	}
	if c.workers["a"] == nil {
		c.must(c.startWorker("a", "", c.pace()))
	}
	names := slices.Sorted(maps.Keys(c.workers))
	name := names[c.random.IntN(len(names))]
	return name, c.workers[name]
}

func (c *chaos) crashWorker() {
	name, r := c.anyWorker()
	n := 1 + c.random.IntN(20)
	c.note("speed crash", "worker %s crashes %d steps on", name, n)
	r.steps.light(n)
}

func (c *chaos) restartWorker() {
	name, r := c.anyWorker()
	c.note("speed restart", "worker %s is stopped", name)
	r.steps.calm()
	r.stop()
	delete(c.workers, name)
	c.anyWorker()
}

func (c *chaos) secondWorker() {
	c.anyWorker()
	if r := c.workers["b"]; r != nil {
		c.note("rebalance", "worker b leaves")
		r.steps.calm()
		r.stop()
		delete(c.workers, "b")
		return
	}
	c.note("rebalance", "worker b joins")
	c.must(c.startWorker("b", "", c.pace()))
}

// zombie freezes a worker that believes that it owns all partitions, wakes it, or ends it.
func (c *chaos) zombie() {
	c.anyWorker()
	r := c.workers["zombie"]
	switch {
	case r == nil:
		c.zombies++
		step := []string{"take", "query", "before flush", "after flush", "poll", "before coarse flush", "after coarse flush"}[c.random.IntN(7)]
		c.note("zombie", "a zombie appears, to freeze at %q", step)
		c.must(c.startWorker("zombie", fmt.Sprintf("zombies-%d", c.zombies), c.pace()))
		c.workers["zombie"].steps.hold(step)
	case c.random.IntN(3) > 0:
		c.note("", "the zombie wakes")
		r.steps.wake()
	default:
		c.note("", "the zombie ends")
		r.steps.calm()
		r.stop()
		delete(c.workers, "zombie")
	}
}

func (c *chaos) crashArchive() {
	n := 1 + c.random.IntN(6)
	c.note("archive crash", "the archive crashes %d steps on", n)
	c.keepers["x"].steps.light(n)
	c.closeChunks()
}

func (c *chaos) restartArchive() {
	c.note("archive restart", "the archive is started again")
	c.keepers["x"].steps.calm()
	c.must(c.stopArchive("x"))
	c.must(c.startArchive("x", "", []int{0, 50, 300}[c.random.IntN(3)]))
}

// zombieArchive freezes an archive that believes that it owns all partitions, or wakes and ends it.
func (c *chaos) zombieArchive() {
	if z := c.keepers["zombie"]; z != nil {
		c.note("", "the zombie of the archive wakes")
		z.steps.wake()
		if c.random.IntN(2) == 0 {
			c.must(c.stopArchive("zombie"))
		}
		return
	}
	c.zombies++
	step := []string{"before-intent", "after-intent", "before-commit", "after-commit"}[c.random.IntN(4)]
	c.note("zombie archive", "a zombie of the archive appears, to freeze at %s", step)
	c.must(c.startArchive("zombie", fmt.Sprintf("zombies-%d", c.zombies), 50))
	c.keepers["zombie"].steps.hold(step)
}

// batch starts a run, beside what follows, unless one runs.
func (c *chaos) batch() {
	select {
	case c.busy <- struct{}{}:
	default:
		return
	}
	c.runs++
	o := batch.RunOptions{RunID: fmt.Sprintf("r%d", c.runs), Full: c.random.IntN(4) == 0}
	if c.unfinish != "" && c.random.IntN(2) == 0 {
		o.RunID = c.unfinish
	}
	c.unfinish = ""
	if c.random.IntN(2) == 0 {
		o.Now = time.Now().Add(2 * time.Hour) // when no run that broke off is waited for
	}
	fuse := 0
	if c.random.IntN(2) == 0 {
		fuse = 1 + c.random.IntN(16)
	}
	c.note("", "batch %s begins, full %v, fuse %d", o.RunID, o.Full, fuse)
	c.batches.light(fuse)
	if c.random.IntN(3) == 0 {
		c.batches.crash("after-cut") // leaves an epoch behind that some later run may merge
	}
	c.batching.Go(func() {
		c.carryOut(o)
		<-c.busy
	})
}

func (c *chaos) carryOut(o batch.RunOptions) {
	report, err := c.World.batch(o)
	fault := ""
	if errors.Is(err, errCrash) {
		fault = "batch crash"
	}
	if err != nil {
		c.unfinish = o.RunID
	}
	c.note(fault, "batch %s ends: %v", o.RunID, err)
	for _, v := range report.Views {
		if v.Snapshot != "" {
			c.note("", "  %s: %s below %v", v.View, v.Snapshot, v.Cuts)
		}
		if v.Merged > 0 {
			c.note("epochs merged", "  %s: %d epochs merged", v.View, v.Merged)
		}
		if v.Unexplained > 0 {
			c.fail(fmt.Errorf("%w: the ledger of %s has %d answers that changed and nobody knows why", errWrong, v.Snapshot, v.Unexplained))
		}
	}
}

func (c *chaos) rollback() {
	v, err := c.answering(c.project().Views[c.random.IntN(len(c.project().Views))].Name)
	if err != nil || v == nil {
		return
	}
	all, current, err := c.lake.Snapshots(c.ctx, v.Name, v.Hash)
	if err != nil || len(all) < 2 {
		return
	}
	to := all[c.random.IntN(len(all))].ID
	if to == current.Snapshot {
		return
	}
	err = c.World.rollback(v.Name, to)
	c.note("rollback", "rollback of %s to %s: %v", v.Name, to, err)
}

func (c *chaos) lakeFault() {
	process := []string{"a", "b", "zombie", "x", "x", "x", "batch", "batch", "batch", "serving"}[c.random.IntN(10)]
	fault := []Fault{ServerError, LostAnswer, LostAnswer, Precond, Conflict, Slow, readError}[c.random.IntN(7)]
	c.note("", "the next operation on the lake of %s: %s", process, fault)
	c.store(process).fail(fault)
}

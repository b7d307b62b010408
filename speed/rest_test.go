package speed

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
)

func TestAWorkerThatRestedGoesOnAsBefore(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(21, 21))
	cfg := w.config()
	cfg.RestAfter = time.Nanosecond // after every micro-batch
	w.start(cfg)
	for i := range 6 {
		w.produce(rnd, 700)
		w.await()
		if i == 3 {
			w.cut(w.project.Views[0], "run", true)
		}
	}
}

func TestRestGivesTheMemoryOfMicroBatchesBack(t *testing.T) {
	w := newWorld(t, "sales")
	db, err := engine.Open(engine.Options{Threads: 1})
	w.check(err)
	defer db.Close()
	l, err := newLane(db, 0, w.project.Sources[0], w.project.Views)
	w.check(err)
	defer l.close()
	worker, err := New(w.config())
	w.check(err)
	s := &shift{w: worker, lane: l, batch: newMicroBatch(l.src)}
	fill := func() {
		for range 5000 {
			s.batch.rows.Extend()
		}
		s.batch.reset()
		s.arena, s.refs = make([]byte, 1<<20), make([]ref, 1000)
	}
	fill()
	s.work()
	s.rest()
	if cap(s.batch.rows.Offset) == 0 || s.arena == nil {
		t.Error("memory is given back while records come in")
	}
	s.worked = time.Now().Add(-worker.cfg.RestAfter)
	s.rest()
	if n := cap(s.batch.rows.Offset) + cap(s.arena) + cap(s.refs); n != 0 {
		t.Errorf("room for %d is kept at rest", n)
	}
	fill()
	s.rest()
	if s.arena == nil {
		t.Error("rest came before another micro-batch was through")
	}
}

func TestAWorkerIsQuietOnceTheLastLoopRests(t *testing.T) {
	q := quiet{came: make(chan struct{}, 1)}
	q.wake()
	q.wake()
	q.rest()
	if len(q.came) > 0 {
		t.Error("one loop is awake, and the worker is told to be quiet")
	}
	q.rest()
	if len(q.came) != 1 {
		t.Error("all loops rest, and nobody is told")
	}
	q.wake()
	q.rest() // nobody has taken the first notice yet
	if len(q.came) != 1 {
		t.Errorf("%d notices wait", len(q.came))
	}
}

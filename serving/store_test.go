package serving

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
)

// stored counts the rows of the finest table of the only view.
func (w *world) stored() int64 {
	w.t.Helper()
	vs := w.server.state(w.server.definitions.answering("sales"))
	var n int64
	conn, release, err := w.server.store.reader(context.Background())
	must(w.t, err)
	defer release()
	must(w.t, conn.Query(context.Background(), "SELECT count(*) FROM "+vs.current.tables.name("1h", w.plan.Sets()[0]), countInto(&n)))
	return n
}

func TestOldResultsAreDroppedOnceNobodyReadsThem(t *testing.T) {
	w := newWorld(t, viewYAML)
	events := random(4, 600)
	w.add(events[:300]...)
	first := w.publish(w.cuts())
	w.serve()
	checkAll(t, w, "first:")
	vs := w.server.state(w.server.definitions.answering("sales"))
	_, release, err := w.server.pin(context.Background(), vs)
	must(t, err)
	one := w.stored()

	w.add(events[300:]...)
	w.publish(w.cuts())
	w.pass(time.Hour)
	checkAll(t, w, "second:")
	both := w.stored()
	if both <= one {
		t.Fatalf("%d rows before and %d after another snapshot", one, both)
	}
	w.pass(time.Hour)
	must(t, w.server.cleanUp(context.Background(), vs))
	if n := w.stored(); n != both {
		t.Fatalf("%d of %d rows are left while a query reads the first snapshot", n, both)
	}
	release()
	must(t, w.server.cleanUp(context.Background(), vs))
	if n := w.stored(); n != both-one {
		t.Fatalf("%d rows are left, want %d", n, both-one)
	}
	checkAll(t, w, "after the clean-up:")

	// A rollback loads them anew.
	_, w.tag, err = w.lake.Rollback(context.Background(), "sales", w.view.Hash, first.ID, w.tag)
	must(t, err)
	w.pass(time.Hour)
	w.events = w.events[:300]
	r := w.query(Query{Grain: "1d"})
	if r.Provenance.Snapshot != first.ID || !r.Provenance.Partial {
		t.Fatalf("after a rollback: %+v", r.Provenance)
	}
	check(t, "after a rollback", r, fold(w.events, day, nil), true)
}

func TestQueriesGoOnWhileSnapshotsAreSwapped(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(4, 200)...)
	w.publish(w.cuts())
	w.serve()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	want := fmt.Sprint(w.query(Query{Dimensions: []string{"country"}}).Rows)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := w.server.Query(context.Background(), Query{View: "sales", Dimensions: []string{"country"}})
				if err != nil || r.Provenance.Partial {
					t.Errorf("%v, %+v", err, r)
					return
				}
				if got := fmt.Sprint(r.Rows); got != want {
					t.Errorf("snapshot %s answers %s, want %s", r.Provenance.Snapshot, got, want)
					return
				}
			}
		})
	}
	for range 5 {
		w.publish(w.cuts())
		w.pass(time.Hour)
		must(t, w.server.refresh(ctx, w.server.state(w.server.definitions.answering("sales")), w.clock()))
		w.pass(time.Hour)
		must(t, w.server.cleanUp(ctx, w.server.state(w.server.definitions.answering("sales"))))
	}
	cancel()
	wg.Wait()
}

// TestALoadThatIsInterruptedAnywhereLeavesNothingTwice ends the context of a load sooner and later, down to the commit, and loads again: what was loaded
// and said to be interrupted would be counted twice.
func TestALoadThatIsInterruptedAnywhereLeavesNothingTwice(t *testing.T) {
	w := newWorld(t, viewYAML)
	w.add(random(4, 300)...)
	w.publish(w.cuts())
	w.serve()
	checkAll(t, w, "first:")
	s := w.server.store
	m := w.server.state(w.server.definitions.answering("sales")).current.manifest
	load := func(ctx context.Context, plan *algebra.Plan) (rows int64, took time.Duration, err error) {
		began := time.Now()
		snap, err := s.load(ctx, plan, m, 1)
		if took = time.Since(began); err != nil {
			return 0, took, err
		}
		conn, release, err := s.reader(context.Background())
		must(t, err)
		defer release()
		sql := "SELECT count(*) FROM " + snap.tables.name("1h", plan.Sets()[0]) + " WHERE " + snap.files()
		return rows, took, conn.Query(context.Background(), sql, countInto(&rows))
	}
	plan := func() *algebra.Plan {
		p, err := algebra.Compile(w.view)
		must(t, err)
		return p
	}
	want, whole, err := load(context.Background(), plan())
	must(t, err)
	interrupted := 0
	const turns = 120
	for i := range turns {
		p := plan()
		ctx, cancel := context.WithTimeout(context.Background(), whole*time.Duration(i)/(turns*3/4))
		if _, _, err := load(ctx, p); err != nil {
			interrupted++
		}
		cancel()
		if got, _, err := load(context.Background(), p); err != nil || got != want {
			t.Fatalf("turn %d: %d rows, not %d: %v", i, got, want, err)
		}
	}
	if interrupted < turns/10 {
		t.Errorf("%d of %d loads were interrupted", interrupted, turns)
	}
}

func TestFoldersOfDeadProcessesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	dead, alive, other := filepath.Join(dir, folderPrefix+"999999999-x"), filepath.Join(dir, fmt.Sprintf("%s%d-x", folderPrefix, os.Getpid())), filepath.Join(dir, folderPrefix+"mine")
	for _, folder := range []string{dead, alive, other} {
		must(t, os.Mkdir(folder, 0o755))
	}
	removeStale(dir)
	for folder, want := range map[string]bool{dead: false, alive: true, other: true} {
		if _, err := os.Stat(folder); (err == nil) != want {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

func countInto(n *int64) func(*engine.Chunk) error {
	return func(c *engine.Chunk) error {
		*n = c.Row(0).Int64(0)
		return nil
	}
}

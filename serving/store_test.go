package serving

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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

package batch

import (
	"slices"
	"testing"
	"time"
)

func TestRollbackAnswersAsBeforeAndTheNextRunGoesOnFromThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(200, 50, 2)
	w.archiveAll(nil)
	w.run(RunOptions{})
	first := w.current()
	w.produce(100, 51, 2)
	w.archiveAll(nil)
	w.run(RunOptions{})
	second := w.current()
	m, err := w.runner(nil).Rollback(t.Context(), "revenue", first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if now := w.current(); now.ID != first.ID || m.ID != first.ID {
		t.Fatalf("rolled back to %s, CURRENT is %s", first.ID, now.ID)
	}
	if _, err := w.runner(nil).Rollback(t.Context(), "revenue", first.ID); err == nil {
		t.Fatal("rolled back to the snapshot that is current")
	}
	w.run(RunOptions{})
	third := w.current()
	if third.ID == second.ID || third.Parent != first.ID || !slices.Equal(w.content(third), w.content(second)) {
		t.Fatalf("after the rollback came %s, planned against %s", third.ID, third.Parent)
	}
	lists, err := w.runner(nil).List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var current []string
	for _, s := range lists[0].Snapshots {
		if s.Current {
			current = append(current, s.ID)
		}
	}
	if len(lists[0].Snapshots) != 4 || len(current) != 1 || current[0] != third.ID {
		t.Fatalf("listed %+v", lists)
	}
}

func TestPruneKeepsWhatIsPromisedAndItsFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.project.Batch.Snapshots = 2
	for i := range 4 {
		w.produce(60, uint64(60+i), 1)
		w.archiveAll(nil)
		w.run(RunOptions{})
	}
	r := w.runner(nil)
	for range 2 {
		dry, err := r.Prune(t.Context(), PruneOptions{DryRun: true})
		if err != nil || len(dry[0].Snapshots) != 3 {
			t.Fatalf("it would prune %+v: %v", dry, err)
		}
	}
	fresh, err := r.Prune(t.Context(), PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if p := fresh[0]; len(p.Snapshots) != 3 || p.Files != 0 {
		t.Fatalf("at once it pruned %+v", p)
	}
	later, err := r.Prune(t.Context(), PruneOptions{Now: time.Now().Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if p := later[0]; len(p.Snapshots) != 0 || p.Files == 0 {
		t.Fatalf("later it pruned %+v", p)
	}
	lists, err := r.List(t.Context(), nil)
	if err != nil || len(lists[0].Snapshots) != 2 {
		t.Fatalf("kept %+v: %v", lists, err)
	}
	for _, s := range lists[0].Snapshots {
		m, err := w.lake.Snapshot(t.Context(), "revenue", w.project.Views[0].Hash, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.content(m) // every file is there
	}
}

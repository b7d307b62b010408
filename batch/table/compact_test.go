package table

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/caudal/caudal/internal/lake"
)

func TestAVersionHoldsTheLogOnceAndSortedByTime(t *testing.T) {
	w := newWorld(t, 1)
	w.archive(0, 300, 0, 3)
	w.archive(1, 200, 1, 3)
	w.archive(0, 9, 7, 1)
	v := w.compact(Options{})
	w.sameAsLog(v, nil)
	if len(v.Files) != 5 || v.Repeats != int64(len(w.log))-v.Rows || v.Dedup != "horizon" {
		t.Errorf("%d files, %d repeats, dedup %s", len(v.Files), v.Repeats, v.Dedup)
	}
	for p, below := range w.next {
		if got, ok := v.Below(1, p); !ok || got != below {
			t.Errorf("partition %d is covered up to %d, the log ends at %d", p, got, below)
		}
	}
	for _, f := range v.Files {
		paths, err := v.Fetch(t.Context(), []lake.TableFile{f})
		if err != nil {
			t.Fatal(err)
		}
		sorted := queryTexts(t, "SELECT CAST(_event_time AS VARCHAR) FROM read_parquet("+lake.PathList(paths)+", hive_partitioning = false)")
		if !slices.IsSorted(sorted) || int64(len(sorted)) != f.Rows {
			t.Errorf("%s: %d rows, sorted: %t", f.Key, len(sorted), slices.IsSorted(sorted))
		}
	}
	if again := w.compact(Options{}); again.ID != v.ID {
		t.Errorf("nothing was new, and version %s was published", again.ID)
	}
}

func TestIncrementalCompactionsMakeTheSameTableAsOneFull(t *testing.T) {
	w := newWorld(t, 2)
	var last *Version
	for i := range 8 {
		w.archive(i%2, 200-i*20, i/2, 2)
		last = w.compact(Options{})
		w.sameAsLog(last, nil)
	}
	full := w.compact(Options{Full: true})
	w.sameAsLog(full, nil)
	if full.Parent != last.ID || full.Rows != last.Rows || full.Repeats != last.Repeats || len(full.Files) >= len(last.Files) {
		t.Errorf("full: %d rows in %d files, after %d in %d", full.Rows, len(full.Files), last.Rows, len(last.Files))
	}
	w.sameAsLog(w.open(last.ID), nil) // it is there as it was
}

func TestEveryVersionMadeWhileTheArchiveGoesOnHoldsTheLogUpToItsOffsets(t *testing.T) {
	w := newWorld(t, 3)
	w.archive(0, 50, 0, 2)
	compactor, archived := w.compactor(nil), make(chan struct{})
	var made atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := compactor.Compact(t.Context(), Options{}); err != nil {
				ended <- err
				return
			}
			made.Add(1)
			select {
			case <-archived:
				ended <- nil
				return
			default:
			}
		}
	}()
	for i := 0; made.Load() < 3 && len(ended) == 0; i++ {
		w.archive(i%2, 30, i/10%9, 2)
	}
	close(archived)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	last := w.compact(Options{})
	w.sameAsLog(last, nil)
	versions, _, err := lake.New(w.store).TableVersions(t.Context(), w.source.Name)
	if err != nil {
		t.Fatal(err)
	}
	partial := 0
	for _, v := range versions {
		covered := func(r *record) bool { below, ok := v.Below(r.incarnation, r.partition); return ok && r.offset < below }
		w.sameAsLog(w.open(v.ID), covered)
		if len(w.naive(covered)) < len(w.naive(nil)) {
			partial++
		}
	}
	if partial == 0 {
		t.Error("no version was made before the archive had ended")
	}
}

package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func TestARunAnswersWhatANaiveQueryAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(3000, 11, 5)
	w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 500 })
	report := w.run(RunOptions{})
	m := w.current()
	if m.ID != report.Views[0].Snapshot || m.Offsets()[0] != w.sent[0] || m.Offsets()[1] != w.sent[1] {
		t.Fatalf("published %+v, the log ends at %v", report.Views[0], w.sent)
	}
	w.sameAsNaive(m)
	_, events, duplicates, late, dead := w.commits()
	if m.Events != events || m.Duplicates != duplicates || m.Late != late || m.Dead != dead {
		t.Fatalf("manifest counts %d, %d, %d, %d; the commits %d, %d, %d, %d", m.Events, m.Duplicates, m.Late, m.Dead, events, duplicates, late, dead)
	}
}

func TestIncrementalAndFullRunsAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(1200, 12, 4)
	w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 170 })
	// The cuts of the first run divide chunks.
	w.speedAt(0, w.sent[0]/3)
	w.speedAt(1, w.sent[1]/2)
	w.run(RunOptions{})
	first := w.current()
	if first.Offsets()[0] != w.sent[0]/3 || first.Offsets()[1] != w.sent[1]/2 {
		t.Fatalf("cut at %v", first.Offsets())
	}
	w.sameAsNaive(first)
	w.produce(900, 13, 2) // late by days: into periods that are published
	w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 170 })
	w.speedAt(0, w.sent[0]-40)
	w.speedAt(1, w.sent[1]-7)
	incremental := w.run(RunOptions{})
	second := w.current()
	w.sameAsNaive(second)
	w.run(RunOptions{Full: true})
	third := w.current()
	if got, want := w.content(third), w.content(second); !slices.Equal(got, want) {
		t.Fatalf("full: %d rows, incremental: %d; first that differ: %s", len(got), len(want), firstDifference(got, want))
	}
	if second.Events != third.Events || second.Dead != third.Dead || second.Duplicates != third.Duplicates || second.Late != third.Late {
		t.Fatalf("full counts %+v, incremental %+v", third, second)
	}
	_ = incremental
}

// Not only the answers: the files are the same byte for byte, period by period, whichever runs came before. So nobody has to ask how the
// snapshot came about.
func TestIncrementalAndFullRunsPublishTheSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	bytesOf := func(m *lake.Manifest) map[string]string {
		files := map[string]string{}
		for _, f := range m.Files {
			data, _, err := w.store.Get(t.Context(), f.Key)
			if err != nil {
				t.Fatal(err)
			}
			files[f.Unit+" "+f.Period] = string(data)
		}
		return files
	}
	for round := range 4 {
		w.produce(250, uint64(70+round), 6-round) // all but the first also of dates that are published
		w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 130 })
		w.speedAt(0, w.sent[0]-int64(37*(round%2)))
		w.speedAt(1, w.sent[1]-int64(11*round))
		before := w.current()
		w.run(RunOptions{})
		incremental := w.current()
		if kept := slices.ContainsFunc(incremental.Files, func(f lake.ViewFile) bool { return slices.Contains(before.Files, f) }); round > 0 && !kept {
			t.Errorf("round %d computed everything anew", round)
		}
		w.run(RunOptions{Full: true})
		full := w.current()
		a, b := bytesOf(incremental), bytesOf(full)
		if len(a) == 0 || len(a) != len(b) {
			t.Fatalf("round %d: %d files and %d", round, len(a), len(b))
		}
		for period, data := range b {
			if a[period] != data {
				t.Errorf("round %d: the file of %s has %d bytes incrementally and %d in full, or others", round, period, len(a[period]), len(data))
			}
		}
	}
}

func TestAnIncrementalRunLeavesUnchangedPeriodsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(600, 14, 6)
	w.archiveAll(nil)
	w.run(RunOptions{})
	before := w.current()
	w.produce(60, 15, 1)
	w.archiveAll(nil)
	report := w.run(RunOptions{})
	after := w.current()
	kept := 0
	for _, f := range after.Files {
		if slices.Contains(before.Files, f) {
			kept++
		}
	}
	if kept < 4 || report.Views[0].NewFiles+kept != len(after.Files) {
		t.Fatalf("%d files of %d were kept, %d are new", kept, len(after.Files), report.Views[0].NewFiles)
	}
	w.sameAsNaive(after)
}

func TestARunWithNothingNewPublishesTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(200, 16, 2)
	w.archiveAll(nil)
	w.run(RunOptions{})
	before := w.current()
	report := w.run(RunOptions{})
	after := w.current()
	if report.Views[0].Periods != 0 || !slices.Equal(before.Files, after.Files) {
		t.Fatalf("computed %d periods of nothing new", report.Views[0].Periods)
	}
}

func TestARunAsksTheArchiveAndWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(400, 17, 2)
	w.archiving(nil)
	w.speedAt(0, w.sent[0])
	w.speedAt(1, w.sent[1])
	w.run(RunOptions{})
	if m := w.current(); m.Offsets()[0] != w.sent[0] || m.Offsets()[1] != w.sent[1] {
		t.Fatalf("cut at %v of %v", m.Offsets(), w.sent)
	}
	w.sameAsNaive(w.current())
}

func TestARunThatWaitsTooLongFailsAndTheOldSnapshotStays(t *testing.T) {
	w := newWorld(t).withRuns()
	w.project.Batch.ArchiveWait = 1
	w.produce(100, 18, 1)
	w.speedAt(0, w.sent[0])
	before := w.current()
	_, err := w.runner(nil).Run(t.Context(), RunOptions{})
	if err == nil || !strings.Contains(err.Error(), "caudal run archive") {
		t.Fatalf("got %v", err)
	}
	if after := w.current(); after.ID != before.ID {
		t.Fatalf("published %s", after.ID)
	}
}

func TestOverlappingRunsAreRefusedAndNameTheHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 19, 1)
	w.archiveAll(nil)
	var second error
	r := w.runner(func(c *Config) {
		c.Owner = "the first"
		c.Steps = func(step string) error {
			if step == "before-load" {
				_, second = w.runner(nil).Run(t.Context(), RunOptions{})
			}
			return nil
		}
	})
	if _, err := r.Run(t.Context(), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(second, lake.ErrLocked) || !strings.Contains(second.Error(), "the first") {
		t.Fatalf("the second run got %v", second)
	}
	w.run(RunOptions{}) // the lock is free again
}

func TestACrashBetweenAnyTwoStepsOfARunIsMendedByTheNext(t *testing.T) {
	t.Parallel()
	var steps []string
	w := newWorld(t).withRuns()
	w.produce(100, 20, 1)
	w.archiveAll(nil)
	w.speedAt(0, w.sent[0]-9)
	r := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
			return nil
		}
	})
	if _, err := r.Run(t.Context(), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 9 {
		t.Fatalf("only the steps %q", steps)
	}
	for i, crash := range steps {
		w.produce(40, uint64(100+i), 1)
		w.archiveAll(nil)
		w.speedAt(0, w.sent[0]-int64(i))
		before := w.current()
		run := fmt.Sprintf("run%d", i)
		broken := w.runner(func(c *Config) {
			c.Steps = func(step string) error {
				if step == crash {
					return errors.New("power cut")
				}
				return nil
			}
		})
		if _, err := broken.Run(t.Context(), RunOptions{RunID: run}); !errors.Is(err, errCrash) {
			t.Fatalf("crash at %s: %v", crash, err)
		}
		if m := w.current(); m.ID != before.ID {
			w.sameAsNaive(m) // crashed after its publish
		} else if crash == "after-publish" {
			t.Fatal("nothing was published")
		}
		w.unlock()
		w.speedAt(0, w.sent[0]) // the cut of the run that is begun again must not move
		report := w.run(RunOptions{RunID: run})
		m := w.current()
		if m.Run != run || m.ID != report.Views[0].Snapshot {
			t.Fatalf("crash at %s, then run again: CURRENT is %s, report %+v", crash, m.ID, report.Views[0])
		}
		if cut := m.Offsets()[0]; crash != "before-cut" && crash != "after-live-cut" && cut != w.sent[0]-int64(i) {
			t.Fatalf("crash at %s: the cut moved from %d to %d", crash, w.sent[0]-int64(i), cut)
		}
		w.sameAsNaive(m)
	}
}

func TestAPublishLosesToOneThatCameBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 21, 1)
	w.archiveAll(nil)
	r := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-publish" {
				w.unlock() // as if this process had slept past its lock
				w.run(RunOptions{RunID: "quicker"})
			}
			return nil
		}
	})
	_, err := r.Run(t.Context(), RunOptions{})
	if !errors.Is(err, lake.ErrChanged) {
		t.Fatalf("got %v", err)
	}
	if m := w.current(); m.Run != "quicker" {
		t.Fatalf("CURRENT is %s", m.ID)
	}
}

func TestEpochsBelowTheOldestPromisedSnapshotAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	var cuts []int64
	for i := range 4 {
		w.produce(100, uint64(30+i), 1)
		w.archiveAll(nil)
		w.speedAt(0, w.sent[0])
		cuts = append(cuts, w.sent[0])
		w.run(RunOptions{})
	}
	meta, ok, err := w.live.Peek(t.Context(), w.group(0))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	// One rollback is promised to be instant: the epochs of the current snapshot and of the one before are kept.
	if want := cuts[2:]; !slices.Equal(meta.Starts, want) {
		t.Fatalf("epochs %v are kept, want %v", meta.Starts, want)
	}
}

func TestSegmentsOfAnOlderDefinitionAreReadWithTheNewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(200, 90, 2)
	w.archiveAll(nil)
	changed := testSource()
	changed.Fields[4].Type.Precision = 20 // price widened beyond 64 bits
	changed.Fields = append(changed.Fields, view.Field{Name: "note", Type: view.Type{Kind: view.String}, Nullable: true},
		view.Field{Name: "seen", Type: view.Type{Kind: view.Timestamp}, Nullable: true})
	w.project.Sources = []*view.Source{changed}
	v := testView(t, changed)
	v.Hash = strings.Repeat("cd", 32)
	v.Where = "price >= 1 AND note IS NULL AND seen IS NULL"
	v.Measures[0].Input.Precision, v.Measures[3].Input.Precision = 20, 20
	w.project.Views = []*view.View{v}
	w.produce(200, 91, 2)
	w.archiveAll(nil)
	w.run(RunOptions{})
	got, want := w.hourly(w.current()), w.naive(w.current())
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Fatalf("%d cells of %d; first that differ: %s", len(got), len(want), firstDifference(got, want))
	}
}

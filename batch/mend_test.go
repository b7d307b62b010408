package batch

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
)

// An archive dies between the files of a chunk, and retention takes some of the chunk's range before the next one begins. What stands is
// part of the chunk, what can still be read too, and what is in neither is stated; nobody has to look.
func TestAChunkThatRetentionBrokeIsPutTogetherFromWhatIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, then int64  // percent of the log that retention takes before the first attempt, and before the next
		crash       string // of the first attempt
		whole       bool   // all that the first attempt could read is in the lake
	}{
		{0, 60, "after-intent", false}, {0, 60, "after-file-1", false}, {0, 60, "after-file-3", false}, {0, 60, "before-commit", true},
		{0, 100, "after-file-3", false}, {0, 100, "before-commit", true}, {30, 60, "after-file-2", false}, {30, 60, "before-commit", true},
	} {
		t.Run(fmt.Sprintf("%d %% then %d %%, %s", c.first, c.then, c.crash), func(t *testing.T) {
			w := newWorld(t).withRuns()
			w.produce(300, 6, 5)
			if c.first > 0 {
				w.retain(c.first)
			}
			crash := errors.New("power cut")
			broken := w.partition(w.archive(func(a *ArchiveConfig) {
				a.Steps = func(step string) error {
					if step == c.crash {
						return crash
					}
					return nil
				}
			}), 0)
			broken.archive.Close(w.topic.Name, w.sent)
			if err := broken.life(t.Context()); !errors.Is(err, crash) {
				t.Fatalf("the first attempt ends with %v", err)
			}
			w.retain(c.then)
			w.archiveAll(nil)
			gone := w.accounted(0)
			if want := w.sent[0] * c.first / 100; c.whole && gone != want {
				t.Errorf("%d records are stated as missing, not %d", gone, want)
			}
			// How many files stand after the others is a matter of luck: some are put at the same time.
			if most := w.sent[0] * c.then / 100; gone > most || c.crash == "after-intent" && gone != most {
				t.Errorf("%d records are stated as missing, %d are gone from the log", gone, most)
			}
			w.run(RunOptions{}) // the gate lets it through
			w.sameAsNaive(w.current())
		})
	}
}

// accounted checks that each offset of a partition is in exactly one file or stated as missing, and that the commits count what their
// files hold. It returns how many are missing.
func (w *world) accounted(partition int) (missing int64) {
	w.t.Helper()
	chunks, err := lake.New(w.store).Chunks(w.t.Context(), w.topic, partition, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	times := map[int64]int{}
	for _, c := range chunks {
		var late, duplicates int64
		for _, f := range c.Files {
			for _, offset := range w.offsets(f) {
				times[offset]++
			}
			if !f.Dead {
				path, err := w.lake.Fetch(w.t.Context(), f.Key, f.SHA256)
				if err != nil {
					w.t.Fatal(err)
				}
				duplicates += int64(len(queryRows(w.t, "SELECT 1 FROM read_parquet("+sqltext.Text(path)+") WHERE _duplicate")))
				late += int64(len(queryRows(w.t, "SELECT 1 FROM read_parquet("+sqltext.Text(path)+") WHERE _late AND NOT _duplicate")))
			}
		}
		if duplicates != c.Duplicates || late != c.Late {
			w.t.Errorf("chunk %d counts %d duplicates and %d late, its files hold %d and %d", c.First, c.Duplicates, c.Late, duplicates, late)
		}
		for _, gap := range c.Missing {
			for offset := gap[0]; offset < gap[1]; offset++ {
				times[offset]++
				missing++
			}
		}
	}
	for offset := range w.sent[partition] {
		if times[offset] != 1 {
			w.t.Fatalf("offset %d of partition %d is in %d places", offset, partition, times[offset])
		}
	}
	return missing
}

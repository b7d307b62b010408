package batch

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// retain takes the records below the given share of each partition's log, as retention does.
func (w *world) retain(share int64) {
	w.t.Helper()
	for p, end := range w.sent {
		if err := w.broker.Trim(w.t.Context(), w.topic.Name, p, end*share/100); err != nil {
			w.t.Fatal(err)
		}
	}
}

// What the specification found (docs/spec/Rebuild.tla, guard begin): records that speed has counted, and that retention takes before the
// archive has begun, must not vanish with a publish.
func TestABatchDoesNotPublishRecordsAwayThatRetentionTookBeforeTheArchiveBegan(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(600, 14, 2)
	first := w.current() // S0 at 0, as the speed layer makes it
	for p, end := range w.sent {
		w.speedAt(p, end)
	}
	w.retain(100)
	w.project.Batch.ArchiveWait = 300 * time.Millisecond
	if _, err := w.runner(nil).Run(t.Context(), RunOptions{}); err == nil {
		t.Fatal("a run over an archive that holds nothing succeeds")
	}
	if m := w.current(); m.ID != first.ID {
		t.Errorf("%s was published with V %v and %d events", m.ID, m.Offsets(), m.Events)
	}
}

func TestWhatRetentionTookBeforeTheArchiveBeganIsStatedAsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(600, 14, 2)
	w.current()
	for p, end := range w.sent {
		w.speedAt(p, end)
	}
	w.retain(50)
	w.archiving(func(c *ArchiveConfig) { c.ChunkAge = time.Second })
	w.run(RunOptions{})
	m := w.current()
	for p, end := range w.sent {
		if want := [][2]int64{{0, end / 2}}; !slices.Equal(m.Missing[p], want) {
			t.Errorf("partition %d: missing %v, want %v", p, m.Missing[p], want)
		}
	}
}

// Guard standing of docs/spec/Archive.tla.
func TestAStandingFileIsCommittedOnlyIfItHoldsAsManyRecords(t *testing.T) {
	w := newWorld(t)
	w.produce(200, 3, 1)
	a := w.archive(nil)
	p := w.partition(a, 0)
	w.drain(p, func(error) bool { return false })
	chunks, err := w.lake.Chunks(t.Context(), w.topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	stands := chunks[0].Files[0]
	put := func(rows int64, missing [][2]int64) error {
		file := lake.ChunkFile{Key: stands.Key, Rows: rows}
		return newFilePuts(t.Context(), p, &chunk{missing: missing}).put(&file, []byte("what another encoder makes of the same records"))
	}
	if err := put(stands.Rows, nil); err != nil {
		t.Errorf("as many records: %v", err)
	}
	if err := put(stands.Rows+1, nil); !errors.Is(err, errStanding) {
		t.Errorf("more records than stand: %v", err)
	}
	if err := put(stands.Rows, [][2]int64{{0, 1}}); !errors.Is(err, errStanding) {
		t.Errorf("the log has lost some: %v", err)
	}
}

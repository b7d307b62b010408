package batch

import (
	"errors"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
)

func TestARunLeavesANoteOfWhatItDid(t *testing.T) {
	w := newWorld(t).withRuns()
	if _, err := w.lake.BatchNote(t.Context()); !errors.Is(err, lake.ErrNotFound) {
		t.Fatalf("before any run: %v", err)
	}
	w.produce(300, 11, 5)
	w.archiveAll(func(*ArchiveConfig) {})
	report := w.run(RunOptions{})
	note, err := w.lake.BatchNote(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := note.Views[0]
	if note.Run != report.Run || note.Seconds <= 0 || note.Ended.IsZero() || len(note.Views) != len(w.project.Views) ||
		v.Failed || v.Events != report.Views[0].Events || v.Events == 0 || v.Seconds <= 0 || !v.Succeeded.Equal(note.Ended) {
		t.Errorf("%+v after %+v", note, report)
	}
}

func TestANoteKeepsWhatTheLastSuccessDid(t *testing.T) {
	w := newWorld(t).withRuns()
	r := w.runner(func(*Config) {})
	r.note(t.Context(), "one", 2*time.Second, []ViewReport{
		{View: "sales", Events: 7, Seconds: 1, Classes: map[ledger.Class]int{ledger.SketchError: 3}},
		{View: "sales", Role: Pending, Events: 5, Seconds: 2, Classes: map[ledger.Class]int{ledger.SketchError: 1, ledger.Unexplained: 2}},
		{View: "visits", Events: 9},
	})
	first, err := w.lake.BatchNote(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v := first.Views[0]; v.View != "sales" || v.Events != 7 || v.Seconds != 3 || v.Changed["sketch_error"] != 4 || v.Changed["unexplained"] != 2 {
		t.Errorf("%+v", v)
	}
	r.note(t.Context(), "two", time.Second, []ViewReport{{View: "sales", Error: "the lake is away"}})
	second, err := w.lake.BatchNote(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, others := second.Views[0], second.Views[1]
	if second.Run != "two" || !v.Failed || !v.Succeeded.Equal(first.Views[0].Succeeded) || v.Events != 7 || others.View != "visits" || others.Failed || others.Events != 9 {
		t.Errorf("%+v", second)
	}
}

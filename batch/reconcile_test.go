package batch

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caudal/caudal/speed"
)

// ledger reads what the last run wrote about speed and batch.
func (w *world) ledger() Ledger {
	w.t.Helper()
	m := w.current()
	if len(m.Ledger) != 1 {
		w.t.Fatalf("snapshot %s has the ledgers %v", m.ID, m.Ledger)
	}
	data, _, err := w.store.Get(w.t.Context(), m.Ledger[0].Key)
	if err != nil {
		w.t.Fatal(err)
	}
	var l struct {
		Ledger
		Entries []struct {
			Class Class `json:"class"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(data, &l); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range l.Entries {
		l.Ledger.Entries = append(l.Ledger.Entries, Entry{Class: e.Class})
	}
	return l.Ledger
}

// accelerate runs the speed layer until it has counted all that was sent.
func (w *world) accelerate() {
	w.t.Helper()
	worker, err := speed.New(speed.Config{Project: w.project, Stream: w.stream, Live: w.live, Lake: w.lake, Logger: logger()})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		whole := true
		for p, next := range w.sent {
			m, ok, err := w.live.Peek(ctx, w.group(p))
			whole = whole && err == nil && ok && m.Off == next
		}
		if whole {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the speed layer does not reach the end of the log")
		}
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
}

func TestTheLedgerExplainsEveryChangedAnswer(t *testing.T) {
	w := newWorld(t).withRuns()
	w.project.Batch.InstantRollbacks = 0
	for round := range 3 {
		w.produce(500, uint64(70+round), 3)
		w.accelerate()
		w.archiveAll(nil)
		w.run(RunOptions{Full: round == 2})
		w.sameAsNaive(w.current())
		l := w.ledger()
		if !l.Comparable || l.Cells == 0 || l.Unexplained != 0 || l.Changed == 0 {
			t.Fatalf("round %d: %+v", round, l)
		}
		for _, e := range l.Entries {
			if e.Class != SketchError {
				t.Fatalf("round %d: class %q", round, e.Class)
			}
		}
	}
}

func TestTheLedgerNamesWhatSpeedLostAsUnexplained(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(100, 75, 1)
	w.speedAt(0, w.sent[0]) // says that it has counted them, but holds no cells
	w.speedAt(1, w.sent[1])
	w.archiveAll(nil)
	report := w.run(RunOptions{})
	if l := w.ledger(); !l.Comparable || l.Unexplained == 0 || report.Views[0].Unexplained != l.Unexplained {
		t.Fatalf("%+v", l)
	}
}

func TestEpochsThatDoNotTileAreNotCompared(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(100, 76, 1)
	w.archiveAll(nil)
	w.run(RunOptions{}) // the speed layer holds nothing
	if l := w.ledger(); l.Comparable || l.Reason == "" || l.Changed != 0 {
		t.Fatalf("%+v", l)
	}
}

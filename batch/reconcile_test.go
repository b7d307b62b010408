package batch

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/speed"
)

// ledger reads what the last run wrote about the answers before and after, in which every difference is the sum of its parts.
func (w *world) ledger() *ledger.Ledger {
	w.t.Helper()
	m := w.current()
	if len(m.Ledger) != 1 {
		w.t.Fatalf("snapshot %s has the ledgers %v", m.ID, m.Ledger)
	}
	data, _, err := w.store.Get(w.t.Context(), m.Ledger[0].Key)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Decode(data)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range l.Entries {
		w.sums(&e)
	}
	return l
}

// sums checks that an entry's parts sum to its difference, to the last digit unless they are doubles.
func (w *world) sums(e *ledger.Entry) {
	w.t.Helper()
	kind := view.Type{Kind: view.Decimal, Precision: 38, Scale: 6}
	if len(e.Parts) == 0 {
		w.t.Fatalf("nothing explains %+v", e)
	}
	if string(e.Difference) == "null" {
		for _, p := range e.Parts {
			if string(p.Amount) != "null" && len(e.Parts) == 1 {
				w.t.Fatalf("no difference, but a part: %s", text(e))
			}
		}
		return
	}
	if e.Measure == "p90" {
		sum := 0.0
		for _, p := range e.Parts {
			sum += w.float(p.Amount)
		}
		if d := w.float(e.Difference); math.Abs(sum-d) > 1e-9*(1+math.Abs(d)) {
			w.t.Fatalf("the parts sum to %v: %s", sum, text(e))
		}
		return
	}
	exact := func(raw json.RawMessage) algebra.Int128 {
		v, err := algebra.ParseValue(strings.Trim(string(raw), `"`), kind)
		if err != nil {
			w.t.Fatalf("%s: %v", text(e), err)
		}
		return v.Int128()
	}
	var sum algebra.Int128
	for _, p := range e.Parts {
		sum, _ = sum.Add(exact(p.Amount))
	}
	if sum != exact(e.Difference) {
		w.t.Fatalf("the parts sum to %s: %s", sum, text(e))
	}
}

func (w *world) float(raw json.RawMessage) float64 {
	var x float64
	if err := json.Unmarshal(raw, &x); err != nil {
		w.t.Fatal(err)
	}
	return x
}

func text(e *ledger.Entry) string {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// classes are the causes that a ledger names, in the order of the alphabet.
func classes(l *ledger.Ledger) string {
	var names []string
	for class, n := range l.Classes {
		if n > 0 {
			names = append(names, string(class))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// entry finds the entry of a measure's total, or of one country.
func (w *world) entry(l *ledger.Ledger, grain, measure, country string) *ledger.Entry {
	w.t.Helper()
	for i, e := range l.Entries {
		if e.Grain == grain && e.Measure == measure && e.Total == (country == "") && (e.Total || string(e.Dimensions["country"]) == `"`+country+`"`) {
			return &l.Entries[i]
		}
	}
	w.t.Fatalf("no entry of %s by %s in %q", measure, grain, country)
	return nil
}

// accelerate runs the speed layer until it has counted all that was sent. Where a worker is at work already it waits for that one: two would share
// the partitions anew each time.
func (w *world) accelerate() {
	w.t.Helper()
	if w.speeds {
		w.counted()
		return
	}
	worker, err := speed.New(speed.Config{Project: w.project, Stream: w.stream, Live: w.live, Lake: w.lake, Logger: logger()})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	w.counted()
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
}

// counted waits until the speed layer has counted all that was sent.
func (w *world) counted() {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		whole := true
		for p, next := range w.sent {
			m, ok, err := w.live.Peek(w.t.Context(), w.group(p))
			whole = whole && err == nil && ok && m.Off == next
		}
		if whole {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the speed layer does not reach the end of the log")
		}
	}
}

func TestTheLedgerExplainsEveryChangedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.project.Batch.InstantRollbacks = 0
	for round := range 3 {
		w.produce(500, uint64(70+round), 3)
		w.accelerate()
		w.archiveAll(nil)
		w.run(RunOptions{Full: round == 2})
		w.sameAsNaive(w.current())
		l := w.ledger()
		if !l.Comparable || l.Cells == 0 || l.Changed == 0 || classes(l) != "sketch_error" || l.Classes[ledger.SketchError] != l.Changed {
			t.Fatalf("round %d: %+v", round, l)
		}
		if !slices.Equal(l.Grains, []string{"1d", "1w", "1mo"}) {
			t.Fatalf("round %d: compared the grains %v", round, l.Grains)
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
	l := w.ledger()
	if !l.Comparable || l.Unexplained == 0 || classes(l) != "unexplained" || report.Views[0].Unexplained != l.Unexplained {
		t.Fatalf("%+v", l)
	}
	if total := w.entry(l, "1d", "lines", ""); string(total.Before) != "null" || string(total.Difference) != string(total.After) {
		t.Fatal(text(total))
	}
}

func TestAPartialAnswerIsOfTheClassCoverage(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 76, 1)
	w.archiveAll(nil)
	w.run(RunOptions{}) // the speed layer holds nothing
	if l := w.ledger(); l.Comparable || !strings.Contains(l.Reason, "partition 0, 1: the speed layer holds nothing") || l.Changed != 0 {
		t.Fatalf("nothing was answered before: %+v", l)
	}
	w.produce(100, 77, 1)
	w.accelerate()
	w.archiveAll(nil)
	// The state of one partition begins anew behind the boundary: what a query answers lacks it.
	if _, _, err := w.live.Take(t.Context(), w.group(0), w.sent[0], w.progressAt(0, w.sent[0]), "thief", "another life"); err != nil {
		t.Fatal(err)
	}
	w.run(RunOptions{})
	l := w.ledger()
	if l.Comparable || !strings.Contains(l.Reason, "partition 0") || strings.Contains(l.Reason, "partition 1") || l.Classes[ledger.Coverage] == 0 || l.Unexplained != 0 {
		t.Fatalf("%+v", l)
	}
	w.sameAsNaive(w.current())
}

func TestALedgerIsBoundedAndItsCountsGoOn(t *testing.T) {
	w := newWorld(t).withRuns()
	b := newBook(w.project.Views[0], "run", nil)
	m := &w.project.Views[0].Measures[1]
	for i := range entriesLimit + 10 {
		b.add(place{grain: "1d", bucket: int64(i)}, m, []step{{value: algebra.Int64Value(1)}, {ledger.SketchError, algebra.Int64Value(2)}}, false)
	}
	b.add(place{grain: "1d"}, m, []step{{value: algebra.Int64Value(1)}, {ledger.Unexplained, algebra.Int64Value(3)}, {ledger.BatchDedup, algebra.Int64Value(2)}}, false)
	b.add(place{grain: "1d", total: true}, m, []step{{value: algebra.Int64Value(1)}, {ledger.SketchError, algebra.Int64Value(2)}}, false)
	if len(b.Entries) != entriesLimit+2 || b.Changed != entriesLimit+12 || b.Classes[ledger.SketchError] != entriesLimit+11 || b.Unexplained != 1 {
		t.Fatalf("%d entries of %d changes, %v", len(b.Entries), b.Changed, b.Classes)
	}
}

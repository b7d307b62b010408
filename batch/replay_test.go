package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/speed"
)

const replayedShop = `
project: test
batch: {memory_limit: 256MB, threads: 2, archive_wait: 20s, snapshots: 10, instant_rollbacks: 1}
sources:
  sales:
    partitions: 2
    event_time: {field: at, format: unix_ms}
    event_id: id
    fields: {id: string, at: timestamp, country: string, customer: "string?", price: "decimal(12,2)"}
`

const replayedView = `
view: revenue
source: sales
where: price >= 1
timezone: Europe/Berlin
dimensions: [country]
grains: [1h, 1d, 1w, 1mo]
measures:
  - {name: revenue, agg: sum, expr: price, type: "decimal(18,2)"}
  - {name: lines, agg: count}
  - {name: customers, agg: count_distinct, expr: customer}
  - {name: mean, expr: "revenue / lines"}
`

// defined is the project with the text of the view changed: old and new in turn.
func defined(t *testing.T, changes ...string) *view.Project {
	t.Helper()
	text := replayedView
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("no %q in the view", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(replayedShop)}, {Path: "views/revenue.yaml", Data: []byte(text)}},
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// declare changes the project's files.
func (w *world) declare(p *view.Project) { w.project = p }

// speeding keeps a worker of the speed layer at work, with the project as it is now, until the test ends.
func (w *world) speeding() {
	w.t.Helper()
	worker, err := speed.New(speed.Config{Project: w.project, Stream: w.stream, Live: w.live, Lake: w.lake, Logger: logger(), Poll: 50 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	w.speeds = true
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
}

func (w *world) replay(o ReplayOptions) Replayed {
	w.t.Helper()
	done, err := w.runner(nil).Replay(w.t.Context(), "revenue", o)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *world) active() lake.Active {
	w.t.Helper()
	a, _, err := w.lake.Active(w.t.Context(), "revenue")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// priced counts the events in the lake of which a condition holds, and sums their prices.
func (w *world) priced(where string) string {
	w.t.Helper()
	return queryRows(w.t, "SELECT count(*) || ' ' || CAST(sum(price) AS DECIMAL(18,2)) FROM "+w.lakeRows()+" WHERE NOT _duplicate AND "+where)[0]
}

// totals are what the current snapshot of the declared definition has in all.
func (w *world) totals() string {
	w.t.Helper()
	var paths []string
	for _, f := range w.current().Files {
		path, err := w.lake.Fetch(w.t.Context(), f.Key, f.SHA256)
		if err != nil {
			w.t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return queryRows(w.t, "SELECT sum(x1) || ' ' || CAST(sum(x0) AS DECIMAL(18,2)) FROM read_parquet("+lake.PathList(paths)+", hive_partitioning = false) WHERE _grain = '1h' AND d0 IS NOT NULL")[0]
}

func TestAReplayRebuildsBesideAndOneStepSwitchesAndUndoes(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, defined(t))
	w.produce(300, 78, 3)
	w.archiving(nil)
	w.speeding() // with the old definition in its file throughout
	w.accelerate()
	w.run(RunOptions{})
	old := w.project.Views[0].Hash
	w.produce(100, 79, 3)

	w.declare(defined(t, "price >= 1", "price >= 50", "- {name: lines, agg: count}", "- {name: lines, agg: count}\n  - {name: biggest, agg: max, expr: price}"))
	now := w.project.Views[0].Hash
	done := w.replay(ReplayOptions{})
	if a := w.active(); done.Switched || a.Definition != old || a.Pending != now || done.Pending != now {
		t.Fatalf("%+v, active %+v", done, a)
	}
	if got, want := w.totals(), w.priced("price >= 50"); got != want {
		t.Fatalf("rebuilt are %s, the log has %s", got, want)
	}
	l := done.Difference
	if !l.Comparable || l.ParentDefinition != old || l.Definition != now || classes(l) != "definition_change" || fmt.Sprint(l.From) != fmt.Sprint(l.To) {
		t.Fatalf("%+v", l)
	}
	sum := int64(0)
	for _, e := range l.Entries {
		w.sums(&e)
		if e.Measure == "biggest" || e.Measure == "mean" {
			t.Fatalf("compared is %s", text(&e))
		}
		if e.Grain == "1mo" && e.Measure == "lines" && e.Total {
			sum += int64(w.float(e.Difference))
		}
	}
	if got, want := fmt.Sprint(-sum), strings.Fields(w.priced("price >= 1 AND price < 50"))[0]; got != want {
		t.Fatalf("the totals fell by %s and should have by %s", got, want)
	}

	w.accelerate() // the worker took the new definition up
	w.produce(50, 80, 3)
	done = w.replay(ReplayOptions{Switch: true, Grain: "1h"})
	if a := w.active(); !done.Switched || done.Rebuilt != nil || a.Definition != now || a.Previous != old || a.Pending != "" || a.Switched.From != old || a.Switched.Ledger.Key == "" {
		t.Fatalf("%+v, active %+v", done, a)
	}
	if !slices.Equal(done.Difference.Grains, []string{"1h"}) || len(done.Difference.Entries) == 0 {
		t.Fatalf("%+v", done.Difference)
	}
	if again := w.replay(ReplayOptions{Switch: true}); again.Switched || again.Definition != now {
		t.Fatalf("again: %+v", again)
	}
	w.produce(50, 81, 3)
	w.accelerate()
	report := w.run(RunOptions{})
	if len(report.Views) != 2 || report.Views[0].Role != Answering || report.Views[1].Role != Previous || report.Views[0].Unexplained+report.Views[1].Unexplained != 0 {
		t.Fatalf("%+v", report.Views)
	}
	if got, want := w.totals(), w.priced("price >= 50"); got != want {
		t.Fatalf("after the switch %s, the log has %s", got, want)
	}

	back, err := w.runner(nil).Undo(t.Context(), "revenue", ReplayOptions{})
	if a := w.active(); err != nil || a.Definition != old || a.Previous != now || !back.Difference.Comparable || back.Difference.Changed == 0 {
		t.Fatalf("%v, %+v, active %+v", err, back, a)
	}
	forgotten := w.project.Views[0]
	dropped, err := w.runner(nil).Drop(t.Context(), "revenue")
	if err != nil || !slices.Equal(dropped.Definitions, []string{now}) || dropped.Chunks == 0 || len(w.active().InUse()) != 1 {
		t.Fatalf("%v, %+v, active %+v", err, dropped, w.active())
	}
	w.declare(defined(t))
	w.accelerate() // the worker goes on with what is left
	pruned, err := w.runner(nil).Prune(t.Context(), PruneOptions{})
	if err != nil || len(pruned) != 2 || !pruned[1].Forgotten || pruned[1].Definition != forgotten.Hash {
		t.Fatalf("%v, %+v", err, pruned)
	}
	if _, ok, err := w.live.Peek(t.Context(), w.runner(nil).groupOf(w.topic, 0, "revenue", forgotten.Hash)); ok || err != nil {
		t.Fatalf("Redis holds what was dropped: %v", err)
	}
	if _, err := w.runner(nil).Undo(t.Context(), "revenue", ReplayOptions{}); err == nil || !strings.Contains(err.Error(), "no definition to go back to") {
		t.Fatal(err)
	}
}

func TestACrashBetweenAnyTwoStepsOfAReplayLeavesOneDefinitionAnswering(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, defined(t, "1h, 1d, 1w, 1mo", "1h, 1d"))
	w.produce(60, 70, 1)
	w.archiving(nil)
	w.speeding()
	w.accelerate()
	w.run(RunOptions{})
	for n := range 40 {
		w.declare(defined(t, "price >= 1", fmt.Sprintf("price >= %d", n+2), "1h, 1d, 1w, 1mo", "1h, 1d"))
		before, target := w.active().Definition, w.project.Views[0].Hash
		steps, at := 0, ""
		crashing := w.runner(func(c *Config) {
			c.Steps = func(step string) error {
				if steps++; steps > n {
					at = step
					return errors.New("crash")
				}
				return nil
			}
		})
		_, err := crashing.Replay(t.Context(), "revenue", ReplayOptions{Switch: true})
		a := w.active()
		if err == nil {
			if n < 10 || a.Definition != target {
				t.Fatalf("a replay of %d steps, active is %+v", n, a)
			}
			return
		}
		if !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		w.unlock()
		if switched := at == "after-switch"; switched != (a.Definition == target) || !switched && a.Definition != before {
			t.Fatalf("crashed at %s, active is %+v", at, a)
		}
		if done := w.replay(ReplayOptions{Switch: true}); done.Definition != target {
			t.Fatalf("after a crash at %s: %+v", at, done)
		}
		if got, want := w.totals(), w.priced(fmt.Sprintf("price >= %d", n+2)); got != want {
			t.Fatalf("after a crash at %s: rebuilt are %s, the log has %s", at, got, want)
		}
		if _, err := w.runner(nil).Drop(t.Context(), "revenue"); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("a replay has more than 40 steps")
}

func TestTwoReplaysAtOnceAreRefused(t *testing.T) {
	w := newWorldOf(t, defined(t))
	w.produce(20, 70, 1)
	w.archiving(nil)
	w.run(RunOptions{})
	w.declare(defined(t, "price >= 1", "price >= 2"))
	var second error
	r := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-register" {
				_, second = w.runner(nil).Replay(t.Context(), "revenue", ReplayOptions{})
			}
			return nil
		}
	})
	if _, err := r.Replay(t.Context(), "revenue", ReplayOptions{}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(second, lake.ErrLocked) {
		t.Fatalf("the second replay: %v", second)
	}
}

// Definitions with other dimensions have their totals compared; snapshots of other offsets only the periods without records between the two.
func TestOnlyWhatTheDefinitionAloneCanHaveChangedIsCompared(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, defined(t))
	w.produce(300, 78, 3)
	w.archiveAll(nil)
	w.run(RunOptions{})
	first := w.current()
	w.declare(defined(t, "dimensions: [country]", "dimensions: [customer]", "price >= 1", "price >= 20"))
	l := w.replay(ReplayOptions{}).Difference
	if !l.Comparable || l.Changed == 0 {
		t.Fatalf("%+v", l)
	}
	for _, e := range l.Entries {
		if !e.Total || e.Measure == "customers" {
			t.Fatalf("%s", text(&e))
		}
	}

	w.produce(20, 79, 1)
	w.archiveAll(nil)
	w.run(RunOptions{})
	if _, err := w.runner(nil).Rollback(t.Context(), "revenue", first.ID); err != nil {
		t.Fatal(err)
	}
	o := ReplayOptions{Grain: "1d"}
	o.fill()
	l, err := w.runner(nil).difference(t.Context(), first.Definition, w.project.Views[0], &o)
	if err != nil || l.Comparable || !strings.Contains(l.Reason, "records between") || len(l.Entries) == 0 {
		t.Fatalf("%v, %+v", err, l)
	}
	for _, e := range l.Entries {
		if e.Time.Before(day.AddDate(0, 0, 1).Add(-time.Hour)) {
			t.Fatalf("a period that got records: %s", text(&e))
		}
	}

	w.declare(defined(t, "Europe/Berlin", "Asia/Kolkata", "1h, ", ""))
	if l := w.replay(ReplayOptions{}).Difference; l.Comparable || !strings.Contains(l.Reason, "days of the earlier definition") {
		t.Fatalf("%+v", l)
	}
	w.declare(defined(t, "price >= 1", "price > 1000000"))
	if l := w.replay(ReplayOptions{}).Difference; !l.Comparable || l.Changed == 0 || string(l.Entries[0].After) != "null" {
		t.Fatalf("a definition that lets nothing pass: %+v", l)
	}
	if n := l.Classes[ledger.Unexplained]; n != 0 {
		t.Fatalf("%d unexplained", n)
	}
}

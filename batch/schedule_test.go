package batch

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

func TestAScheduleRunsWhatIsDueAndWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 60, 1)
	w.archiveAll(nil)
	s, err := NewSchedule(ScheduleConfig{Runner: w.runner(nil), Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	due := func(cause string, views ...string) {
		t.Helper()
		c, v, err := s.due(t.Context())
		if err != nil || c != cause || !slices.Equal(v, views) {
			t.Errorf("due is %q of %v (%v), not %q of %v", c, v, err, cause, views)
		}
	}
	ask := func(view, cause string) {
		t.Helper()
		if err := w.lake.AskBatch(t.Context(), lake.BatchAsk{View: view, Cause: cause, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	due("") // no snapshot yet, not even the first
	w.current()
	due("schedule") // the first snapshot is of long ago
	s.run(t.Context(), "schedule", nil)
	due("")
	ask("revenue", "live_cells")
	due("live_cells", "revenue")
	ask("gone", "memory")
	due("memory") // of a view that there is no more: a run of all answers it
	s.run(t.Context(), "memory", nil)
	due("")
}

// TestAScheduleDoesNotWaitForADateOfTheFuture: a clock that was hours ahead dated the snapshot, and has been set right since.
func TestAScheduleDoesNotWaitForADateOfTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 62, 1)
	w.archiveAll(nil)
	w.current()
	ahead := 5 * time.Hour
	r := w.runner(func(c *Config) { c.Clock = func() time.Time { return time.Now().Add(ahead) } })
	s, err := NewSchedule(ScheduleConfig{Runner: r, Every: time.Hour, Gap: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context(), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ahead time.Duration
		cause string
	}{{5 * time.Hour, ""}, {5*time.Hour - 30*time.Second, ""}, {0, "schedule"}, {7 * time.Hour, "schedule"}} {
		ahead = c.ahead
		if cause, _, err := s.due(t.Context()); err != nil || cause != c.cause {
			t.Errorf("with a clock %v ahead, due is %q (%v), not %q", c.ahead, cause, err, c.cause)
		}
	}
}

func TestAScheduleDoesNotFollowUponItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(100, 61, 1)
	w.archiveAll(nil)
	w.current()
	ran := make(chan string, 10)
	r := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-cut" || step == "after-drop" {
				ran <- step
			}
			return nil
		}
	})
	s, err := NewSchedule(ScheduleConfig{Runner: r, Every: time.Nanosecond, Gap: time.Hour, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	<-ran
	<-ran
	if err := w.lake.AskBatch(t.Context(), lake.BatchAsk{Cause: "memory", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ran:
		t.Error("a second run begins within the gap")
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	<-ended
}

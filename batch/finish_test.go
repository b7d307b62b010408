package batch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// TestARunThatIsToldToEndFinishesThePublishInHand: nothing that it did has to be done again, and its lock is free.
func TestARunThatIsToldToEndFinishesThePublishInHand(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(100, 63, 1)
	w.archiveAll(nil)
	before := w.current()
	view := w.project.Views[0].Name
	if err := w.lake.AskBatch(t.Context(), lake.BatchAsk{View: view, Cause: "memory", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	report, err := w.runner(func(c *Config) {
		c.Steps = func(step string) error {
			if step == "before-publish" {
				cancel()
			}
			return nil
		}
	}).Run(ctx, RunOptions{Views: []string{view}})
	if err != nil {
		t.Fatal(err)
	}
	if now := w.current(); now.ID == before.ID || now.ID != report.Views[0].Snapshot || strings.Contains(report.Views[0].Note, "not dropped") {
		t.Errorf("CURRENT is %s, before %s: %+v", now.ID, before.ID, report.Views[0])
	}
	if asked, err := w.lake.BatchAsked(t.Context()); err != nil || len(asked) > 0 {
		t.Errorf("the wish stands that the run has answered: %v, %v", asked, err)
	}
	if _, err := w.runner(nil).Run(ctx, RunOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is told to end before it has begun: %v", err)
	}
	if _, err := w.runner(nil).Run(t.Context(), RunOptions{}); err != nil {
		t.Errorf("the run after it: %v", err)
	}
}

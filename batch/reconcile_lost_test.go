package batch

import (
	"errors"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
)

// Redis may lose everything between the look at its epochs and the reading of its cells, and be rebuilt without the epoch that the cut
// began: the epoch from the old boundary on then holds records on both sides of the cut, or not yet all of those below it.
func TestAStateThatWasLostAndRebuiltSinceTheCutIsNotCompared(t *testing.T) {
	w := newWorld(t).withRuns()
	w.produce(30, 11, 1)
	w.speedAt(0, 8) // began at 0 and knows of no cut at 5
	v := w.project.Views[0]
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	j := &job{runner: w.runner(nil), view: v, topic: w.topic, current: w.current(), was: w.current().Cuts, cuts: map[int]lake.Cut{0: {Offset: 5}}, plan: plan}
	c := &comparison{job: j, plan: plan, grain: v.Grains[0]}
	err = c.speed(t.Context(), 0, []period{{unit: "day", name: "2026-03-01", from: day.UnixMicro(), to: day.AddDate(0, 0, 1).UnixMicro()}}, map[string]*cell{})
	var unread *speedError
	if !errors.As(err, &unread) || unread.partition != 0 {
		t.Fatalf("a state without the cut's epoch was compared: %v", err)
	}
}

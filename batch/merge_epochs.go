package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
)

// mergeEpochs takes away the boundaries between epochs that nothing names any more: those of runs that cut and then failed. Without it
// a run that fails every night for a week would leave seven epochs, each with cells of its own for the same hours. A failure is no reason
// to publish nothing: the next run merges what this one could not.
func (j *job) mergeEpochs(ctx context.Context) error {
	r := j.runner
	if err := r.step("before-merge"); err != nil {
		return err
	}
	var err error
	if j.report.Merged, err = j.mergeUnnamed(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j.report.Note = "speed epochs were not merged: " + err.Error()
		r.cfg.Logger.Warn("speed epochs were not merged", "view", j.view.Name, "error", err)
	}
	return r.step("after-merge")
}

// mergeUnnamed merges the closed epochs of every partition whose start nothing names into those before them.
func (j *job) mergeUnnamed(ctx context.Context) (merged int, err error) {
	var named map[int]map[int64]bool // read when there is something to merge: almost never
	for _, p := range slices.Sorted(maps.Keys(newestOf(j.cuts))) {
		g := j.group(p)
		head := j.runner.cfg.Live.Heads(ctx, []live.Group{g})[0]
		if head.Err != nil {
			return merged, head.Err
		}
		if !head.OK || len(head.Starts) < 3 {
			continue
		}
		if named == nil {
			if named, err = j.namedBoundaries(ctx); err != nil {
				return merged, err
			}
		}
		into := head.Starts[0]
		for _, start := range head.Starts[1 : len(head.Starts)-1] {
			if named[p][start] {
				into = start
				continue
			}
			ok, err := j.runner.cfg.Live.Merge(ctx, g, j.was[p].Offset, into, start, j.addCells)
			if err != nil {
				return merged, fmt.Errorf("partition %d: %w", p, err)
			}
			if !ok {
				break // the group changed, or is about to begin afresh
			}
			merged++
		}
	}
	return merged, nil
}

// namedBoundaries are the offsets at which some snapshot that is kept, or some run that may still publish, ends in each partition: this
// one, and those that noted their cut less than Config.OpenRun ago and have not published.
func (j *job) namedBoundaries(ctx context.Context) (map[int]map[int64]bool, error) {
	l, v := j.runner.cfg.Lake, j.view
	named := map[int]map[int64]bool{}
	name := func(p int, offset int64) {
		if named[p] == nil {
			named[p] = map[int64]bool{}
		}
		named[p][offset] = true
	}
	snapshots, _, err := l.Snapshots(ctx, v.Name, v.Hash)
	if err != nil {
		return nil, err
	}
	for _, m := range snapshots {
		cuts, _ := m.CutsOf(j.topic.Incarnation)
		for p, cut := range cuts {
			name(p, cut.Offset)
		}
	}
	open, err := l.OpenRuns(ctx, v.Name, v.Hash, j.options.Now.Add(-j.runner.cfg.OpenRun))
	if err != nil {
		return nil, err
	}
	open[j.options.RunID] = lake.RunCut{Topic: j.topic, Cuts: newestOf(j.cuts)}
	for _, run := range open {
		if run.Topic != j.topic {
			continue // it can publish no more
		}
		for p, cut := range run.Cuts {
			name(p, cut.Offset)
		}
	}
	return named, nil
}

// addCells is the sum of two cells of the view, as live.Merge asks for it.
func (j *job) addCells(dst, a, b []byte) ([]byte, error) {
	sum, more := j.plan.New(), j.plan.New()
	if err := errors.Join(j.plan.Decode(a, sum), j.plan.Decode(b, more)); err != nil {
		return nil, err
	}
	j.plan.Merge(sum, more)
	return j.plan.Append(dst, sum), nil
}

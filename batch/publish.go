package batch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/lake"
)

// publish makes what was computed the snapshot that answers rest on, unless CURRENT moved meanwhile, and lets go of the epochs that
// nobody needs any more. Begun it is finished although ctx ends.
func (j *job) publish(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	r := j.runner
	if err := r.step("before-publish"); err != nil {
		return err
	}
	m := lake.Manifest{
		View: j.view.Name, Definition: j.view.Hash, Run: j.options.RunID, Created: j.options.Now, Topic: j.topic, Cuts: newestOf(j.cuts),
		Files: j.allFiles(), Ledger: j.ledger, Parent: j.current.ID, Full: j.options.Full,
		Events: j.counts.events, Duplicates: j.counts.duplicates, Late: j.counts.late, Dead: j.counts.dead,
		Erasures: len(j.erasures), Erased: j.counts.erased, ErasedDead: j.counts.erasedDead,
	}
	missing := j.allMissing()
	m.Earlier = j.earlierOf(j.cuts, missing)
	for slot, gaps := range missing {
		if newest(slot) {
			if m.Missing == nil {
				m.Missing = map[int][][2]int64{}
			}
			m.Missing[slot] = gaps
		}
	}
	j.options.Progress(Step{Phase: "publish", View: j.view.Name})
	published, tag, err := r.cfg.Lake.Publish(ctx, m, j.tag)
	if err != nil {
		return err
	}
	j.report.describe(published)
	j.report.Periods, j.report.NewFiles = len(j.periods), len(j.files)
	if err := r.step("after-publish"); err != nil {
		return err
	}
	j.options.Progress(Step{Phase: "drop", View: j.view.Name})
	if j.report.Dropped, err = r.drop(ctx, j, published, tag); err != nil {
		// The snapshot stands. The next run drops what this one could not.
		j.report.Note = "speed epochs were not dropped: " + err.Error()
		r.cfg.Logger.Warn("speed epochs were not dropped", "view", j.view.Name, "error", err)
	}
	return r.step("after-drop")
}

// allFiles are the files of the snapshot: those of the one before whose periods have not changed, and those computed now.
func (j *job) allFiles() []lake.ViewFile {
	files := slices.Clone(j.files)
	if !j.options.Full && j.current.Run != lake.FirstRun {
		computed := map[[2]string]bool{}
		for _, p := range j.periods {
			computed[[2]string{p.unit, p.name}] = true
		}
		for _, f := range j.current.Files {
			if !computed[[2]string{f.Unit, f.Period}] {
				files = append(files, f)
			}
		}
	}
	slices.SortFunc(files, func(a, b lake.ViewFile) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Period, b.Period))
	})
	return files
}

// drop forgets the speed epochs below the oldest snapshot that promises an instant rollback, and where Redis is short of memory all below
// the current one: a rollback then takes the speed layer a while, but Redis goes on taking what comes (docs/adr/0013).
func (r *Runner) drop(ctx context.Context, j *job, current *lake.Manifest, tag lake.Tag) (dropped int, err error) {
	promised, err := r.promised(ctx, j.view.Name, j.view.Hash, tag)
	if err != nil {
		return 0, err
	}
	if memory, err := r.cfg.Live.Memory(ctx); err != nil {
		return 0, err
	} else if memory.High() && len(promised) > 0 {
		promised = nil
		r.cfg.Logger.Warn("a rollback will not be instant: memory is freed", "view", j.view.Name, "memory", memory.String())
	}
	for _, p := range slices.Sorted(maps.Keys(current.Cuts)) {
		v := current.Cuts[p].Offset
		below := v
		for _, m := range promised {
			cuts, _ := m.CutsOf(current.Topic.Incarnation)
			below = min(below, cuts[p].Offset)
		}
		gone, _, err := r.cfg.Live.Drop(ctx, j.group(p), v, below)
		if err != nil {
			return dropped, fmt.Errorf("partition %d: %w", p, err)
		}
		dropped += len(gone)
	}
	return dropped, r.forget(ctx, j, promised)
}

// forget drops what the speed layer holds of lives that are over: the current snapshot covers them to their ends, and so does each one that
// promises an instant rollback.
func (r *Runner) forget(ctx context.Context, j *job, promised []*lake.Manifest) error {
	return j.eachPast(func(life *lake.Life, slot int) error {
		for _, m := range promised {
			if m.Topic.Incarnation <= life.Incarnation {
				return nil
			}
		}
		if _, err := r.cfg.Live.Forget(ctx, j.group(slot)); err != nil {
			return fmt.Errorf("%s: %w", j.label(slot), err)
		}
		return nil
	})
}

// promised returns the snapshots, besides the current one, to which a rollback has to be instant: the last ones that were published before it.
func (r *Runner) promised(ctx context.Context, view, definition string, tag lake.Tag) ([]*lake.Manifest, error) {
	snapshots, current, err := r.cfg.Lake.Snapshots(ctx, view, definition)
	if err != nil {
		return nil, err
	}
	if current.Sequence != tag.Sequence() {
		return nil, fmt.Errorf("snapshot %s was published meanwhile", current.Snapshot)
	}
	byID := map[string]*lake.Manifest{}
	for _, m := range snapshots {
		byID[m.ID] = m
	}
	delete(byID, current.Snapshot)
	var promised []*lake.Manifest
	for i := len(current.History) - 1; i >= 0 && len(promised) < r.cfg.Project.Batch.InstantRollbacks; i-- {
		if m := byID[current.History[i].Snapshot]; m != nil {
			promised = append(promised, m)
			delete(byID, m.ID)
		}
	}
	return promised, nil
}

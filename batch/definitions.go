package batch

import (
	"context"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// Role is what a definition of a view is in use for. A run computes all of them, so that each stays exact while answers may come from it.
type Role string

// The roles.
const (
	Answering Role = "answering" // answers come from it
	Pending   Role = "pending"   // it was rebuilt beside, for answers to come from
	Previous  Role = "previous"  // answers came from it before, and can again in one step
)

func roleOf(a lake.Active, hash string) Role {
	switch hash {
	case a.Definition:
		return Answering
	case a.Pending:
		return Pending
	}
	return Previous
}

// definitionsOf returns the definitions of a view that are in use; where nothing was noted yet the project's is made the one that answers.
func (r *Runner) definitionsOf(ctx context.Context, declared *view.View) (lake.Definitions, error) {
	if _, _, err := r.cfg.Lake.EnsureActive(ctx, declared); err != nil {
		return lake.Definitions{}, err
	}
	return r.cfg.Lake.Definitions(ctx, declared)
}

// answering returns the definition that answers of a view come from.
func (r *Runner) answering(ctx context.Context, declared *view.View) (*view.View, error) {
	d, err := r.definitionsOf(ctx, declared)
	if err == nil && d.Answering() == nil {
		err = d.Refused
	}
	return d.Answering(), err
}

// jobs makes a job of each definition in use of some views. What cannot be worked on is a job that has failed.
func (r *Runner) jobs(ctx context.Context, views []*view.View, o *RunOptions) []*job {
	var jobs []*job
	for _, declared := range views {
		d, err := r.definitionsOf(ctx, declared)
		if err == nil {
			err = d.Refused
		}
		var answering *job // comes first
		for _, v := range d.Views {
			j := r.newJob(v, roleOf(d.Active, v.Hash), o)
			j.beside = answering
			if j.role == Answering {
				if answering = j; v != d.Declared {
					j.report.Declared = d.Declared.Hash
				}
			}
			jobs = append(jobs, j)
		}
		if err != nil {
			jobs = append(jobs, &job{runner: r, options: o, view: declared, err: err, report: ViewReport{View: declared.Name}})
		}
	}
	return jobs
}

func (r *Runner) newJob(v *view.View, role Role, o *RunOptions) *job {
	return &job{runner: r, options: o, view: v, role: role, report: ViewReport{View: v.Name, Definition: v.Hash, Role: role}}
}

// sweep removes from Redis what it holds of definitions of a view that are not in use, and says how many chunks that were.
func (r *Runner) sweep(ctx context.Context, name string, a lake.Active) (chunks int, err error) {
	forgotten, err := r.cfg.Lake.Forgotten(ctx, name, a)
	if err != nil {
		return 0, err
	}
	for _, hash := range forgotten {
		n, err := r.forgetLive(ctx, name, hash)
		chunks += n
		if err != nil {
			return chunks, err
		}
	}
	return chunks, nil
}

// forgetLive removes what Redis holds of a view under a definition, in each life of its topic.
func (r *Runner) forgetLive(ctx context.Context, name, hash string) (chunks int, err error) {
	m, _, err := r.cfg.Lake.Current(ctx, name, hash)
	if err != nil {
		return 0, err
	}
	lives, err := r.cfg.Lake.Lives(ctx, m.Topic.Name)
	if err != nil {
		return 0, err
	}
	partitions := 0
	if seen, err := r.cfg.Stream.Topic(ctx, m.Topic.Name); err == nil {
		partitions = len(seen.Partitions) // some came after the snapshot
	}
	for p := range m.Cuts {
		partitions = max(partitions, p+1)
	}
	for _, life := range lives {
		for p := range max(partitions, life.Partitions) {
			n, err := r.cfg.Live.Forget(ctx, r.groupOf(life.Topic, p, name, hash))
			chunks += n
			if err != nil {
				return chunks, err
			}
		}
	}
	return chunks, nil
}

// sweepAll is sweep for the views of a run. What is left stays for the next.
func (r *Runner) sweepAll(ctx context.Context, views []*view.View) {
	for _, v := range views {
		a, _, err := r.cfg.Lake.Active(ctx, v.Name)
		if err == nil {
			_, err = r.sweep(ctx, v.Name, a)
		}
		if err != nil {
			r.cfg.Logger.Warn("the speed state of definitions that are not in use was not removed", "view", v.Name, "error", err)
		}
	}
}

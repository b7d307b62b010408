package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// EraseOptions say which records of a source are forgotten, and how.
type EraseOptions struct {
	Source   string // by name
	Where    string // SQL over the source's columns, as a view's `where`; "" = no events
	Contains string // dead letters whose key, value or detail contains this text; "" = none by their bytes
	AllDead  bool   // all dead letters of the source
	DryRun   bool   // only tell what there is
	Now      time.Time
	Progress func(Step) // is told what is being done; must not block. May be nil.
}

// ErrCondition says that what is to be erased is not said in a way that can be carried out.
var ErrCondition = errors.New("cannot erase")

// eraseRounds is how often a view is computed again because its boundary did not come above the erased records: Redis was lost meanwhile.
const eraseRounds = 3

// erasing is the carrying out of all open erasures of a topic.
type erasing struct {
	runner   *Runner
	options  *EraseOptions
	source   *view.Source
	topic    lake.Topic
	starts   map[int]int64 // of the log
	erasures []lake.Erasure
	report   *EraseReport
	files    *eraseFiles
}

// Erase forgets records for good: in the lake, in the views, in Redis. A run that was stopped is finished by the next one, whatever that is
// asked to erase, so that the same command again goes on with it. It takes the batch's lock: lake.ErrLocked while a batch runs.
//
// Order (each step may be the last of a process): tombstone, views computed without the records and published, older snapshots expired, older
// epochs dropped, chunks revised, dead letters with them, versions of tables revised, a look at all of it, and only then the tombstone says that it is done.
func (r *Runner) Erase(ctx context.Context, o EraseOptions) (EraseReport, error) {
	began := time.Now()
	if o.Now.IsZero() {
		o.Now = began
	}
	if o.Progress == nil {
		o.Progress = func(Step) {}
	}
	report := EraseReport{Source: o.Source, DryRun: o.DryRun, Dates: []string{}, Views: []ErasedView{}, Remains: []string{}}
	src := sourceOf(r.cfg.Project, o.Source)
	if err := r.checkErase(ctx, src, &o); err != nil {
		return report, err
	}
	err := r.locked(ctx, "erasure", func(ctx context.Context) (err error) {
		if err := r.cfg.Lake.CheckNewest(ctx, src); err != nil {
			return fmt.Errorf("its condition has to be over every column that the lake holds: %w", err)
		}
		x := &erasing{runner: r, options: &o, source: src, report: &report}
		if x.topic, x.starts, err = r.topic(ctx, src.Topic); err != nil {
			return err
		}
		if x.files, err = newEraseFiles(ctx, x); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, x.files.close()) }()
		if o.DryRun {
			return x.look(ctx)
		}
		return x.carryOut(ctx)
	})
	report.Seconds = time.Since(began).Seconds()
	if err != nil {
		return report, fmt.Errorf("erase from source %s: %w", o.Source, err)
	}
	return report, nil
}

// checkErase binds the condition as a view's filter is bound.
func (r *Runner) checkErase(ctx context.Context, src *view.Source, o *EraseOptions) error {
	switch {
	case src == nil:
		names := make([]string, len(r.cfg.Project.Sources))
		for i, s := range r.cfg.Project.Sources {
			names[i] = s.Name
		}
		return fmt.Errorf("%w: no source %q: there are %s", ErrCondition, o.Source, strings.Join(names, ", "))
	case o.Where == "" && o.Contains == "" && !o.AllDead:
		return fmt.Errorf("%w: give a condition over the columns of source %s, or which dead letters to erase", ErrCondition, src.Name)
	case o.Where == "":
		return nil
	}
	if err := engine.CheckCondition(ctx, src, o.Where); err != nil {
		return fmt.Errorf("%w: %w", ErrCondition, err)
	}
	return nil
}

// carryOut takes the erasures of the topic from wherever they stand to their end.
func (x *erasing) carryOut(ctx context.Context) error {
	if err := x.mark(ctx); err != nil {
		return err
	}
	if err := x.runner.step("after-tombstone"); err != nil {
		return err
	}
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"recompute", x.recompute}, {"expire", x.expire}, {"drop-epochs", x.dropEpochs}, {"revise", x.revise}, {"tables", x.reviseTables}, {"verify", x.verify}, {"finish", x.finish},
	} {
		x.options.Progress(Step{Phase: phase.name})
		if err := phase.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ReplaceAll(phase.name, "-", " "), err)
		}
		if err := x.runner.step("after-" + phase.name); err != nil {
			return err
		}
	}
	return nil
}

// mark makes the tombstone, unless one for the same records is open, and reads all that are open. Its bound is where the log ends now; the
// archive has come there before the tombstone stands, so that whatever lies below a bound is in the lake.
func (x *erasing) mark(ctx context.Context) error {
	l, o := x.runner.cfg.Lake, x.options
	all, err := l.Erasures(ctx, x.topic.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(e lake.Erasure) bool { return e.Open() && e.Asks(x.source.Name, o.Where, o.Contains, o.AllDead) })
	if i >= 0 {
		x.report.Erasure, x.report.Resumed = all[i].Number, true
	} else {
		below, err := x.archived(ctx)
		if err != nil {
			return err
		}
		if err := l.PutDefinition(ctx, x.source.Hash(), x.source.Canonical()); err != nil {
			return err
		}
		if err := x.runner.step("before-tombstone"); err != nil {
			return err
		}
		e, err := l.PutErasure(ctx, lake.Erasure{Source: x.source.Name, Definition: x.source.Hash(), Topic: x.topic, Below: below, Where: o.Where, Contains: o.Contains,
			AllDead: o.AllDead, By: x.runner.cfg.Owner, Asked: o.Now})
		if err != nil {
			return err
		}
		x.report.Erasure = e.Number
		all = append(all, *e)
	}
	x.erasures = all
	x.report.Below = all[x.report.Erasure-1].Below
	return nil
}

// open calls f for each erasure that is not done.
func (x *erasing) open(f func(e *lake.Erasure) error) error {
	for i := range x.erasures {
		if e := &x.erasures[i]; e.Open() {
			if err := f(e); err != nil {
				return fmt.Errorf("erasure %d: %w", e.Number, err)
			}
		}
	}
	return nil
}

// archived waits until the archive has come to where the log ends now, and returns that.
func (x *erasing) archived(ctx context.Context) (map[int]int64, error) {
	r := x.runner
	ends := map[int]int64{}
	for p := range x.starts {
		var err error
		if _, ends[p], err = r.cfg.Stream.Bounds(ctx, x.topic.Name, p); err != nil {
			return nil, err
		}
	}
	if err := r.step("before-ask"); err != nil {
		return nil, err
	}
	if err := r.cfg.Lake.AskClose(ctx, x.topic, ends); err != nil {
		return nil, err
	}
	err := r.patiently(ctx, func() (string, error) {
		behind, worst, at, err := r.behind(ctx, x.topic, ends, x.starts)
		if err != nil || behind == 0 {
			return "", err
		}
		x.options.Progress(Step{Phase: "wait", Total: behind, Note: fmt.Sprintf("the archive of %s is %d records behind", x.topic.Name, behind)})
		return fmt.Sprintf("the archive is at offset %d of partition %d of topic %s and has to reach %d (%d records behind in all); does `caudal run archive` run?",
			at, worst, x.topic.Name, ends[worst], behind), nil
	})
	return ends, err
}

// patiently asks until there is nothing more to wait for, or for as long as a batch waits for the archive.
func (r *Runner) patiently(ctx context.Context, missing func() (what string, err error)) error {
	limit := r.cfg.Project.Batch.ArchiveWait
	if limit <= 0 {
		limit = 10 * time.Minute
	}
	began, poll := time.Now(), firstPoll
	for {
		what, err := missing()
		if err != nil || what == "" {
			return err
		}
		if time.Since(began) >= limit {
			return fmt.Errorf("after %s %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
		poll = min(2*poll, lastPoll)
	}
}

// jobs makes a job of each definition in use that reads the topic, under whichever definition of its source.
func (x *erasing) jobs(ctx context.Context, o *RunOptions) (jobs []*job, err error) {
	for _, j := range x.runner.jobs(ctx, x.runner.cfg.Project.Views, o) {
		if j.err != nil {
			return nil, j.err
		}
		if j.view.Source.Topic == x.topic.Name {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// views are the definitions in use that read the topic.
func (x *erasing) views(ctx context.Context) (views []*view.View, err error) {
	jobs, err := x.jobs(ctx, &RunOptions{})
	for _, j := range jobs {
		views = append(views, j.view)
	}
	return views, err
}

// without says whether a snapshot holds nothing of any erasure.
func (x *erasing) without(m *lake.Manifest) bool {
	return !slices.ContainsFunc(x.erasures, func(e lake.Erasure) bool { return !m.WithoutErased(&e) })
}

// recompute publishes every view of the source without the records, with its boundary above them. What a run leaves out follows from the
// tombstones, so that it is a run like any other; the ledger has a class for what it changes.
func (x *erasing) recompute(ctx context.Context) error {
	r := x.runner
	for round := 1; ; round++ {
		var due []*view.View
		views, err := x.views(ctx)
		if err != nil {
			return err
		}
		for _, v := range views {
			m, _, err := r.cfg.Lake.EnsureFirst(ctx, v.Name, v.Hash, x.topic, x.starts, x.options.Now)
			if err != nil {
				return err
			}
			if !x.without(m) {
				due = append(due, v)
			}
		}
		if len(due) == 0 {
			return nil
		}
		if round > eraseRounds {
			return fmt.Errorf("view %s is published below the erased records still, after %d runs: does the speed layer lose its state? Run the same command again", due[0].Name, eraseRounds)
		}
		if err := x.awaitSpeed(ctx, due); err != nil {
			return err
		}
		id, err := x.runID(ctx, due)
		if err != nil {
			return err
		}
		o := &RunOptions{RunID: id, Now: x.options.Now, Progress: x.options.Progress}
		jobs, err := x.jobs(ctx, o)
		if err != nil {
			return err
		}
		jobs = slices.DeleteFunc(jobs, func(j *job) bool { return !slices.Contains(due, j.view) })
		r.carryOut(ctx, jobs, o)
		var failed error
		for _, j := range jobs {
			if j.err != nil {
				failed = errors.Join(failed, fmt.Errorf("view %s: %w", j.view.Name, j.err))
				continue
			}
			x.report.view(j.view.Name).ran(&j.report)
		}
		if failed != nil {
			return failed
		}
	}
}

// runID names the next run of the erasure: the first that has made no cut. One that was stopped is not carried on, as its boundary may lie below
// the records.
func (x *erasing) runID(ctx context.Context, views []*view.View) (string, error) {
	for n := 1; ; n++ {
		id, free := fmt.Sprintf("erase-%d-%d", len(x.erasures), n), true
		for _, v := range views {
			_, err := x.runner.cfg.Lake.RunCut(ctx, v.Name, v.Hash, id)
			if err != nil && !errors.Is(err, lake.ErrNotFound) {
				return "", err
			}
			free = free && err != nil
		}
		if free {
			return id, nil
		}
	}
}

// awaitSpeed waits until what the speed layer holds of the views has come above the erased records: the boundary of a run is where it stands.
func (x *erasing) awaitSpeed(ctx context.Context, views []*view.View) error {
	highest := map[int]int64{}
	for i := range x.erasures {
		for p, below := range x.erasures[i].Below {
			if e := &x.erasures[i]; e.Topic == x.topic && !e.DeadOnly {
				highest[p] = max(highest[p], below)
			}
		}
	}
	return x.runner.patiently(ctx, func() (string, error) {
		for _, v := range views {
			for p, below := range highest {
				m, ok, err := x.runner.cfg.Live.Peek(ctx, x.runner.groupOf(x.topic, p, v.Name, v.Hash))
				if err != nil {
					return "", err
				}
				if ok && m.Off < below {
					what := fmt.Sprintf("the speed layer holds view %s of partition %d up to offset %d and has to reach %d", v.Name, p, m.Off, below)
					x.options.Progress(Step{Phase: "wait", View: v.Name, Note: what})
					return what + "; does `caudal run speed` run?", nil
				}
			}
		}
		return "", nil
	})
}

// verify looks again for every record that is to be gone.
func (x *erasing) verify(ctx context.Context) error {
	return x.open(func(e *lake.Erasure) error {
		left := &found{}
		if err := x.files.each(ctx, e, func(g *group) error { return left.add(g) }); err != nil {
			return err
		}
		tables, err := x.inTables(ctx, e)
		if err != nil {
			return err
		}
		x.report.Left += left.events + left.dead + tables
		x.report.DeadKept = left.letters
		if left.events+left.dead+tables > 0 {
			return fmt.Errorf("%d events and %d dead letters are still in the lake, and %d rows in tables; run the same command again", left.events, left.dead, tables)
		}
		return nil
	})
}

// finish says in the tombstones that they are done, and what the erasure cannot reach.
func (x *erasing) finish(ctx context.Context) error {
	if err := x.remains(ctx); err != nil {
		return err
	}
	return x.open(func(e *lake.Erasure) error { return x.runner.cfg.Lake.FinishErasure(ctx, e, x.options.Now) })
}

package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// job is one view of a run, under one definition. Everything is planned relative to the CURRENT that begin read (SEAM 8).
type job struct {
	runner  *Runner
	options *RunOptions
	view    *view.View
	role    Role
	beside  *job // of the definition that answers come from: its cut is taken where the speed layer holds nothing of this one. Nil of that one itself
	report  ViewReport
	err     error // the first failure; set once
	done    bool  // the run had published this view before

	plan     *algebra.Plan
	topic    lake.Topic       // its newest life
	past     []lake.Life      // those before it, oldest first
	starts   map[int]int64    // of the log, by partition; the partitions are those of Kafka's metadata
	current  *lake.Manifest   //
	tag      lake.Tag         //
	was      map[int]lake.Cut // V of current, by slot
	between  map[int][2]int64 // by slot: what nobody has computed below V of current; see lake.Manifest.Uncomputed
	cuts     map[int]lake.Cut // V of this run, by slot
	tails    map[int]int64    // of lives that are over, by slot: records below it the speed layer had counted
	erasures []lake.Erasure   // of the topic, all; what follows leaves their records out

	chunks  map[int][]lake.Chunk // committed ones, by slot
	periods []period             // to compute
	counts  records              // below the cuts
	repeats *repeats             // nil unless the source says batch_dedup: full, or an erasure is open
	missing map[int][][2]int64   // by slot: offsets below the cuts that retention took before they were archived
	lost    map[int]int64        // by slot: how many of them answers hold until this publish
	files   []lake.ViewFile      // computed by this run
	ledger  []lake.ViewFile
}

// do calls f unless the job has failed, or was done before.
func (j *job) do(f func() error) {
	if j.err == nil && !j.done {
		j.err = f()
	}
}

// traced is do for a phase that is told of within the trace of the run.
func (j *job) traced(ctx context.Context, phase string, f func(context.Context) error) {
	j.do(func() error {
		ctx, end := j.runner.cfg.Trace.Within(ctx, "batch "+phase, "caudal.view", j.view.Name)
		err := f(ctx)
		end(err)
		return err
	})
}

// sameSource says whether both read the same columns of the same records, and leave out the same repeats.
func (j *job) sameSource(other *job) bool {
	a, b := j.view.Source, other.view.Source
	return a == b || a.FullDedup == b.FullDedup && a.Hash() == b.Hash()
}

// bySource groups jobs by the source that they read, in the order of the first of each.
func bySource(jobs []*job) [][]*job {
	var groups [][]*job
	for _, j := range jobs {
		i := slices.IndexFunc(groups, func(g []*job) bool { return g[0].sameSource(j) })
		if i < 0 {
			groups = append(groups, []*job{j})
		} else {
			groups[i] = append(groups[i], j)
		}
	}
	return groups
}

// begin reads CURRENT, and finds the topic's life and partitions.
func (j *job) begin(ctx context.Context) error {
	r := j.runner
	var err error
	if j.plan, err = algebra.Compile(j.view); err != nil {
		return err
	}
	if j.topic, j.starts, err = r.topic(ctx, j.view.Source.Topic); err != nil {
		return err
	}
	if j.erasures, err = r.cfg.Lake.Erasures(ctx, j.topic.Name); err != nil {
		return err
	}
	if slices.Contains(r.cfg.Project.Views, j.view) {
		if err := r.cfg.Lake.PutView(ctx, j.view); err != nil {
			return err
		}
	}
	j.current, j.tag, err = r.cfg.Lake.EnsureFirst(ctx, j.view.Name, j.view.Hash, j.topic, j.starts, j.options.Now)
	if err != nil {
		return err
	}
	if j.current.Topic.Incarnation > j.topic.Incarnation {
		return fmt.Errorf("snapshot %s is of %s, and the brokers still show %s", j.current.ID, j.current.Topic, j.topic)
	}
	j.was = j.slots(j.current.Topic, j.current.Cuts, j.current.Earlier)
	j.between = map[int][2]int64{}
	for p, offsets := range j.current.Uncomputed {
		j.between[j.slot(j.current.Topic.Incarnation, p)] = offsets
	}
	snapshots, _, err := r.cfg.Lake.Snapshots(ctx, j.view.Name, j.view.Hash)
	if err != nil {
		return err
	}
	for _, m := range snapshots {
		if m.Run == j.options.RunID {
			j.done = true
			j.report.describe(m)
			j.report.Note = "this run had published it before"
		}
	}
	return j.lives(ctx, snapshots)
}

// topic returns the life of a topic that the brokers show, and where the log of each partition starts.
func (r *Runner) topic(ctx context.Context, name string) (lake.Topic, map[int]int64, error) {
	seen, t, err := lifeOf(ctx, r.cfg.Project, r.cfg.Stream, r.cfg.Lake, name)
	if err != nil {
		return lake.Topic{}, nil, err
	}
	starts := map[int]int64{}
	for _, p := range seen.Partitions {
		if starts[p], _, err = r.cfg.Stream.Bounds(ctx, name, p); err != nil {
			return lake.Topic{}, nil, err
		}
	}
	return t, starts, nil
}

// group is the unit of the seam that a slot of the job is.
func (j *job) group(slot int) live.Group {
	of, partition := j.unslot(slot)
	return j.runner.groupOf(of, partition, j.view.Name, j.view.Hash)
}

func (r *Runner) groupOf(t lake.Topic, partition int, view, hash string) live.Group {
	return live.Group{Project: r.cfg.Project.Name, Topic: t.Name, Incarnation: t.Incarnation, Partition: partition, View: view, Hash: hash}
}

// cut ends the speed layer's epochs and fixes V, once per run: a run that is begun again uses the V of the first time.
func (j *job) cut(ctx context.Context) error {
	r := j.runner
	if err := r.step("before-cut"); err != nil {
		return err
	}
	cut, err := r.cfg.Lake.RunCut(ctx, j.view.Name, j.view.Hash, j.options.RunID)
	if errors.Is(err, lake.ErrNotFound) {
		cut, err = j.newCut(ctx)
	}
	if err != nil {
		return err
	}
	if cut.Topic != j.topic {
		return fmt.Errorf("run %s has cut %s: %w", j.options.RunID, cut.Topic, errNewLife)
	}
	j.cuts = j.slots(cut.Topic, cut.Cuts, cut.Earlier)
	for _, past := range cut.Earlier {
		for p, gaps := range past.Missing {
			j.tails[j.slot(past.Incarnation, p)] = gaps[len(gaps)-1][1]
		}
	}
	return r.step("after-cut")
}

func (j *job) newCut(ctx context.Context) (lake.RunCut, error) {
	r := j.runner
	if j.beside != nil && j.beside.err != nil {
		return lake.RunCut{}, fmt.Errorf("the definition that answers come from was not cut: %w", j.beside.err)
	}
	cuts := maps.Clone(j.was) // V never goes back, nor loses a partition
	if err := j.cutPast(ctx, cuts); err != nil {
		return lake.RunCut{}, err
	}
	for p := range j.starts {
		off, at, ok, err := r.cfg.Live.Cut(ctx, j.group(p))
		if err != nil {
			return lake.RunCut{}, err
		}
		switch {
		case ok:
		case j.beside != nil && j.beside.cuts != nil && j.sameSource(j.beside):
			// Whoever has the partition in use goes on from there; what the intake had seen is the same for both.
			off, at = j.beside.cuts[p].Offset, j.beside.cuts[p].Progress
		default:
			// Speed holds nothing of the partition, so the boundary may stand where the archive does.
			if off, at, _, err = r.cfg.Lake.Next(ctx, j.topic, p); err != nil {
				return lake.RunCut{}, err
			}
		}
		before, known := j.was[p]
		if !known || off > before.Offset {
			if off < 0 {
				off, at = 0, intake.Start() // nothing is archived of a partition that came later: its log began at 0
			}
			cuts[p] = lake.Cut{Offset: off, Progress: at}
		}
	}
	if err := r.step("after-live-cut"); err != nil {
		return lake.RunCut{}, err
	}
	j.cuts = cuts
	return r.cfg.Lake.PutRunCut(ctx, j.view.Name, j.view.Hash, j.options.RunID,
		lake.RunCut{Topic: j.topic, Cuts: newestOf(cuts), Earlier: j.earlierOf(cuts, j.allMissing())})
}

// begun is the offset from which a slot's records are the job's: those of the current snapshot are covered already. A first
// snapshot covers nothing, but says where the log began when it was made; the lake may reach further back.
func (j *job) begun(slot int) int64 {
	if j.options.Full || j.current.Run == lake.FirstRun {
		return 0
	}
	return j.was[slot].Offset
}

// How often the archive is looked at while a run waits for it.
const (
	firstPoll = 50 * time.Millisecond
	lastPoll  = time.Second
)

// wait asks the archive to close its chunks up to the cut, and returns when it has. The jobs are of one source.
func (r *Runner) wait(ctx context.Context, jobs []*job, o *RunOptions) {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.err != nil || j.done })
	if len(jobs) == 0 {
		return
	}
	err := r.await(ctx, jobs, o)
	for _, j := range jobs {
		j.do(func() error { return err })
		j.do(func() error { return j.readChunks(ctx) })
	}
}

// archiveWait is how long another layer is waited for.
func (r *Runner) archiveWait() time.Duration {
	if limit := r.cfg.Project.Batch.ArchiveWait; limit > 0 {
		return limit
	}
	return 10 * time.Minute
}

func (r *Runner) await(ctx context.Context, jobs []*job, o *RunOptions) error {
	t := jobs[0].topic
	want := map[int]int64{}
	for _, j := range jobs {
		if j.topic != t {
			return errNewLife
		}
		for p, cut := range newestOf(j.cuts) {
			// What a computed snapshot covers the archive has reached long ago.
			if before, ok := j.was[p]; !ok || cut.Offset > before.Offset || j.current.Run == lake.FirstRun {
				want[p] = max(want[p], cut.Offset)
			}
		}
	}
	if err := r.step("before-ask"); err != nil {
		return err
	}
	if len(want) > 0 {
		if err := r.cfg.Lake.AskClose(ctx, t, want); err != nil {
			return err
		}
	}
	begin, err := r.cfg.Lake.Begin(ctx, t)
	if err != nil {
		return err
	}
	limit, began, poll := r.archiveWait(), time.Now(), firstPoll
	for {
		behind, worst, at, err := r.behind(ctx, t, want, begin)
		if err != nil {
			return err
		}
		if behind == 0 {
			return r.step("after-wait")
		}
		if err := r.stillNewest(ctx, t); err != nil {
			return err
		}
		if time.Since(began) >= limit {
			return fmt.Errorf("wait for the archive: after %s it is at offset %d of partition %d of topic %s and has to reach %d (%d records behind in all); does `caudal run archive` run?",
				limit, at, worst, t.Name, want[worst], behind)
		}
		o.Progress(Step{Phase: "wait", Total: behind, Note: fmt.Sprintf("the archive of %s is %d records behind the cut", t.Name, behind)})
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
		poll = min(2*poll, lastPoll)
	}
}

// behind is how many records the archive lacks up to the offsets wanted, and the partition that lacks most, with its position.
func (r *Runner) behind(ctx context.Context, t lake.Topic, want, begin map[int]int64) (sum int64, worst int, at int64, err error) {
	most := int64(0)
	for _, p := range slices.Sorted(maps.Keys(want)) {
		next, _, _, err := r.cfg.Lake.Next(ctx, t, p)
		if err != nil {
			return 0, 0, 0, err
		}
		if next < 0 {
			next = begin[p]
		}
		if lacks := want[p] - next; lacks > 0 {
			sum += lacks
			if lacks > most {
				most, worst, at = lacks, p, next
			}
		}
	}
	return sum, worst, at, nil
}

// readChunks reads what the lake holds of the topic below the cuts.
func (j *job) readChunks(ctx context.Context) error {
	j.chunks = map[int][]lake.Chunk{}
	for slot, cut := range j.cuts {
		of, partition := j.unslot(slot)
		chunks, err := j.runner.cfg.Lake.Chunks(ctx, of, partition, 0)
		if err != nil {
			return err
		}
		for i, c := range chunks {
			if c.First >= cut.Offset {
				chunks = chunks[:i]
				break
			}
		}
		j.chunks[slot] = chunks
	}
	return nil
}

package batch

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
)

// Config says what a runner works on. Zero values of the optional fields are defaults.
type Config struct {
	Project  *view.Project
	Stream   *stream.Client
	Lake     *lake.Lake
	Live     *live.Redis
	Engine   engine.Options // memory and threads default to those of Project.Batch
	Logger   *slog.Logger   // default: slog.Default
	Trace    *trace.Tracer  // nil: nobody is told of traces
	TrinoTLS *tls.Config    // of Project.Batch.Trino; nil: the machine's trust
	TempDir  string         // for view files on their way into the lake; default: the system's
	Owner    string         // how the lock names this process; default: host and process id
	// RowsPerLoad bounds the source rows that are computed together; a single period may exceed it. Default: as many as the engine's
	// memory holds the exact distinct counts of, at bytesPerRow each.
	RowsPerLoad int64
	// LockTTL is how long the lock of a run holds without being renewed, and so how long a crashed run blocks the next (half as long again: see
	// lake.Lock). It is renewed four times within, and a run that cannot for three quarters of it gives up: 40 s, the default, bear a request to the lake
	// that hangs for its 15 s. Shorter ones end runs over a stall that is no more than that.
	LockTTL time.Duration
	// OpenRun is how long a run that noted its cut and has not published may still be carried on; the boundaries of older ones are
	// forgotten. To carry such a run on all the same does no harm: its answers are partial until speed has rebuilt its state. Default 1 h.
	OpenRun time.Duration
	// Clock is the machine's, which may be wrong and may jump: it names runs and dates snapshots, and tells whether a lock may be held
	// still. Default time.Now.
	Clock func() time.Time
	// EndedWait is how long a run that finds a life of a topic over waits for the records that the archive had read of it, and the speed
	// layer counted; default 10 s.
	EndedWait time.Duration
	// Steps is called between every two steps of a run; an error that it returns ends the run there, as a crash would. For tests.
	Steps func(step string) error
}

// bytesPerRow is what a row of a load costs DuckDB at its peak, measured with nine distinct counts over two grouping sets: each keeps its
// value for each of the cells that the row falls into.
const bytesPerRow = 4096

func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LockTTL == 0 {
		c.LockTTL = 40 * time.Second
	}
	if c.OpenRun == 0 {
		c.OpenRun = time.Hour
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.EndedWait == 0 {
		c.EndedWait = 10 * time.Second
	}
	if c.Steps == nil {
		c.Steps = func(string) error { return nil }
	}
	if c.Engine.MemoryLimit == "" {
		c.Engine.MemoryLimit = c.Project.Batch.MemoryLimit
	}
	if c.Engine.Threads == 0 {
		c.Engine.Threads = c.Project.Batch.Threads
	}
	if c.RowsPerLoad == 0 {
		memory, err := view.ParseBytes(c.Engine.MemoryLimit)
		if err != nil {
			return c, fmt.Errorf("batch memory limit: %w", err)
		}
		c.RowsPerLoad = max(1, memory/bytesPerRow)
	}
	if c.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("name the owner of the batch lock: %w", err)
		}
		c.Owner = fmt.Sprintf("%s, process %d", host, os.Getpid())
	}
	return c, nil
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	if c.Project == nil || c.Stream == nil || c.Lake == nil || c.Live == nil {
		return errors.New("batch: project, stream, lake and live are needed")
	}
	if c.RowsPerLoad < 0 || c.LockTTL < 0 || c.OpenRun < 0 || c.EndedWait < 0 {
		return errors.New("batch: a limit is negative")
	}
	return nil
}

// Runner computes and publishes the snapshots of a project's views.
type Runner struct{ cfg Config }

// NewRunner checks the configuration. It opens nothing.
func NewRunner(cfg Config) (*Runner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Runner{cfg: cfg}, nil
}

// RunOptions of one run.
type RunOptions struct {
	Full     bool       // compute all dates, not only those that changed since the current snapshot
	Views    []string   // by name; none: all
	RunID    string     // of an earlier run that did not finish, to go on with the same cut; "" = a new one
	Now      time.Time  // of the snapshots; default: the clock
	Progress func(Step) // is told what is being done; must not block. May be nil.
}

// Step is a piece of progress.
type Step struct {
	Phase string // "cut", "wait", "compute", "publish", "drop"
	View  string // "" where it concerns several
	Done  int64  // of Total: offsets waited for, or periods computed
	Total int64
	Note  string // for people
}

// Run cuts all views, waits until the archive has reached the cut, computes, checks and publishes each view, under each definition that is in
// use. A view that fails keeps its old snapshot and does not stop the others; the error then names all that failed. Overlapping runs are refused with lake.ErrLocked.
func (r *Runner) Run(ctx context.Context, o RunOptions) (_ Report, err error) {
	began := time.Now()
	if o.Now.IsZero() {
		o.Now = r.cfg.Clock()
	}
	if o.RunID == "" {
		o.RunID = fmt.Sprintf("%s-%s", o.Now.UTC().Format("20060102T150405Z"), strings.ToLower(rand.Text()[:6]))
	}
	if o.Progress == nil {
		o.Progress = func(Step) {}
	}
	report := Report{Run: o.RunID, Started: o.Now.UTC()}
	ctx, end := r.cfg.Trace.Start(ctx, "batch run", "caudal.run", o.RunID)
	defer func() { end(err) }()
	views, err := r.views(o.Views)
	if err != nil {
		return report, err
	}
	err = r.locked(ctx, "run "+o.RunID, func(ctx context.Context) error {
		jobs := r.jobs(ctx, views, &o)
		asked := r.asked(ctx)
		r.carryOut(ctx, jobs, &o)
		r.answer(ctx, asked, jobs)
		r.sweepAll(ctx, views)
		report.Views, err = reportOf(jobs)
		if !errors.Is(err, errCrash) {
			r.note(ctx, o.RunID, time.Since(began), report.Views)
		}
		return err
	})
	report.Seconds = time.Since(began).Seconds()
	return report, err
}

// reportOf says what jobs did, and joins what they failed of.
func reportOf(jobs []*job) (reports []ViewReport, failed error) {
	for _, j := range jobs {
		if j.err != nil {
			j.report.Error = j.err.Error()
			failed = errors.Join(failed, fmt.Errorf("batch view %s: %w", j.view.Name, j.err))
		}
		reports = append(reports, j.report)
	}
	return reports, failed
}

// carryOut takes the jobs through the phases. A job that fails has its err set and takes no further part.
func (r *Runner) carryOut(ctx context.Context, jobs []*job, o *RunOptions) {
	for _, j := range jobs {
		j.traced(ctx, "begin", j.begin)
	}
	for _, j := range jobs {
		// All cuts close together in time, so that the views of one run tell of nearly the same moment.
		o.Progress(Step{Phase: "cut", View: j.view.Name})
		j.traced(ctx, "cut", j.cut)
	}
	for _, j := range jobs {
		j.traced(ctx, "merge epochs", j.mergeEpochs)
	}
	for _, group := range bySource(jobs) {
		source := group[0].view.Source.Name
		waiting, end := r.cfg.Trace.Within(ctx, "batch wait", "caudal.source", source)
		r.wait(waiting, group, o)
		end(nil)
		computing, end := r.cfg.Trace.Within(ctx, "batch compute", "caudal.source", source)
		r.compute(computing, group, o)
		end(nil)
	}
	for _, j := range jobs {
		j.traced(ctx, "publish", j.publish)
	}
}

// views returns the named views, or all.
func (r *Runner) views(names []string) ([]*view.View, error) {
	if len(names) == 0 {
		return r.cfg.Project.Views, nil
	}
	var views []*view.View
	for _, name := range names {
		v, err := r.view(name)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func (r *Runner) view(name string) (*view.View, error) {
	i := slices.IndexFunc(r.cfg.Project.Views, func(v *view.View) bool { return v.Name == name })
	if i < 0 {
		known := make([]string, len(r.cfg.Project.Views))
		for k, v := range r.cfg.Project.Views {
			known[k] = v.Name
		}
		return nil, fmt.Errorf("no view %q: the project has %s", name, strings.Join(known, ", "))
	}
	return r.cfg.Project.Views[i], nil
}

// locked calls f under the project's lock. f's context ends if the lock is lost.
func (r *Runner) locked(ctx context.Context, what string, f func(context.Context) error) error {
	h := lake.Holding{
		Name: "batch-" + r.cfg.Project.Name, Owner: r.cfg.Owner, What: what, TTL: r.cfg.LockTTL, Clock: r.cfg.Clock,
		Died:       func(err error) bool { return errors.Is(err, errCrash) },
		Unreleased: func(err error) { r.cfg.Logger.Warn("the batch lock was not released", "error", err) },
	}
	return r.cfg.Lake.Hold(ctx, h, f)
}

// errCrash marks the errors of Config.Steps.
var errCrash = errors.New("stopped by a test")

func (r *Runner) step(name string) error {
	if err := r.cfg.Steps(name); err != nil {
		return fmt.Errorf("%w at %s: %w", errCrash, name, err)
	}
	return nil
}

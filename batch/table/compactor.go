package table

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// Config says what a compactor works on. Zero values of the optional fields are defaults.
type Config struct {
	Project *view.Project
	Lake    *lake.Lake
	Engine  engine.Options // memory and threads default to those of Project.Batch
	Logger  *slog.Logger   // default: slog.Default
	TempDir string         // for files on their way into the lake, and for what is spilled; default: the system's
	Owner   string         // how locks name this process; default: host and process id
	// FileBytes is how large the files of a table are to become; default Project.Lake.FileBytes.
	FileBytes int64
	// LockTTL is how long the lock of a source's table holds without being renewed; default 60 s.
	LockTTL time.Duration
	// Clock dates versions; it may be wrong. Default time.Now.
	Clock func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LockTTL == 0 {
		c.LockTTL = time.Minute
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Engine.MemoryLimit == "" {
		c.Engine.MemoryLimit = c.Project.Batch.MemoryLimit
	}
	if c.Engine.Threads == 0 {
		c.Engine.Threads = c.Project.Batch.Threads
	}
	if c.FileBytes == 0 {
		c.FileBytes = c.Project.Lake.FileBytes
	}
	if c.FileBytes == 0 {
		c.FileBytes = view.DefaultFileBytes
	}
	if c.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("name the owner of a table's lock: %w", err)
		}
		c.Owner = fmt.Sprintf("%s, process %d", host, os.Getpid())
	}
	return c, nil
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	if c.Project == nil || c.Lake == nil {
		return errors.New("table: project and lake are needed")
	}
	if c.FileBytes < 0 || c.LockTTL < 0 {
		return errors.New("table: a limit is negative")
	}
	return nil
}

// Compactor makes the versions of the tables of a project's sources, and deletes old ones.
type Compactor struct{ cfg Config }

// New checks the configuration. It opens nothing.
func New(cfg Config) (*Compactor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Compactor{cfg}, nil
}

// Options of one compaction.
type Options struct {
	Sources  []string   // by name; none: all
	Full     bool       // make all files anew of the segments
	Now      time.Time  // of the versions; default: the clock
	Progress func(Step) // is told what is being done; must not block. May be nil.
}

// Step is a piece of progress.
type Step struct {
	Phase  string // "plan", "repeats", "sort", "publish"
	Source string
	Done   int64 // of Total: rows sorted
	Total  int64
	Note   string // for people
}

// Compact brings the tables of sources up to what the archive has committed, each in a version of its own. A source that fails keeps its
// version and does not stop the others; the error then names all that failed. Two at once on one source: the second gets lake.ErrLocked.
func (c *Compactor) Compact(ctx context.Context, o Options) ([]Report, error) {
	sources, err := c.sources(o.Sources)
	if err != nil {
		return nil, err
	}
	if o.Now.IsZero() {
		o.Now = c.cfg.Clock()
	}
	if o.Progress == nil {
		o.Progress = func(Step) {}
	}
	reports := []Report{}
	var failed error
	for _, src := range sources {
		began := time.Now()
		report := Report{Source: src.Name}
		err := c.locked(ctx, src.Name, "compaction", func(ctx context.Context) error {
			return c.compact(ctx, src, &o, &report)
		})
		report.Seconds = time.Since(began).Seconds()
		if err != nil {
			err = fmt.Errorf("compact source %s: %w", src.Name, err)
			report.Error, failed = err.Error(), errors.Join(failed, err)
		}
		reports = append(reports, report)
		if ctx.Err() != nil {
			break
		}
	}
	return reports, failed
}

// sources returns the named sources, or all.
func (c *Compactor) sources(names []string) ([]*view.Source, error) {
	all := c.cfg.Project.Sources
	if len(names) == 0 {
		return all, nil
	}
	var sources []*view.Source
	for _, name := range names {
		src := SourceOf(c.cfg.Project, name)
		if src == nil {
			return nil, unknownSource(c.cfg.Project, name)
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// ErrUnknownSource says that a project has no source of that name.
var ErrUnknownSource = errors.New("no such source")

func unknownSource(p *view.Project, name string) error {
	known := make([]string, len(p.Sources))
	for i, s := range p.Sources {
		known[i] = s.Name
	}
	return fmt.Errorf("%w: %q; the project has %s", ErrUnknownSource, name, strings.Join(known, ", "))
}

// SourceOf returns the source of a project by its name, or nil.
func SourceOf(p *view.Project, name string) *view.Source {
	if i := slices.IndexFunc(p.Sources, func(s *view.Source) bool { return s.Name == name }); i >= 0 {
		return p.Sources[i]
	}
	return nil
}

// locked calls f under the lock of a source's table. f's context ends if the lock is lost.
func (c *Compactor) locked(ctx context.Context, source, what string, f func(context.Context) error) error {
	h := lake.Holding{
		Name: "table-" + source, Owner: c.cfg.Owner, What: what, TTL: c.cfg.LockTTL, Clock: c.cfg.Clock,
		Unreleased: func(err error) {
			c.cfg.Logger.Warn("the lock of a table was not released", "source", source, "error", err)
		},
	}
	return c.cfg.Lake.Hold(ctx, h, f)
}

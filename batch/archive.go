// Package batch is the archive, which writes every record of the log to the lake, and the runs that compute the exact answer from it.
//
// The archive's protocol is that of spec/Archive.tla: intent, files, commit; what to do next is always read from the lake itself. A run
// is SEAM 8-15: cut, wait for the archive, compute, gate, reconcile, publish, drop. Neither trusts anything that it did not check.
package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
)

// ArchiveConfig says what is archived, from where to where, and when a chunk closes. Zero values of the limits are defaults.
type ArchiveConfig struct {
	Project *view.Project
	Stream  *stream.Client
	Lake    *lake.Lake
	Logger  *slog.Logger  // default: slog.Default
	Trace   *trace.Tracer // nil: nobody is told of traces

	ChunkRecords int           // a chunk closes at so many records; default 250,000
	ChunkBytes   int64         // or so many bytes of keys and values; default 64 MiB
	ChunkAge     time.Duration // or so long after its first record was read; default 60 s
	Memory       int64         // bytes of keys and values in all open chunks; each partition has an equal share; default 512 MiB
	AskEvery     time.Duration // how often the lake is asked whether a batch waits; default 1 s

	Clock func() time.Time // of ingested_at, for people; default time.Now

	// Registerer takes the metrics. Default: none.
	Registerer prometheus.Registerer
	// Steps is called between every two steps of writing a chunk; an error that it returns ends the work there, as a crash would. For tests.
	Steps func(step string) error
}

func (c ArchiveConfig) withDefaults() ArchiveConfig {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.ChunkRecords == 0 {
		c.ChunkRecords = 250_000
	}
	if c.ChunkBytes == 0 {
		c.ChunkBytes = 64 << 20
	}
	if c.ChunkAge == 0 {
		c.ChunkAge = time.Minute
	}
	if c.Memory == 0 {
		c.Memory = 512 << 20
	}
	if c.AskEvery == 0 {
		c.AskEvery = time.Second
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Steps == nil {
		c.Steps = func(string) error { return nil }
	}
	return c
}

// Validate reports the first setting that cannot work.
func (c ArchiveConfig) Validate() error {
	switch {
	case c.Project == nil || c.Stream == nil || c.Lake == nil:
		return errors.New("archive: project, stream and lake are needed")
	case c.ChunkRecords < 0 || c.ChunkBytes < 0 || c.ChunkAge < 0 || c.Memory < 0:
		return errors.New("archive: a limit of a chunk is negative")
	case c.AskEvery < 0:
		return errors.New("archive: the time between two looks for a batch that waits is negative")
	}
	topics := map[string]string{}
	for _, src := range c.Project.Sources {
		if other, ok := topics[src.Topic]; ok {
			return fmt.Errorf("archive: sources %s and %s read the same topic %s, but a topic has one archive, with one schema", other, src.Name, src.Topic)
		}
		topics[src.Topic] = src.Name
	}
	return nil
}

// Archive is the archive role of a project. Any number of processes may run one; they share the partitions.
type Archive struct {
	cfg     ArchiveConfig
	feeds   map[string]*feed // by topic
	metrics *archiveMetrics

	mu    sync.Mutex
	asked map[string]map[int]int64 // up to which offsets somebody waits, by topic and partition
	lives map[string]lake.Topic    // of which life these offsets are

	encoders chan struct{} // a slot for each segment that is being encoded: its buffers are large, and more than the cores gains nothing
}

// feed is one topic with the source that reads it.
type feed struct {
	source     *view.Source
	schema     *intake.Schema
	definition string // hash of the source
}

// feedOf returns the source whose definition the lake keeps under a hash.
func feedOf(ctx context.Context, l *lake.Lake, definition string) (*feed, error) {
	src, err := l.Source(ctx, definition)
	if err != nil {
		return nil, err
	}
	schema, err := intake.NewSchema(src)
	if err != nil {
		return nil, fmt.Errorf("read definition %s of a source: %w", definition, err)
	}
	return &feed{source: src, schema: schema, definition: definition}, nil
}

// NewArchive checks the configuration and the decode plans. It opens nothing.
func NewArchive(cfg ArchiveConfig) (*Archive, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Archive{cfg: cfg.withDefaults(), feeds: map[string]*feed{}, asked: map[string]map[int]int64{}, lives: map[string]lake.Topic{}, encoders: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, src := range cfg.Project.Sources {
		schema, err := intake.NewSchema(src)
		if err != nil {
			return nil, fmt.Errorf("archive source %s: %w", src.Name, err)
		}
		a.feeds[src.Topic] = &feed{source: src, schema: schema, definition: src.Hash()}
		a.asked[src.Topic] = map[int]int64{}
	}
	var err error
	if a.metrics, err = newArchiveMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	for topic := range a.feeds {
		a.metrics.begin(topic)
	}
	return a, nil
}

// ArchiveGroup is the consumer group of a project's archive. Its offsets are a gauge of lag, nothing more.
func ArchiveGroup(project string) string { return "caudal-archive-" + project }

// Run archives until ctx ends, which is no error. A chunk whose intent is out is finished first. A topic that is deleted and created again
// goes on in its next life.
func (a *Archive) Run(ctx context.Context) error {
	topics := make([]string, 0, len(a.feeds))
	for topic := range a.feeds {
		topics = append(topics, topic)
	}
	if len(topics) == 0 {
		<-ctx.Done()
		return nil
	}
	err := a.cfg.Stream.RunGroup(ctx, ArchiveGroup(a.cfg.Project.Name), topics, a.generation)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close asks for the chunks of a topic to be closed up to an offset of each partition, as a batch in another process does through the lake.
func (a *Archive) Close(topic string, offsets map[int]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked[topic]
	for p, offset := range offsets {
		if before, ok := asked[p]; asked != nil && (!ok || offset > before) {
			asked[p] = offset
		}
	}
}

// enter forgets what was asked of the life of a topic before this one.
func (a *Archive) enter(t lake.Topic) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before, known := a.lives[t.Name]; known && before != t {
		clear(a.asked[t.Name])
	}
	a.lives[t.Name] = t
}

// askedOf is the offset up to which somebody waits for a partition's chunks, or -1.
func (a *Archive) askedOf(topic string, partition int) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if offset, ok := a.asked[topic][partition]; ok {
		return offset
	}
	return -1
}

// generation archives the partitions that one generation of the group assigns, until ctx ends or a partition fails for good.
func (a *Archive) generation(ctx context.Context, assigned stream.Assignment) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	if err := a.checkSources(ctx); err != nil {
		return err
	}
	owned := 0
	for _, partitions := range assigned.Topics {
		owned += len(partitions)
	}
	for topic, partitions := range assigned.Topics {
		seen, t, err := lifeOf(ctx, a.cfg.Project, a.cfg.Stream, a.cfg.Lake, topic)
		if err != nil {
			err = fmt.Errorf("archive: %w", err)
			if errors.Is(err, lake.ErrOtherCluster) {
				err = stream.Permanent(err)
			}
			cancel(err)
			return err
		}
		a.enter(t)
		if err := a.ensureFirst(ctx, t, seen.Partitions); err != nil {
			cancel(err)
			return err
		}
		if len(partitions) > 0 {
			wg.Go(func() { a.pollAsked(ctx, t) })
		}
		for _, id := range partitions {
			p := a.partition(t, seen, id)
			p.chunkBytes = min(a.cfg.ChunkBytes, a.cfg.Memory/int64(owned))
			p.committed = func(ctx context.Context, next int64) error {
				return assigned.Commit(ctx, map[string]map[int]int64{topic: {id: next}})
			}
			wg.Go(func() {
				if err := p.run(ctx); err != nil {
					cancel(err)
				}
			})
		}
	}
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// checkSources refuses to write what could not be read as one with the rows that the lake holds. In each generation and not in Run: a lake that
// is away for a moment is tried again here.
func (a *Archive) checkSources(ctx context.Context) error {
	err := a.cfg.Lake.CheckSources(ctx, a.cfg.Project)
	if err == nil {
		return nil
	}
	var refused view.Problems
	if permanent := errors.As(err, &refused); permanent {
		return stream.Permanent(fmt.Errorf("archive: %w", err))
	}
	return fmt.Errorf("archive: %w", err)
}

// ensureFirst makes the first snapshots of the topic's views (SEAM 15), so that the lake says where the log began and not where retention had come to.
func (a *Archive) ensureFirst(ctx context.Context, t lake.Topic, partitions []int) error {
	starts := map[int]int64{}
	for _, p := range partitions {
		var err error
		if starts[p], _, err = a.cfg.Stream.Bounds(ctx, t.Name, p); err != nil {
			return err
		}
	}
	views, err := a.viewsOf(ctx, t)
	if err != nil {
		return err
	}
	for _, v := range views {
		if _, _, err := a.cfg.Lake.EnsureFirst(ctx, v.Name, v.Hash, t, starts, a.cfg.Clock()); err != nil {
			return err
		}
	}
	return nil
}

// viewsOf lists the definitions in use of the views of a topic.
func (a *Archive) viewsOf(ctx context.Context, t lake.Topic) ([]*view.View, error) {
	var views []*view.View
	for _, declared := range a.cfg.Project.Views {
		d, err := a.cfg.Lake.Definitions(ctx, declared)
		if err != nil {
			return nil, err
		}
		for _, v := range d.Views {
			if v.Source.Topic == t.Name {
				views = append(views, v)
			}
		}
	}
	return views, nil
}

// pollAsked takes over from the lake which chunks of a topic are to be closed.
func (a *Archive) pollAsked(ctx context.Context, t lake.Topic) {
	tick := time.NewTicker(a.cfg.AskEvery)
	defer tick.Stop()
	for {
		asked, err := a.cfg.Lake.CloseAsked(ctx, t)
		switch {
		case err == nil:
			a.Close(t.Name, maps.Clone(asked))
		case ctx.Err() == nil:
			a.metrics.errors.WithLabelValues(t.Name).Inc()
			a.cfg.Logger.Warn("archive cannot see whether a batch waits", "topic", t.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

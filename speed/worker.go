package speed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// Worker is the speed layer of one process. Any number of them share a project's partitions through a consumer group.
type Worker struct {
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	currents currents
	db       *engine.DB
	lanes    []*lane
	status   statusBoard
}

// New checks the configuration. Nothing is opened before Run.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("speed: register metrics: %w", err)
	}
	return &Worker{cfg: cfg, log: cfg.Logger, metrics: m, currents: currents{seen: map[string]seenCurrent{}},
		status: statusBoard{parts: map[*partition]PartitionStatus{}}}, nil
}

// Run folds the partitions that the consumer group gives to this worker until ctx ends; it then finishes the flush in hand and
// returns ctx's error. Services that are away are waited for. It may be called once.
func (w *Worker) Run(ctx context.Context) (err error) {
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: w.cfg.EngineMemory, TempDir: w.cfg.EngineTemp})
	if err != nil {
		return fmt.Errorf("speed: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	w.db = db
	var topics []string
	for _, src := range w.cfg.Project.Sources {
		views := viewsOf(w.cfg.Project, src)
		if len(views) == 0 {
			continue
		}
		l, err := newLane(db, src, views)
		if err != nil {
			return fmt.Errorf("speed: source %s: %w", src.Name, err)
		}
		defer l.close()
		w.lanes = append(w.lanes, l)
		if !slices.Contains(topics, src.Topic) {
			topics = append(topics, src.Topic)
		}
	}
	if len(topics) == 0 {
		return errors.New("speed: no source has a view")
	}
	for pause := w.cfg.Backoff; ; pause = min(2*pause, maxPause) {
		err := w.cfg.Live.Check(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, live.ErrUnfit) {
			return fmt.Errorf("speed: %w", err)
		}
		w.status.trouble(err)
		if err := w.wait(ctx, pause, err); err != nil {
			return err
		}
	}
	watching, done := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { w.watchMemory(watching) })
	defer watched.Wait()
	defer done()
	return w.cfg.Stream.RunGroup(ctx, w.cfg.ConsumerGroup, topics, w.generation)
}

func viewsOf(p *view.Project, src *view.Source) (views []*view.View) {
	for _, v := range p.Views {
		if v.Source == src {
			views = append(views, v)
		}
	}
	return views
}

// generation works on the partitions of one generation of the group: every source in a loop of its own. Where one fails all end, and
// the group is joined again.
func (w *Worker) generation(ctx context.Context, a stream.Assignment) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, l := range w.lanes {
		numbers := a.Topics[l.src.Topic]
		if len(numbers) == 0 {
			continue
		}
		wg.Go(func() {
			s, err := w.newShift(ctx, l, numbers, a.Commit)
			if err == nil {
				err = s.run(ctx)
			}
			if err != nil {
				cancel(fmt.Errorf("speed: source %s: %w", l.src.Name, err))
			}
		})
	}
	if len(a.Topics) == 0 {
		w.status.joined()
		<-ctx.Done() // more workers than partitions: stand by
	}
	wg.Wait()
	err := context.Cause(ctx)
	if !errors.Is(err, context.Canceled) {
		w.status.trouble(err)
	}
	if crashed(err) {
		return stream.Permanent(err)
	}
	return err
}

// randomID is a token or the id of a life of a group.
func randomID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

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

	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
)

// Worker is the speed layer of one process. Any number of them share a project's partitions through a consumer group.
type Worker struct {
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	currents currents
	actives  actives
	crew     *crew // changed between two works only
	status   statusBoard
	quiet    quiet
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
	return &Worker{cfg: cfg, log: cfg.Logger, metrics: m, currents: currents{seen: map[viewName]seenCurrent{}}, actives: actives{seen: map[string]seenActive{}},
		status: statusBoard{parts: map[*partition]PartitionStatus{}}, quiet: quiet{came: make(chan struct{}, 1)}}, nil
}

// Run folds the partitions that the consumer group gives to this worker until ctx ends; it then finishes the flush in hand and
// returns ctx's error. Services that are away are waited for. It may be called once.
func (w *Worker) Run(ctx context.Context) (err error) {
	if len(w.cfg.Project.Views) == 0 {
		return errors.New("speed: no source has a view")
	}
	defer func() {
		if w.crew != nil {
			err = errors.Join(err, w.crew.close())
		}
	}()
	if err := w.patiently(ctx, func() error { return w.cfg.Live.Check(ctx) }); err != nil {
		return err
	}
	watching, done := context.WithCancel(ctx)
	var watched sync.WaitGroup
	watched.Go(func() { w.watchMemory(watching) })
	watched.Go(func() { w.quiet.giveBack(watching) })
	defer watched.Wait()
	defer done()
	for {
		var c *crew
		if err := w.patiently(ctx, func() (err error) { c, err = w.crewOf(ctx); return err }); err != nil {
			return err
		}
		topics := slices.Clone(c.topics)
		err := w.cfg.Stream.RunGroup(ctx, w.cfg.ConsumerGroup, topics, func(ctx context.Context, a stream.Assignment) error {
			return w.generation(ctx, a, topics)
		})
		if !errors.Is(err, errOtherTopics) {
			return err
		}
	}
}

// errOtherTopics leaves the consumer group, to join it for the topics of other definitions.
var errOtherTopics = errors.New("other topics are read by now")

// patiently calls f until it succeeds or ctx ends, with growing pauses. What no waiting can mend is returned.
func (w *Worker) patiently(ctx context.Context, f func() error) error {
	for pause := w.cfg.Backoff; ; pause = min(2*pause, maxPause) {
		err := f()
		if err == nil {
			return nil
		}
		if errors.Is(err, live.ErrUnfit) || errors.Is(err, errUnusable) {
			return fmt.Errorf("speed: %w", err)
		}
		w.status.trouble(err)
		if err := w.wait(ctx, pause, err); err != nil {
			return err
		}
	}
}

// generation works on the partitions of one generation of the group, with the definitions that are in use; when these change it goes on with
// the others.
func (w *Worker) generation(ctx context.Context, a stream.Assignment, topics []string) error {
	for {
		c, err := w.crewOf(ctx)
		if errors.Is(err, errUnusable) {
			err = stream.Permanent(err)
		}
		if err != nil {
			w.status.trouble(err)
			return err
		}
		for _, topic := range c.topics {
			if !slices.Contains(topics, topic) {
				return stream.Permanent(errOtherTopics)
			}
		}
		if err := w.work(ctx, a, c); !errors.Is(err, errRedefined) || ctx.Err() != nil {
			return err
		}
	}
}

// work is the crew's on the partitions of a generation: every lane in a loop of its own. Where one fails all end, and the group is joined again.
func (w *Worker) work(ctx context.Context, a stream.Assignment, c *crew) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.watch(ctx, c); errors.Is(err, errRedefined) {
			cancel(err)
		}
	})
	for _, l := range c.lanes {
		numbers := l.share(a.Topics[l.src.Topic])
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
	if !errors.Is(err, context.Canceled) && !errors.Is(err, errRedefined) {
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

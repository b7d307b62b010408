// Package watch looks at views on behalf of people who do not: it judges alerts when cells change and when buckets are over, tells sinks, and sends rows
// of views to topics. One process at a time does it, by the lake's lock; the others stand by.
//
// What was told is kept in the lake before it is told (docs/adr/0027): a crash between any two steps tells again what nobody may have heard, under the
// same id, and nothing else.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/auth"
)

// Asker answers queries and says whether it is worth asking. A *serving.Server is one.
type Asker interface {
	Query(ctx context.Context, q serving.Query) (*serving.Result, error)
	Mark(ctx context.Context, view string) (serving.Mark, error)
}

// Log is what is asked of Kafka: topics that are written to, and read back after a restart. A *stream.Client is one.
type Log interface {
	EnsureTopic(ctx context.Context, topic string, partitions int) error
	Topic(ctx context.Context, topic string) (stream.Topic, error)
	Bounds(ctx context.Context, topic string, partition int) (first, next int64, err error)
	Reader(topic string, partition int, offset int64) *stream.Reader
	Producer(topic string) *stream.Producer
}

// Config of a Watcher. Project, Asker, Lake and Stream are required.
type Config struct {
	Project    *view.Project
	Asker      Asker
	Lake       *lake.Lake
	Stream     Log
	Logger     *slog.Logger          // default: silent
	Registerer prometheus.Registerer // default: not exported
	Clock      func() time.Time      // default time.Now
	HTTP       *http.Client          // for webhooks; default: one that follows no redirects and gives up after 10 s

	Every   time.Duration // between two looks whether a view has changed; default 500 ms
	Beat    time.Duration // after which an alert is judged though nothing has changed; default 10 s
	LockTTL time.Duration // how long the lock outlives a process that has died; default 10 s
	Backoff time.Duration // first pause before a sink is tried again, which doubles up to a minute; default 1 s
	Windows int           // how many windows are looked at in one go where there is much to catch up with; default 2,000

	// Steps, if set, is called between every two steps, for tests of crashes: judged, kept, sent, taken, emitted. An error ends the work there and then,
	// with nothing finished, as a crash would.
	Steps func(step string) error
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = httpClient()
	}
	if c.Steps == nil {
		c.Steps = func(string) error { return nil }
	}
	orDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	orDefault(&c.Every, 500*time.Millisecond)
	orDefault(&c.Beat, 10*time.Second)
	orDefault(&c.LockTTL, 10*time.Second)
	orDefault(&c.Backoff, time.Second)
	if c.Windows == 0 {
		c.Windows = 2000
	}
	return c
}

// Watcher judges the alerts of a project and sends what its views emit.
type Watcher struct {
	cfg     Config
	metrics *metrics
	sinks   map[string]sink
	owner   string
	state   atomic.Int32
}

// The states of a Watcher.
const (
	starting int32 = iota
	standing       // somebody else does the work
	working
)

// New prepares a watcher. Nothing is read before Run.
func New(cfg Config) (*Watcher, error) {
	if cfg.Project == nil || cfg.Asker == nil || cfg.Lake == nil || cfg.Stream == nil {
		return nil, errors.New("watch: a project, who answers, a lake and Kafka are needed")
	}
	cfg = cfg.withDefaults()
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("watch: name this process: %w", err)
	}
	w := &Watcher{cfg: cfg, sinks: map[string]sink{}, owner: fmt.Sprintf("%s:%d", host, os.Getpid())}
	if w.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("watch: register metrics: %w", err)
	}
	for _, s := range cfg.Project.Sinks {
		w.sinks[s.Name] = newSink(s, cfg)
	}
	return w, nil
}

// Ready says why the watcher neither works nor stands by; nil: it does.
func (w *Watcher) Ready() error {
	if w.state.Load() == starting {
		return errors.New("watch: the lake was not asked yet who watches")
	}
	return nil
}

// Run watches while nobody else does, until ctx ends. What fails is logged and tried again; it is no reason to end.
func (w *Watcher) Run(ctx context.Context) error {
	if len(w.cfg.Project.Alerts) == 0 && len(w.cfg.Project.Emits) == 0 {
		w.state.Store(standing)
		<-ctx.Done()
		return ctx.Err()
	}
	ctx = auth.With(ctx, auth.Caller{Name: "watch", Grant: auth.Grant{Role: auth.Admin}})
	var failure string
	for ctx.Err() == nil {
		err := w.hold(ctx)
		switch {
		case errors.Is(err, errCrash):
			return err
		case ctx.Err() != nil:
		case errors.Is(err, lake.ErrLocked):
			w.state.Store(standing)
		case err != nil && err.Error() != failure:
			failure = err.Error()
			w.cfg.Logger.Warn("cannot watch; trying again", "error", err)
		}
		wait(ctx, w.cfg.LockTTL/4)
	}
	return ctx.Err()
}

// errCrash is what a test of crashes has a step return.
var errCrash = errors.New("crash")

// step comes to a step.
func (w *Watcher) step(name string) error {
	if err := w.cfg.Steps(name); err != nil {
		return fmt.Errorf("%w at %s: %w", errCrash, name, err)
	}
	return nil
}

// hold works under the lock.
func (w *Watcher) hold(ctx context.Context) error {
	return w.cfg.Lake.Hold(ctx, lake.Holding{
		Name: "watch-" + w.cfg.Project.Name, Owner: w.owner, What: "watch", TTL: w.cfg.LockTTL, Clock: w.cfg.Clock,
		Died:       func(err error) bool { return errors.Is(err, errCrash) },
		Unreleased: func(err error) { w.cfg.Logger.Warn("the lock of who watches was not released", "error", err) },
	}, func(ctx context.Context) error {
		w.state.Store(working)
		w.metrics.working.Set(1)
		defer w.metrics.working.Set(0)
		return w.work(ctx)
	})
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// work watches until ctx ends, or until it turns out that somebody else does.
func (w *Watcher) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	post := newPost(w)
	defer post.wait()
	defer cancel()
	rules := make([]*rule, len(w.cfg.Project.Alerts))
	for i, a := range w.cfg.Project.Alerts {
		rules[i] = &rule{w: w, alert: a, post: post, observer: observer{asker: w.cfg.Asker, alert: a, windows: w.cfg.Windows}}
		if err := rules[i].load(ctx); err != nil {
			return err
		}
	}
	if err := post.recall(ctx, rules); err != nil {
		return err
	}
	emitters, stop, err := w.emitters(ctx)
	if err != nil {
		return err
	}
	defer stop()
	quiet := &silences{lake: w.cfg.Lake}
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		if err := w.round(ctx, rules, emitters, quiet, post); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case t := <-post.done:
			if err := t.rule.taken(ctx, t); err != nil {
				return err
			}
		}
	}
}

// round looks at everything once.
func (w *Watcher) round(ctx context.Context, rules []*rule, emitters []*emitter, quiet *silences, post *post) error {
	marks := map[string]serving.Mark{}
	for _, name := range w.watched() {
		m, err := w.cfg.Asker.Mark(ctx, name)
		if err != nil {
			w.cfg.Logger.Warn("a view cannot be watched; trying again", "view", name, "error", err)
			continue
		}
		marks[name] = m
	}
	if err := quiet.read(ctx, w.cfg.Clock()); err != nil {
		w.cfg.Logger.Warn("what is silenced cannot be read; what was read before goes on", "error", err)
	}
	pending := map[string]int{}
	for _, r := range rules {
		if m, ok := marks[r.alert.View.Name]; ok {
			if err := r.look(ctx, m, quiet.list); err != nil {
				return err
			}
		}
		for _, m := range r.state.Outbox {
			post.send(ctx, r, m)
			for _, to := range m.To {
				pending[to]++
			}
		}
	}
	for name := range w.sinks {
		w.metrics.pending.WithLabelValues(name).Set(float64(pending[name]))
	}
	for _, e := range emitters {
		if m, ok := marks[e.emit.View.Name]; ok {
			if err := e.look(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// watched are the names of the views that alerts and emits look at, each once.
func (w *Watcher) watched() []string {
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, a := range w.cfg.Project.Alerts {
		add(a.View.Name)
	}
	for _, e := range w.cfg.Project.Emits {
		add(e.View.Name)
	}
	return names
}

package speed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// crew is what works on the definitions that are in use: some lanes for each definition of a source, which share its partitions, all over one engine. Beside the definition
// that a view's answers come from there may be the one before and one that was rebuilt; each has groups of its own, and all are kept fresh.
type crew struct {
	db     *engine.DB
	lanes  []*lane
	topics []string
	inUse  map[string][]string // by view: hashes, as lake.Active.InUse
}

func (c *crew) close() error {
	for _, l := range c.lanes {
		l.close()
	}
	return c.db.Close()
}

// crewOf makes the crew for the definitions that are in use now, or returns the one that works already where they are the same.
func (w *Worker) crewOf(ctx context.Context) (*crew, error) {
	inUse, views := map[string][]string{}, []*view.View{}
	for _, declared := range w.cfg.Project.Views {
		if _, _, err := w.cfg.Lake.EnsureActive(ctx, declared); err != nil {
			return nil, err
		}
		d, err := w.cfg.Lake.Definitions(ctx, declared)
		if err != nil {
			return nil, err
		}
		if d.Refused != nil {
			w.log.Error("a definition in use cannot be computed", "view", declared.Name, "error", d.Refused)
		}
		inUse[declared.Name] = d.Active.InUse()
		views = append(views, d.Views...)
	}
	if w.crew != nil && sameDefinitions(w.crew.inUse, inUse) {
		return w.crew, nil
	}
	if w.crew != nil {
		w.log.Info("other definitions are in use: starting anew with them")
		err := w.crew.close()
		w.crew = nil
		if err != nil {
			return nil, err
		}
	}
	c, err := w.newCrew(views)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	c.inUse, w.crew = inUse, c
	return c, nil
}

// errUnusable says that definitions cannot be worked on, now or later.
var errUnusable = errors.New("set up the definitions")

func (w *Worker) newCrew(views []*view.View) (*crew, error) {
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: w.cfg.EngineMemory, TempDir: w.cfg.EngineTemp})
	if err != nil {
		return nil, err
	}
	c := &crew{db: db}
	for _, of := range bySource(views) {
		src := of[0].Source
		loops := w.loopsOf(src)
		for loop := range loops {
			l, err := newLane(db, len(c.lanes), src, of)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("source %s: %w", src.Name, err), c.close())
			}
			l.loop, l.loops = loop, loops
			c.lanes = append(c.lanes, l)
		}
		if !slices.Contains(c.topics, src.Topic) {
			c.topics = append(c.topics, src.Topic)
		}
	}
	return c, nil
}

// loopsOf is how many loops share the partitions of a source: no more than it is declared to have. A definition from the lake does not say.
func (w *Worker) loopsOf(src *view.Source) int {
	loops := w.cfg.Loops
	for _, declared := range w.cfg.Project.Sources {
		if declared.Topic == src.Topic {
			loops = min(loops, declared.Partitions)
		}
	}
	return max(loops, 1)
}

// bySource puts views together that read the same definition of a source, in the order of their first.
func bySource(views []*view.View) [][]*view.View {
	var groups [][]*view.View
	places := map[string]int{}
	for _, v := range views {
		hash := v.Source.Hash()
		i, ok := places[hash]
		if !ok {
			i, places[hash] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}

// sameDefinitions says whether the same are in use, in whichever role: a switch between two of them changes no work.
func sameDefinitions(a, b map[string][]string) bool {
	for name := range b {
		x, y := slices.Sorted(slices.Values(a[name])), slices.Sorted(slices.Values(b[name]))
		if !slices.Equal(x, y) {
			return false
		}
	}
	return len(a) == len(b)
}

// errRedefined ends the work of a crew whose definitions are no longer those in use.
var errRedefined = errors.New("other definitions are in use by now")

// watch returns errRedefined once other definitions are in use than the crew works on. A lake that is away changes nothing.
func (w *Worker) watch(ctx context.Context, c *crew) error {
	tick := time.NewTicker(w.cfg.Poll)
	defer tick.Stop()
	for {
		now := map[string][]string{}
		for name, before := range c.inUse {
			now[name] = before
			if a, err := w.actives.of(ctx, w.cfg.Lake, name, w.cfg.Poll/2); err == nil {
				now[name] = a.InUse()
			}
		}
		if !sameDefinitions(c.inUse, now) {
			return errRedefined
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// actives remembers for a moment which definitions are in use: all partitions ask at the same time.
type actives struct {
	mu   sync.Mutex
	seen map[string]seenActive
}

type seenActive struct {
	active lake.Active
	at     time.Time
}

// of returns which definitions of a view are in use, not older than age.
func (a *actives) of(ctx context.Context, l *lake.Lake, name string, age time.Duration) (lake.Active, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if s, ok := a.seen[name]; ok && now.Sub(s.at) < age {
		return s.active, nil
	}
	active, _, err := l.Active(ctx, name)
	if err == nil {
		a.seen[name] = seenActive{active, now}
	}
	return active, err
}

// stillInUse is an error where a definition is no longer in use: its state is not to be made again when somebody has removed it. What it
// rests on is younger than the pause before a partition is taken again.
func (w *Worker) stillInUse(ctx context.Context, v *view.View) error {
	a, err := w.actives.of(ctx, w.cfg.Lake, v.Name, w.cfg.Backoff/2)
	if err == nil && !slices.Contains(a.InUse(), v.Hash) {
		err = fmt.Errorf("view %s: %w", v.Name, errRedefined)
	}
	return err
}

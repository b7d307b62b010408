package serving

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// snapshot is a published result of a view with all of its files loaded: immutable, but for the count of its users.
type snapshot struct {
	manifest *lake.Manifest // a view without any, not even S0, has an empty one that is not in the lake
	sequence int64          // of CURRENT; -1 without one
	tables   *tables        // nil without a manifest
	last     int            // files of the local copy with a greater id came later
	without  []int          // ids up to last that the snapshot does not name, ascending
	from, to int64          // what the files hold, µs UTC; from >= to: nothing
	users    atomic.Int64   // queries that read it now
	retired  time.Time      // when it stopped to be current; guarded by store.loading
}

// How old what is known of CURRENT may be.
const (
	refreshEvery = 500 * time.Millisecond // by Run
	refreshLate  = 2 * time.Second        // a query brings it up to date itself, as Run seems not to
	staleLimit   = time.Minute            // without an answer of the lake for so long, a query fails
)

// viewState is what the server knows of one view.
type viewState struct {
	view *view.View
	plan *algebra.Plan

	refreshing sync.Mutex // held by the one goroutine that brings current up to date
	mu         sync.Mutex // guards what follows
	current    *snapshot  // nil before the first refresh
	checked    time.Time  // when CURRENT was last read
	failed     error      // of the last refresh; nil if it succeeded
}

// pin returns the current snapshot and keeps it until release. Where it is older than a query may accept it is refreshed first.
func (s *Server) pin(ctx context.Context, vs *viewState) (snap *snapshot, release func(), err error) {
	vs.mu.Lock()
	age := s.cfg.Clock().Sub(vs.checked)
	fresh := vs.current != nil && age < refreshLate
	vs.mu.Unlock()
	if !fresh {
		err = s.refresh(ctx, vs, vs.seen())
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.current == nil || err != nil && s.cfg.Clock().Sub(vs.checked) > staleLimit {
		return nil, nil, err
	}
	snap = vs.current
	snap.users.Add(1)
	return snap, func() { snap.users.Add(-1) }, nil
}

// seen is the time of the last refresh, for refresh.
func (vs *viewState) seen() time.Time {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return vs.checked
}

// refresh reads CURRENT and, where it names another snapshot, loads its files and then swaps it in. Queries go on with the one before
// until then. Of many callers one does the work: who finds that it was done since `since` waits and returns.
func (s *Server) refresh(ctx context.Context, vs *viewState, since time.Time) error {
	vs.refreshing.Lock()
	defer vs.refreshing.Unlock()
	vs.mu.Lock()
	current, checked, failed := vs.current, vs.checked, vs.failed
	vs.mu.Unlock()
	if checked.After(since) && failed == nil {
		return nil
	}
	next, err := s.loadCurrent(ctx, vs, current)
	now := s.cfg.Clock()
	vs.mu.Lock()
	vs.failed = err
	if err == nil {
		vs.checked, vs.current = now, next
	}
	vs.mu.Unlock()
	if err != nil {
		return err
	}
	if current != nil && current != next {
		s.store.retire(current, now)
		s.cfg.Logger.Info("serving another snapshot", "view", vs.view.Name, "snapshot", next.manifest.ID, "sequence", next.sequence)
	}
	s.metrics.sequence.WithLabelValues(vs.view.Name).Set(float64(next.sequence))
	s.metrics.created.WithLabelValues(vs.view.Name).Set(float64(next.manifest.Created.Unix()))
	return nil
}

func (s *Server) loadCurrent(ctx context.Context, vs *viewState, current *snapshot) (*snapshot, error) {
	v := vs.view
	m, tag, err := s.cfg.Lake.Current(ctx, v.Name, v.Hash)
	switch {
	case errors.Is(err, lake.ErrNotFound) && current != nil:
		return current, nil
	case errors.Is(err, lake.ErrNotFound):
		return s.nothingYet(ctx, v)
	case err != nil:
		return nil, err
	}
	if current != nil && current.sequence == tag.Sequence() && current.manifest.ID == m.ID {
		return current, nil
	}
	return s.store.load(ctx, vs.plan, m, tag.Sequence())
}

// nothingYet stands for S0 until somebody has made it: batch covers nothing, and V is where the log starts.
func (s *Server) nothingYet(ctx context.Context, v *view.View) (*snapshot, error) {
	m := &lake.Manifest{View: v.Name, Definition: v.Hash, Run: lake.FirstRun, Cuts: map[int]lake.Cut{}}
	t, err := s.topics.get(ctx, v.Source.Topic)
	if err != nil {
		return nil, fmt.Errorf("view %s has no snapshot yet, and where its log starts is not known: %w", v.Name, err)
	}
	m.Topic = lake.Topic{Name: t.Name, Incarnation: t.shown}
	for p, b := range t.bounds {
		m.Cuts[p] = lake.Cut{Offset: b.first}
	}
	m.Uncomputed, err = s.cfg.Lake.Uncomputed(ctx, m.Topic, m.Cuts)
	if err != nil {
		return nil, err
	}
	return &snapshot{manifest: m, sequence: -1}, nil
}

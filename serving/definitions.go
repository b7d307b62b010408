package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// definitions are those that answers come from. Each query takes the project as it stands, once, and so one definition of its view, however
// ACTIVE is swung meanwhile.
type definitions struct {
	now   atomic.Pointer[view.Project] // its views are those that answer; replaced as a whole
	slots map[string]*slot             // by the name of a view

	mu     sync.Mutex
	states map[*view.View]*viewState // of every definition that answers or did lately
}

// slot is what is known of a view's definitions.
type slot struct {
	declared *view.View // in the project's file

	reading sync.Mutex // held by the one goroutine that reads ACTIVE
	mu      sync.Mutex // guards what follows
	active  lake.Active
	checked time.Time // when ACTIVE was last read; zero: never yet
	failed  error     // of the last read; nil if it succeeded
}

func newDefinitions(p *view.Project) (*definitions, error) {
	d := &definitions{slots: map[string]*slot{}, states: map[*view.View]*viewState{}}
	d.now.Store(p)
	for _, v := range p.Views {
		d.slots[v.Name] = &slot{declared: v, active: lake.Active{Definition: v.Hash}}
		if _, err := d.state(v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// state is what the server knows of a definition.
func (d *definitions) state(v *view.View) (*viewState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if vs := d.states[v]; vs != nil {
		return vs, nil
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		return nil, fmt.Errorf("serve view %s: %w", v.Name, err)
	}
	d.states[v] = &viewState{view: v, plan: plan}
	return d.states[v], nil
}

// answering returns the definition of that view which answers come from.
func (d *definitions) answering(name string) *view.View {
	p := d.now.Load()
	return p.Views[slices.IndexFunc(p.Views, func(v *view.View) bool { return v.Name == name })]
}

// put makes a definition the one that answers of its view come from.
func (d *definitions) put(v *view.View) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := *d.now.Load()
	p.Views = slices.Clone(p.Views)
	p.Views[slices.IndexFunc(p.Views, func(w *view.View) bool { return w.Name == v.Name })] = v
	d.now.Store(&p)
}

// project is the project whose views are the definitions that answers come from. What is known of the named view is not older than a query
// may accept; a problem where that cannot be had.
func (s *Server) project(ctx context.Context, name string) (*view.Project, error) {
	slot := s.definitions.slots[name]
	if slot == nil {
		return s.definitions.now.Load(), nil // there is no such view, which the caller says better
	}
	slot.mu.Lock()
	checked := slot.checked
	slot.mu.Unlock()
	if s.cfg.Clock().Sub(checked) < refreshLate {
		return s.definitions.now.Load(), nil
	}
	err := s.redefine(ctx, name, checked)
	slot.mu.Lock()
	checked = slot.checked
	slot.mu.Unlock()
	if err != nil && (errors.Is(err, lake.ErrOutdated) || s.cfg.Clock().Sub(checked) > staleLimit) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, unavailable(err.Error(), "see /v1/status")
	}
	return s.definitions.now.Load(), nil
}

// find is the definition that answers of the named view come from, if ctx's caller may read it.
func (s *Server) find(ctx context.Context, name string) (*view.View, error) {
	g, err := s.rights(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.project(ctx, name)
	if err != nil {
		return nil, err
	}
	return findView(narrowed(p, g), name)
}

// redefine reads which definition answers of a view come from, and loads its snapshot before it takes the place of another. Of many callers
// one does the work: who finds that it was done since `since` waits and returns.
func (s *Server) redefine(ctx context.Context, name string, since time.Time) error {
	slot := s.definitions.slots[name]
	slot.reading.Lock()
	defer slot.reading.Unlock()
	slot.mu.Lock()
	checked, failed := slot.checked, slot.failed
	slot.mu.Unlock()
	if checked.After(since) && failed == nil {
		return nil
	}
	active, err := s.readActive(ctx, slot)
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.failed = err; err == nil {
		slot.active, slot.checked = active, s.cfg.Clock()
	}
	return err
}

func (s *Server) readActive(ctx context.Context, slot *slot) (lake.Active, error) {
	d, err := s.cfg.Lake.Definitions(ctx, slot.declared)
	if err != nil {
		return d.Active, err
	}
	v := d.Answering()
	if v == nil {
		return d.Active, d.Refused
	}
	if before := s.definitions.answering(v.Name); before != v {
		vs, err := s.definitions.state(v)
		if err != nil {
			return d.Active, err
		}
		if err := s.refresh(ctx, vs, vs.seen()); err != nil {
			return d.Active, err
		}
		s.definitions.put(v)
		s.cfg.Logger.Info("answers come from another definition", "view", v.Name, "definition", v.Hash)
	}
	return d.Active, nil
}

// state is what the server knows of a definition that the project of a query names.
func (s *Server) state(v *view.View) *viewState {
	vs, err := s.definitions.state(v)
	if err != nil {
		panic(fmt.Sprintf("BUG: a definition that was served cannot be compiled: %v", err))
	}
	return vs
}

// active is which definitions of a view were in use when a definition of it was last found to answer; without names if another one does by now.
func (s *Server) active(v *view.View) lake.Active {
	slot := s.definitions.slots[v.Name]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.active.Definition != v.Hash {
		return lake.Active{Definition: v.Hash}
	}
	return slot.active
}

// forget lets go of what is kept of a view's definitions that are not in use, once nobody has read them for a while.
func (s *Server) forget(ctx context.Context, name string, now time.Time) error {
	slot, answering := s.definitions.slots[name], s.definitions.answering(name)
	slot.mu.Lock()
	inUse := slot.active.InUse()
	slot.mu.Unlock()
	var gone []*viewState
	s.definitions.mu.Lock()
	for v, vs := range s.definitions.states {
		if v.Name == name && v != answering && v != slot.declared && !slices.Contains(inUse, v.Hash) && now.Sub(vs.seen()) > graceTime {
			gone = append(gone, vs)
		}
	}
	s.definitions.mu.Unlock()
	for _, vs := range gone {
		if err := s.store.drop(ctx, vs.plan); err != nil {
			return err
		}
		s.definitions.mu.Lock()
		delete(s.definitions.states, vs.view)
		s.definitions.mu.Unlock()
	}
	return nil
}

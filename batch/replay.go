package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// ReplayOptions of a replay, of a switch, or of an undo.
type ReplayOptions struct {
	Switch   bool       // answer from the rebuilt definition from now on; one that is rebuilt already is not computed again
	Grain    string     // of the buckets that are compared; "": those that ledgers look at
	RunID    string     // default: a new one
	Now      time.Time  // default: the clock
	Progress func(Step) // is told what is being done; must not block. May be nil.
}

func (o *ReplayOptions) fill() {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.RunID == "" {
		o.RunID = fmt.Sprintf("%s-%s", o.Now.UTC().Format("20060102T150405Z"), strings.ToLower(rand.Text()[:6]))
	}
	if o.Progress == nil {
		o.Progress = func(Step) {}
	}
}

// Replayed says what came of a replay, a switch, or an undo.
type Replayed struct {
	View       string         `json:"view"`
	Definition string         `json:"definition"`         // hash of the one that answers come from now
	Pending    string         `json:"pending,omitempty"`  // rebuilt beside it
	Previous   string         `json:"previous,omitempty"` // to which an undo goes back
	Rebuilt    []ViewReport   `json:"rebuilt,omitempty"`  // the runs of both definitions, to the same offsets
	Switched   bool           `json:"switched"`           // answers come from another definition than before
	Difference *ledger.Ledger `json:"difference,omitempty"`
}

// Replay rebuilds a view under the definition in the project's file, from all that the lake holds, beside the one that answers come from:
// both are computed up to the same offsets, the speed layer goes on with both from there, and the difference of their answers is found out.
// With Switch answers then come from the new one, by one conditional put, once the speed layer has it. It is refused with lake.ErrLocked while a batch runs or another
// replay. After a crash it is simply called again.
func (r *Runner) Replay(ctx context.Context, name string, o ReplayOptions) (Replayed, error) {
	o.fill()
	declared, err := r.view(name)
	if err != nil {
		return Replayed{}, err
	}
	var done Replayed
	err = r.locked(ctx, "replay of "+name, func(ctx context.Context) error {
		d, err := r.definitionsOf(ctx, declared)
		if err != nil {
			return err
		}
		if err := r.cfg.Lake.CheckSource(ctx, declared.Source); err != nil {
			return err
		}
		declared = d.Declared
		if d.Active.Definition == declared.Hash {
			done = replayed(name, d.Active)
			return r.cfg.Lake.PutView(ctx, declared)
		}
		var rebuilt []ViewReport
		if inUse := slices.Contains(d.Active.InUse(), declared.Hash); !inUse || !o.Switch {
			if rebuilt, err = r.rebuild(ctx, declared, &d, &o); err != nil {
				return err
			}
		}
		if o.Switch {
			if err := r.awaitSpeed(ctx, declared, d.Active.Definition, &o); err != nil {
				return err
			}
		}
		difference, err := r.difference(ctx, d.Active.Definition, declared, &o)
		if err != nil {
			return err
		}
		if o.Switch {
			if d.Active, err = r.switchTo(ctx, declared, &d, difference, &o); err != nil {
				return err
			}
		}
		done = replayed(name, d.Active)
		done.Rebuilt, done.Difference, done.Switched = rebuilt, difference, o.Switch
		r.sweepAll(ctx, []*view.View{declared})
		return nil
	})
	if err != nil {
		return Replayed{}, fmt.Errorf("replay %s: %w", name, err)
	}
	return done, nil
}

func replayed(name string, a lake.Active) Replayed {
	return Replayed{View: name, Definition: a.Definition, Pending: a.Pending, Previous: a.Previous}
}

// rebuild computes the definition that answers come from and the declared one up to the same offsets, and notes that the latter is in use.
func (r *Runner) rebuild(ctx context.Context, declared *view.View, d *lake.Definitions, o *ReplayOptions) ([]ViewReport, error) {
	run := &RunOptions{RunID: o.RunID, Now: o.Now, Progress: o.Progress}
	role, known := Pending, slices.Contains(d.Active.InUse(), declared.Hash)
	if known {
		role = roleOf(d.Active, declared.Hash)
	}
	target := r.newJob(declared, role, run)
	jobs := []*job{target}
	if answering := d.Answering(); answering != nil {
		target.beside = r.newJob(answering, Answering, run)
		jobs = []*job{target.beside, target}
	}
	if !known {
		// What Redis may hold of it nobody works on: the new state begins where the definition in use stands.
		if _, err := r.forgetLive(ctx, declared.Name, declared.Hash); err != nil && !errors.Is(err, lake.ErrNotFound) {
			return nil, err
		}
	}
	r.carryOut(ctx, jobs, run)
	reports, err := reportOf(jobs)
	if err != nil || known {
		return reports, err
	}
	if err := r.step("before-register"); err != nil {
		return nil, err
	}
	next := d.Active
	next.Sequence, next.Pending = next.Sequence+1, declared.Hash
	if d.Tag, err = r.cfg.Lake.SwingActive(ctx, declared.Name, next, d.Tag); err != nil {
		return nil, err
	}
	d.Active = next
	return reports, r.step("after-register")
}

// awaitSpeed waits until the speed layer has the declared definition of a view as far as the one that answers come from now: so that a switch
// loses nothing. Partitions of which it has nothing of the latter are not waited for; those that Redis does not tell of are.
func (r *Runner) awaitSpeed(ctx context.Context, declared *view.View, answering string, o *ReplayOptions) error {
	m, _, err := r.cfg.Lake.Current(ctx, declared.Name, declared.Hash)
	if err != nil {
		return err
	}
	seen, err := r.cfg.Stream.Topic(ctx, m.Topic.Name)
	if err != nil {
		return err
	}
	partitions := slices.AppendSeq(slices.Clone(seen.Partitions), maps.Keys(m.Cuts)) // a life that is over may have had more of them
	slices.Sort(partitions)
	partitions = slices.Compact(partitions)
	heads := func(hash string) ([]live.Head, error) {
		groups := make([]live.Group, len(partitions))
		for i, p := range partitions {
			groups[i] = r.groupOf(m.Topic, p, declared.Name, hash)
		}
		heads := r.cfg.Live.Heads(ctx, groups)
		for _, h := range heads {
			if h.Err != nil {
				return nil, h.Err
			}
		}
		return heads, nil
	}
	var goals []live.Head
	for limit, began := r.archiveWait(), time.Now(); ; {
		behind, partition := int64(0), -1
		var unknown error
		if goals == nil {
			goals, unknown = heads(answering)
		}
		var now []live.Head
		if unknown == nil {
			now, unknown = heads(declared.Hash)
		}
		for i, h := range now {
			if lacks := lacking(h, m.Cuts[partitions[i]].Offset, goals[i]); lacks >= 0 {
				behind, partition = behind+lacks, partitions[i]
			}
		}
		if partition < 0 && unknown == nil {
			return nil
		}
		if time.Since(began) >= limit && unknown != nil {
			return fmt.Errorf("the definition is rebuilt, and answers do not come from it yet: after %s it is not known how far the speed layer has it: %w", limit, unknown)
		}
		if time.Since(began) >= limit {
			return fmt.Errorf("the definition is rebuilt, and answers do not come from it yet: after %s the speed layer lacks %d records of it, partition %d among them; does `caudal run speed` run?",
				limit, behind, partition)
		}
		o.Progress(Step{Phase: "speed", View: declared.Name, Total: behind, Note: fmt.Sprintf("the speed layer is %d records behind with the new definition", behind)})
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(speedPoll):
		}
	}
}

// speedPoll is how often Redis is looked at while a switch waits for the speed layer.
const speedPoll = 100 * time.Millisecond

// lacking is how many records a state that has to continue from offset v is behind another one; -1: it can take its place.
func lacking(h live.Head, v int64, goal live.Head) int64 {
	switch {
	case !goal.OK:
		return -1
	case !h.OK || !h.Holds(v):
		return max(0, goal.Off-v)
	case h.Off < goal.Off:
		return goal.Off - h.Off
	}
	return -1
}

// difference compares the current snapshots of two definitions: what a switch from the one to the other would change.
func (r *Runner) difference(ctx context.Context, from string, to *view.View, o *ReplayOptions) (*ledger.Ledger, error) {
	before, err := r.earlierDefinition(ctx, to.Name, from)
	if errors.Is(err, lake.ErrNotFound) {
		return nil, nil // nothing was answered by batch
	}
	if err != nil {
		return nil, err
	}
	after, _, err := r.cfg.Lake.Current(ctx, to.Name, to.Hash)
	if err != nil {
		return nil, err
	}
	var only *view.Grain
	if o.Grain != "" {
		g, ok := to.Grain(o.Grain)
		if !ok {
			return nil, fmt.Errorf("the rebuilt definition has no grain %q", o.Grain)
		}
		only = &g
	}
	c, err := r.newComputation(nil)
	if err != nil {
		return nil, err
	}
	b := newBook(to, o.RunID, after.Offsets())
	compared := &definitions{runner: r, conn: c.conn, before: before, view: to, after: after, book: b}
	if compared.plan, err = algebra.Compile(to); err == nil {
		err = compared.compare(ctx, only)
	}
	return &b.Ledger, errors.Join(err, c.close())
}

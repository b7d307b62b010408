package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// PruneOptions say what to prune.
type PruneOptions struct {
	Views  []string  // by name; none: all
	Now    time.Time // default: the clock
	DryRun bool      // say what would be deleted, and delete nothing
}

// Pruned says what was deleted of a view under one definition.
type Pruned struct {
	View       string   `json:"view"`
	Definition string   `json:"definition"`          // hash
	Forgotten  bool     `json:"forgotten,omitempty"` // the definition is not in use, and all of it was deleted
	Snapshots  []string `json:"snapshots"`           // ids
	Files      int      `json:"files"`
	Bytes      int64    `json:"bytes"`
}

// orphanAge is how old a file must be, by the store's clock, that no kept snapshot names: younger ones may be of a run that is at work, if
// this process or that one has lost the lock without noticing yet.
const orphanAge = 24 * time.Hour

// Prune deletes the snapshots beyond Project.Batch.Snapshots, oldest first, and the files that no snapshot names any more. The current snapshot
// and those with the promise of an instant rollback stay. Of definitions that are not in use everything is deleted, but for the one that the
// project's file holds: a replay of it goes on from what it has.
func (r *Runner) Prune(ctx context.Context, o PruneOptions) ([]Pruned, error) {
	of, err := r.views(o.Views)
	if err != nil {
		return nil, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	var all []Pruned
	err = r.locked(ctx, "prune", func(ctx context.Context) error {
		for _, declared := range of {
			of, err := r.pruneView(ctx, declared, o)
			all = append(all, of...)
			if err != nil {
				return fmt.Errorf("prune view %s: %w", declared.Name, err)
			}
		}
		return nil
	})
	return all, err
}

// pruneView prunes every definition of a view that the lake knows.
func (r *Runner) pruneView(ctx context.Context, declared *view.View, o PruneOptions) (all []Pruned, err error) {
	d, err := r.definitionsOf(ctx, declared)
	if err != nil {
		return nil, err
	}
	for _, hash := range d.Active.InUse() {
		p, err := r.prune(ctx, declared.Name, hash, o)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	forgotten, err := r.cfg.Lake.Forgotten(ctx, declared.Name, d.Active)
	if err != nil {
		return all, err
	}
	for _, hash := range forgotten {
		if hash == declared.Hash {
			continue
		}
		p := Pruned{View: declared.Name, Definition: hash, Forgotten: true, Snapshots: []string{}}
		if !o.DryRun {
			// Redis first: what it holds is found by what the lake has.
			if _, err := r.forgetLive(ctx, declared.Name, hash); err != nil {
				return all, err
			}
		}
		if p.Files, p.Bytes, err = r.cfg.Lake.Forget(ctx, declared.Name, hash, o.DryRun); err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

// prune prunes a view under a definition that is in use.
func (r *Runner) prune(ctx context.Context, name, hash string, o PruneOptions) (Pruned, error) {
	done := Pruned{View: name, Definition: hash, Snapshots: []string{}}
	_, tag, err := r.cfg.Lake.Current(ctx, name, hash)
	if errors.Is(err, lake.ErrNotFound) {
		return done, nil
	}
	if err != nil {
		return done, err
	}
	promised, err := r.promised(ctx, name, hash, tag)
	if err != nil {
		return done, err
	}
	snapshots, current, err := r.cfg.Lake.Snapshots(ctx, name, hash)
	if err != nil {
		return done, err
	}
	keep := map[string]bool{current.Snapshot: true}
	for _, m := range promised {
		keep[m.ID] = true
	}
	remove := r.cfg.Lake.Store().Delete
	if o.DryRun {
		remove = func(context.Context, string) error { return nil }
	}
	// The manifest goes first: a snapshot that can be seen has its files.
	named := map[string]bool{}
	for i, m := range snapshots {
		if i < len(snapshots)-r.cfg.Project.Batch.Snapshots && !keep[m.ID] {
			if err := remove(ctx, r.cfg.Lake.RunKey(name, hash, "snapshots", m.ID+".json")); err != nil {
				return done, err
			}
			done.Snapshots = append(done.Snapshots, m.ID)
			continue
		}
		for _, f := range slices.Concat(m.Files, m.Ledger) {
			named[f.Key] = true
		}
	}
	folder := strings.TrimSuffix(r.cfg.Lake.RunKey(name, hash, "run", "name"), "run/name")
	var orphans []lake.Object
	for object, err := range r.cfg.Lake.Store().List(ctx, folder) {
		if err != nil {
			return done, err
		}
		inRun := strings.Count(strings.TrimPrefix(object.Key, folder), "/") == 1 && !strings.HasPrefix(object.Key, folder+"snapshots/")
		if inRun && !named[object.Key] && o.Now.Sub(object.Modified) > orphanAge {
			orphans = append(orphans, object)
		}
	}
	for _, object := range orphans {
		if err := remove(ctx, object.Key); err != nil {
			return done, err
		}
		done.Files++
		done.Bytes += object.Size
	}
	return done, nil
}

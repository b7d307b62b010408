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

// Pruned says what was deleted of a view.
type Pruned struct {
	View      string   `json:"view"`
	Snapshots []string `json:"snapshots"` // ids
	Files     int      `json:"files"`
	Bytes     int64    `json:"bytes"`
}

// orphanAge is how old a file must be, by the store's clock, that no kept snapshot names: younger ones may be of a run that is at work, if
// this process or that one has lost the lock without noticing yet.
const orphanAge = 24 * time.Hour

// Prune deletes the snapshots beyond Project.Batch.Snapshots, oldest first, and the files that no snapshot names any more. The current snapshot
// and those with the promise of an instant rollback stay. Not deleted are results under definitions that the project no longer has.
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
		for _, v := range of {
			p, err := r.prune(ctx, v, o)
			if err != nil {
				return fmt.Errorf("prune view %s: %w", v.Name, err)
			}
			all = append(all, p)
		}
		return nil
	})
	return all, err
}

func (r *Runner) prune(ctx context.Context, v *view.View, o PruneOptions) (Pruned, error) {
	done := Pruned{View: v.Name, Snapshots: []string{}}
	_, tag, err := r.cfg.Lake.Current(ctx, v.Name, v.Hash)
	if errors.Is(err, lake.ErrNotFound) {
		return done, nil
	}
	if err != nil {
		return done, err
	}
	promised, err := r.promised(ctx, v.Name, v.Hash, tag)
	if err != nil {
		return done, err
	}
	snapshots, current, err := r.cfg.Lake.Snapshots(ctx, v.Name, v.Hash)
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
			if err := remove(ctx, r.cfg.Lake.RunKey(v.Name, v.Hash, "snapshots", m.ID+".json")); err != nil {
				return done, err
			}
			done.Snapshots = append(done.Snapshots, m.ID)
			continue
		}
		for _, f := range slices.Concat(m.Files, m.Ledger) {
			named[f.Key] = true
		}
	}
	folder := strings.TrimSuffix(r.cfg.Lake.RunKey(v.Name, v.Hash, "run", "name"), "run/name")
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

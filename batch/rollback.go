package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/caudal/caudal/internal/lake"
)

// Rollback makes an earlier snapshot of a view the one that answers rest on, as a new publication (SEAM 14). Where the speed layer still has
// an epoch that starts at its V, answers are whole at once; otherwise they are partial until it has rebuilt its state from there. It is the
// definition that answers come from; going back to the one before is Undo.
func (r *Runner) Rollback(ctx context.Context, name, id string) (*lake.Manifest, error) {
	declared, err := r.view(name)
	if err != nil {
		return nil, err
	}
	var published *lake.Manifest
	err = r.locked(ctx, "rollback of "+name, func(ctx context.Context) error {
		v, err := r.answering(ctx, declared)
		if err != nil {
			return err
		}
		current, tag, err := r.cfg.Lake.Current(ctx, v.Name, v.Hash)
		if err != nil {
			return err
		}
		if current.ID == id {
			return fmt.Errorf("roll back %s: snapshot %s is the current one already", name, id)
		}
		if err := r.holdsAll(ctx, v.Name, v.Hash, id); err != nil {
			return fmt.Errorf("roll back %s: %w", name, err)
		}
		published, _, err = r.cfg.Lake.Rollback(ctx, v.Name, v.Hash, id, tag)
		if err != nil {
			return fmt.Errorf("roll back %s to %s: %w", name, id, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return published, nil
}

// holdsAll refuses the first snapshot of a definition that came to a lake with records already: it holds nothing, and says that what the log
// had lost by then never was. The lake has it, and the snapshots after the first one do.
func (r *Runner) holdsAll(ctx context.Context, view, definition, id string) error {
	m, err := r.cfg.Lake.Snapshot(ctx, view, definition, id)
	switch {
	case errors.Is(err, lake.ErrNotFound):
		return nil // the rollback says better why it is not there
	case err != nil || m.Run != lake.FirstRun:
		return err
	}
	if len(m.Uncomputed) > 0 || m.Topic.Incarnation > 1 {
		return fmt.Errorf("snapshot %s holds nothing, and the lake has records from before it: go back to a later one, as `caudal batch list` shows them", id)
	}
	return nil
}

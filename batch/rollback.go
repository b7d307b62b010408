package batch

import (
	"context"
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

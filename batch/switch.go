package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/view"
)

// switchTo makes a definition that is in use the one that answers come from. Everything but the last put can be done again.
func (r *Runner) switchTo(ctx context.Context, to *view.View, d *lake.Definitions, difference *ledger.Ledger, o *ReplayOptions) (lake.Active, error) {
	current, _, err := r.cfg.Lake.Current(ctx, to.Name, to.Hash)
	if err != nil {
		return d.Active, err
	}
	next := lake.Active{Sequence: d.Active.Sequence + 1, Definition: to.Hash, Previous: d.Active.Definition, Pending: d.Active.Pending}
	if next.Pending == to.Hash {
		next.Pending = ""
	}
	next.Switched = &lake.Switched{At: o.Now.UTC(), From: d.Active.Definition, Snapshot: current.ID}
	if difference != nil {
		data, err := difference.Encode()
		if err != nil {
			return d.Active, err
		}
		file, err := r.cfg.Lake.PutFile(ctx, r.cfg.Lake.SwitchKey(to.Name, o.RunID), data)
		if err != nil {
			return d.Active, err
		}
		next.Switched.Ledger = lake.ViewFile{Key: file.Key, Unit: "ledger", Rows: int64(len(difference.Entries)), Bytes: file.Bytes, SHA256: file.SHA256}
	}
	if err := r.step("before-switch"); err != nil {
		return d.Active, err
	}
	if _, err := r.cfg.Lake.SwingActive(ctx, to.Name, next, d.Tag); err != nil {
		return d.Active, err
	}
	return next, r.step("after-switch")
}

// Undo goes back to the definition that answers of a view came from before, by one conditional put: its snapshots and its speed state were
// kept up to date. Undoing that goes forth again.
func (r *Runner) Undo(ctx context.Context, name string, o ReplayOptions) (Replayed, error) {
	o.fill()
	declared, err := r.view(name)
	if err != nil {
		return Replayed{}, err
	}
	var done Replayed
	err = r.locked(ctx, "undo of "+name, func(ctx context.Context) error {
		d, err := r.definitionsOf(ctx, declared)
		if err != nil {
			return err
		}
		if d.Active.Previous == "" {
			return errors.New("there is no definition to go back to: answers came from no other, or it was dropped")
		}
		to := d.Of(d.Active.Previous)
		if to == nil {
			return d.Refused
		}
		difference, err := r.difference(ctx, d.Active.Definition, to, &o)
		if err != nil {
			return err
		}
		if d.Active, err = r.switchTo(ctx, to, &d, difference, &o); err != nil {
			return err
		}
		done = replayed(name, d.Active)
		done.Switched, done.Difference = true, difference
		return nil
	})
	if err != nil {
		return Replayed{}, fmt.Errorf("undo the switch of %s: %w", name, err)
	}
	return done, nil
}

// Dropped says what a drop let go of.
type Dropped struct {
	View        string   `json:"view"`
	Definitions []string `json:"definitions"` // hashes
	Chunks      int      `json:"chunks"`      // removed from Redis
}

// Drop ends the use of the definitions of a view that answers do not come from, and removes what Redis holds of them. Their snapshots stay
// until Prune.
func (r *Runner) Drop(ctx context.Context, name string) (Dropped, error) {
	done := Dropped{View: name, Definitions: []string{}}
	declared, err := r.view(name)
	if err != nil {
		return done, err
	}
	err = r.locked(ctx, "drop of definitions of "+name, func(ctx context.Context) error {
		d, err := r.definitionsOf(ctx, declared)
		if err != nil {
			return err
		}
		done.Definitions = append(done.Definitions, d.Active.InUse()[1:]...)
		if len(done.Definitions) > 0 {
			next := d.Active
			next.Sequence, next.Pending, next.Previous = next.Sequence+1, "", ""
			if _, err := r.cfg.Lake.SwingActive(ctx, name, next, d.Tag); err != nil {
				return err
			}
			d.Active = next
		}
		if err := r.step("before-sweep"); err != nil {
			return err
		}
		done.Chunks, err = r.sweep(ctx, name, d.Active)
		return err
	})
	if err != nil {
		return done, fmt.Errorf("drop definitions of %s: %w", name, err)
	}
	return done, nil
}

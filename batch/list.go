package batch

import (
	"context"
	"errors"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// ViewSnapshots are the snapshots of a view that are kept, under one definition.
type ViewSnapshots struct {
	View       string     `json:"view"`
	Definition string     `json:"definition"` // hash
	Role       Role       `json:"role"`       // what the definition is in use for
	Snapshots  []Snapshot `json:"snapshots"`  // oldest first
}

// Snapshot is one published result, for a list.
type Snapshot struct {
	ID         string        `json:"id"`
	Run        string        `json:"run"`
	Created    time.Time     `json:"created"`
	Cuts       map[int]int64 `json:"cuts"` // V, by partition
	Events     int64         `json:"events"`
	Duplicates int64         `json:"duplicates"`
	Late       int64         `json:"late"`
	Dead       int64         `json:"dead"`
	Files      int           `json:"files"`
	Rows       int64         `json:"rows"`  // of the files
	Bytes      int64         `json:"bytes"` // of the files
	Parent     string        `json:"parent,omitempty"`
	Full       bool          `json:"full,omitempty"`
	Current    bool          `json:"current,omitempty"`
	Instant    bool          `json:"instant,omitempty"` // a rollback to it is promised to be instant
}

// List returns the snapshots of the named views, or of all, under each definition that is in use. A view that was never run has none.
func (r *Runner) List(ctx context.Context, views []string) ([]ViewSnapshots, error) {
	of, err := r.views(views)
	if err != nil {
		return nil, err
	}
	lists := make([]ViewSnapshots, 0, len(of))
	for _, declared := range of {
		d, err := r.cfg.Lake.Definitions(ctx, declared)
		if err != nil {
			return nil, err
		}
		for _, hash := range d.Active.InUse() {
			list, err := r.list(ctx, declared.Name, hash)
			if err != nil {
				return nil, err
			}
			list.Role = roleOf(d.Active, hash)
			lists = append(lists, list)
		}
	}
	return lists, nil
}

// list is List of one view under one definition.
func (r *Runner) list(ctx context.Context, name, hash string) (ViewSnapshots, error) {
	list := ViewSnapshots{View: name, Definition: hash, Snapshots: []Snapshot{}}
	_, tag, err := r.cfg.Lake.Current(ctx, name, hash)
	if errors.Is(err, lake.ErrNotFound) {
		return list, nil
	}
	if err != nil {
		return list, err
	}
	snapshots, current, err := r.cfg.Lake.Snapshots(ctx, name, hash)
	if err != nil {
		return list, err
	}
	instant := map[string]bool{}
	if current.Sequence == tag.Sequence() {
		promised, err := r.promised(ctx, name, hash, tag)
		if err != nil {
			return list, err
		}
		for _, m := range promised {
			instant[m.ID] = true
		}
	}
	for _, m := range snapshots {
		s := Snapshot{
			ID: m.ID, Run: m.Run, Created: m.Created, Cuts: m.Offsets(), Events: m.Events, Duplicates: m.Duplicates, Late: m.Late, Dead: m.Dead,
			Files: len(m.Files), Parent: m.Parent, Full: m.Full, Current: m.ID == current.Snapshot, Instant: instant[m.ID],
		}
		for _, f := range m.Files {
			s.Rows += f.Rows
			s.Bytes += f.Bytes
		}
		list.Snapshots = append(list.Snapshots, s)
	}
	return list, nil
}

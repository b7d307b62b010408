package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caudal/caudal/internal/lake"
)

// past holds what batch answered to a question with a snapshot that is kept, without the speed layer.
func (s *Server) past(ctx context.Context, vs *viewState, q *question) (*merged, error) {
	snap, release, err := s.pinPast(ctx, vs, q.asOf)
	if err != nil {
		if p := (*Problem)(nil); errors.As(err, &p) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, unavailable(err.Error(), "see /v1/status")
	}
	defer release()
	plan := q.narrow(vs.plan)
	m := &merged{snap: snap, cells: newCells(plan, q, s.cfg.QueryMemory)}
	m.partitions, _ = s.partitions(ctx, vs, snap)
	if err := newBatchQuery(plan, q, snap).run(ctx, s.store, m.cells); err != nil {
		return nil, s.batchProblem(ctx, err)
	}
	return m, nil
}

// pinPast loads a snapshot that is kept and keeps it until release. Its files stay for a while after that, as those of a snapshot that
// stopped to be current do.
func (s *Server) pinPast(ctx context.Context, vs *viewState, id string) (*snapshot, func(), error) {
	kept, current, err := s.cfg.Lake.Snapshots(ctx, vs.view.Name, vs.view.Hash)
	if err != nil && !errors.Is(err, lake.ErrNotFound) {
		return nil, nil, err
	}
	i := slices.IndexFunc(kept, func(m *lake.Manifest) bool { return m.ID == id })
	sequence := int64(-1)
	for _, p := range current.History {
		if p.Snapshot == id {
			sequence = p.Sequence
		}
	}
	if i < 0 {
		return nil, nil, noSnapshot(vs.view.Name, id, kept, sequence >= 0)
	}
	vs.refreshing.Lock() // keeps a clean-up out until the snapshot has a user and is named among the retired
	defer vs.refreshing.Unlock()
	snap := s.store.again(vs.plan, kept[i], s.cfg.Clock())
	if snap == nil {
		if snap, err = s.store.load(ctx, vs.plan, kept[i], sequence); err != nil {
			return nil, nil, err
		}
		s.store.retire(snap, s.cfg.Clock())
	}
	snap.users.Add(1)
	return snap, func() { snap.users.Add(-1) }, nil
}

// noSnapshot is a query as of a snapshot that is not kept: gone, if it was published once.
func noSnapshot(view, id string, kept []*lake.Manifest, gone bool) *Problem {
	var ids []string
	for _, m := range kept {
		ids = append(ids, m.ID)
	}
	suggestion := "no snapshot of the view is kept"
	if len(ids) > 0 {
		suggestion = "those that are kept are in nearest, oldest first; caudal batch list shows them"
	}
	p := newProblem(http.StatusNotFound, "unknown-snapshot", "There is no such snapshot", "as_of", fmt.Sprintf("view %s has no snapshot %q", view, id), suggestion)
	if gone {
		p = newProblem(http.StatusGone, "gone", "The snapshot is not kept any more", "as_of", fmt.Sprintf("snapshot %s of view %s was pruned", id, view), suggestion)
	}
	p.Nearest = ids
	return p
}

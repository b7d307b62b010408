package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

// partition is what was served of one partition.
type partition struct {
	life       int  // of the topic, from 1
	over       bool // the life is over, and the snapshot does not cover all of it
	covered    bool // the life is over, and the snapshot covers all that there is of it
	number     int
	batch      int64    // V: batch covers the records below it
	served     int64    // the answer holds the records below it
	first, end int64    // of the log; end is -1 where Kafka did not say
	between    [2]int64 // what nobody has computed below batch: lake.Manifest.Uncomputed
	read       reading
	reason     string // why nothing beyond batch was served, or not all of it; "" = all that the log had
}

// merged is what both layers hold for a question.
type merged struct {
	snap       *snapshot
	partitions []partition
	cells      *cells
	reason     string   // why the whole is partial beside what partitions say
	scan       *Scan    // nil unless the lake was scanned
	earlier    *earlier // what is compared with; nil: nothing
}

// merge pins a snapshot, reads the speed layer from its V on and then batch, and merges (SEAM Reader 16-17).
func (s *Server) merge(ctx context.Context, vs *viewState, q *question) (*merged, error) {
	pinnedAt := s.cfg.Clock()
	plan := q.narrow(vs.plan)
	m, release, err := s.readSpeed(ctx, vs, plan, q)
	if err != nil {
		return nil, err
	}
	if m.worthRepeating() {
		// Perhaps a newer snapshot stands, whose V starts an epoch that Redis still has.
		release()
		if err := s.refresh(ctx, vs, pinnedAt); err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if m, release, err = s.readSpeed(ctx, vs, plan, q); err != nil {
			return nil, err
		}
	}
	defer release()
	m.cells = newCells(plan, q, s.cfg.QueryMemory)
	for i := range m.partitions {
		if err := m.cells.addReading(s.speed.cache, m.partitions[i].read); err != nil {
			return nil, err
		}
		if !q.keep {
			m.partitions[i].read.chunks = nil
		}
	}
	if err := newBatchQuery(plan, q, m.snap).run(ctx, s.store, m.cells); err != nil {
		return nil, s.batchProblem(ctx, err)
	}
	return m, nil
}

// worthRepeating says whether a partition was not served for a cause that a newer snapshot may mend.
func (m *merged) worthRepeating() bool {
	return slices.ContainsFunc(m.partitions, func(p partition) bool {
		return p.reason != "" && p.read.served != "" && p.read.served != live.ServedWhole
	})
}

// readSpeed pins the current snapshot and reads the speed layer of every partition from its V on.
func (s *Server) readSpeed(ctx context.Context, vs *viewState, plan *algebra.Plan, q *question) (*merged, func(), error) {
	snap, release, err := s.pin(ctx, vs)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		return nil, nil, unavailable(err.Error(), "see /v1/status")
	}
	m := &merged{snap: snap}
	m.partitions, m.reason = s.partitions(ctx, vs, snap)
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.SpeedTimeout, fmt.Errorf("the speed layer did not answer within %v", s.cfg.SpeedTimeout))
	defer cancel()
	var wg sync.WaitGroup
	for i := range m.partitions {
		p := &m.partitions[i]
		if p.covered {
			continue
		}
		wg.Go(func() {
			s.readPartition(ctx, vs, plan, q, p)
			if p.over {
				s.readOver(ctx, vs, p)
			}
		})
	}
	wg.Wait()
	return m, release, nil
}

// readPartition reads the speed layer of one partition. What goes wrong makes the answer partial and does not fail it.
func (s *Server) readPartition(ctx context.Context, vs *viewState, plan *algebra.Plan, q *question, p *partition) {
	g := s.group(vs, p)
	r, err := s.speed.recent(ctx, plan, g, p.batch, q.spans)
	switch {
	case err != nil:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		p.reason = fmt.Sprintf("the speed layer could not be read: %v", err)
	case r.served == live.ServedWhole:
		p.read, p.served = r, r.at.off
		var reasons []string
		if p.first > r.meta.Off {
			reasons = append(reasons, fmt.Sprintf("the log's retention took the records from offset %d to %d before the speed layer read them", r.meta.Off, p.first-1))
		}
		if len(r.missing) > 0 {
			reasons = append(reasons, missingReason(r.missing))
		}
		if lacking := clip(r.lacking, q.from, q.to); len(lacking) > 0 {
			reasons = append(reasons, deferredReason(q, lacking))
		}
		p.reason = strings.Join(reasons, "; ")
		return
	case r.served == live.ServedNothing:
		p.reason = "the speed layer has no state of this partition yet"
	case r.served == live.ServedNoStart:
		p.reason = fmt.Sprintf("the speed layer has no state from offset %d on and is rebuilding it", p.batch)
	default:
		p.reason = fmt.Sprintf("the speed layer has lost %s and is rebuilding it", r.lost)
	}
	p.read = reading{served: r.served}
	if p.end >= 0 && p.end <= p.batch && !p.over {
		p.reason = "" // nothing was written after what batch covers
	}
}

// group names the unit of the seam of one partition in its life of the topic.
func (s *Server) group(vs *viewState, p *partition) live.Group {
	return live.Group{
		Project: s.cfg.Project.Name, Topic: vs.view.Source.Topic, Incarnation: p.life, Partition: p.number, View: vs.view.Name, Hash: vs.view.Hash,
	}
}

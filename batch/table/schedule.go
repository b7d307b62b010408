package table

import (
	"context"
	"errors"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// Schedule compacts and prunes the tables of a project inside a process, every so often. Several processes may do so: what another is at is
// left to it.
type Schedule struct {
	compactor *Compactor
	every     time.Duration
}

// NewSchedule checks how often a compaction is to run.
func NewSchedule(c *Compactor, every time.Duration) (*Schedule, error) {
	if c == nil || every <= 0 {
		return nil, errors.New("table schedule: a compactor and how often it runs (lake.compact_every) are needed")
	}
	return &Schedule{c, every}, nil
}

// Run carries out the schedule until ctx ends, the first time at once. What fails is logged and tried again the next time: the versions before
// stay.
func (s *Schedule) Run(ctx context.Context) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		s.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Schedule) round(ctx context.Context) {
	log := s.compactor.cfg.Logger
	reports, err := s.compactor.Compact(ctx, Options{})
	for _, r := range reports {
		if r.Note == "" && r.Error == "" {
			log.Info("a table was compacted", "source", r.Source, "version", r.Version, "rows", r.Rows, "seconds", r.Seconds)
		}
	}
	if err == nil {
		_, err = s.compactor.Prune(ctx, PruneOptions{})
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, lake.ErrLocked):
		log.Info("another process works on a table", "error", err)
	default:
		log.Error("a table was not compacted; its version before stays", "error", err)
	}
}

package batch

import (
	"context"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/live"
)

// limited is what the limits of the speed layer kept from the cells of the periods in hand.
type limited struct {
	folded  map[int64][]folded // by bucket: cells that stand for values beyond the limit of cardinality
	lacking []live.Deferred    // ranges of event time whose events were left to this run
}

// folded is a cell of the speed layer that stands for many combinations of dimension values.
type folded struct {
	dims   []algebra.Value
	events int64
}

// foldedDims are the positions of the dimensions whose value stands for many.
func foldedDims(dims []algebra.Value) (at []int) {
	for i := range dims {
		if dims[i].IsOther() {
			at = append(at, i)
		}
	}
	return at
}

// add notes a cell of the speed layer.
func (l *limited) add(bucket int64, dims []algebra.Value, events int64) {
	if len(foldedDims(dims)) == 0 {
		return
	}
	if l.folded == nil {
		l.folded = map[int64][]folded{}
	}
	l.folded[bucket] = append(l.folded[bucket], folded{dims, events})
}

// under is how many events that belong to a cell may be under values that stand for many: those of its bucket that agree in the other dimensions.
func (l *limited) under(at place) (events int64) {
	if at.total {
		return 0 // a total has them
	}
	for _, f := range l.folded[at.bucket] {
		differs := false
		for i := range f.dims {
			differs = differs || !f.dims[i].IsOther() && f.dims[i] != at.dims[i]
		}
		if !differs {
			events += f.events
		}
	}
	return events
}

// deferred is how many events of a bucket may have been left to this run.
func (c *comparison) deferred(bucket int64) (events int64) {
	end := c.grain.Next(bucket, c.job.view.Location)
	for _, r := range c.limits.lacking {
		if r.From < end && r.To > bucket {
			events += r.Events
		}
	}
	return events
}

// limitedBy says which limit of the speed layer made a cell lack events that the records have, or hold those of others; "" where none did.
// Where a bucket met both limits, what it gained is of the one that left events out, but for the cells that stand for many.
func (c *comparison) limitedBy(before *cell, counted outcome) ledger.Class {
	if len(foldedDims(before.dims)) > 0 {
		return ledger.Cardinality
	}
	gained := counted.events - before.merged.Events()
	under, deferred := c.limits.under(before.place), c.deferred(before.bucket)
	switch {
	case gained <= 0 || gained > under+deferred:
		return ""
	case deferred > 0:
		return ledger.Coverage
	}
	return ledger.Cardinality
}

// readLacking adds the ranges of event time of which the closed epochs of a partition left events to this run. before is what was read of it.
func (c *comparison) readLacking(ctx context.Context, partition int, before live.Meta) error {
	v, cut := c.job.from(partition), c.job.cuts[partition].Offset
	l, err := c.job.runner.cfg.Live.Limits(ctx, c.job.group(partition), v, false)
	if err != nil {
		return &speedError{partition, err.Error()}
	}
	if l.Served != live.ServedWhole || l.Meta.Inst != before.Inst {
		return &speedError{partition, "its state began anew while it was read"}
	}
	closed := l.Lacking(func(start int64) bool { return start < cut })
	c.limits.lacking = live.JoinDeferred(slices.Concat(c.limits.lacking, closed))
	return nil
}

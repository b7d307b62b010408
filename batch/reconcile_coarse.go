package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// How long a run waits in all for the speed layer's coarser grains, which the ledger compares, to reach its cut: the workers write what is
// pending when they see the cut, which they do within a second. And how often it looks.
const (
	evenWithin = 3 * time.Second
	evenLook   = 20 * time.Millisecond
)

// peekEven reads what a slot's group holds, once its coarser grains have reached the cut or the patience is at an end, which it is lessened by.
func (j *job) peekEven(ctx context.Context, slot int, patience *time.Duration) (live.Meta, bool, error) {
	for {
		m, ok, err := j.runner.cfg.Live.Peek(ctx, j.group(slot))
		if err != nil || !ok || j.unevenBy(m, slot) == "" || *patience <= 0 {
			return m, ok, err
		}
		select {
		case <-time.After(evenLook):
			*patience -= evenLook
		case <-ctx.Done():
			return m, ok, context.Cause(ctx)
		}
	}
}

// unevenBy says why the coarser grains of a state do not hold all that answers of the finest one held before the publish; "" where they do.
func (j *job) unevenBy(m live.Meta, slot int) string {
	to := j.cuts[slot].Offset
	if !newest(slot) {
		to = m.Off
	}
	if m.Coarse >= to {
		return ""
	}
	return fmt.Sprintf("the grains but %s of the speed layer are at offset %d, and the run cut at %d", j.view.Grains[0].Name, m.Coarse, to)
}

package speed

import (
	"context"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// askedForMemory is the cause of a batch that is to free Redis' memory.
const askedForMemory = "memory"

// watchMemory looks at how full Redis is, until ctx ends, and asks for a batch before it is full: a batch covers what the epochs hold, and
// they are dropped. That it is asked for again and again, and by each worker, is one wish until it is answered.
func (w *Worker) watchMemory(ctx context.Context) {
	tick := time.NewTicker(w.cfg.MemoryPoll)
	defer tick.Stop()
	for {
		if err := w.lookAtMemory(ctx); err != nil && ctx.Err() == nil {
			w.metrics.errors.WithLabelValues("", "watch memory").Inc()
			w.log.Warn("the memory of Redis is not watched", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) lookAtMemory(ctx context.Context) error {
	m, err := w.cfg.Live.Memory(ctx)
	if err != nil {
		return err
	}
	w.metrics.redis.Set(m.Share())
	if !m.High() {
		return nil
	}
	asked, err := w.cfg.Lake.BatchAsked(ctx)
	if err != nil || slices.ContainsFunc(asked, func(a lake.BatchAsk) bool { return a.View == "" && a.Cause == askedForMemory }) {
		return err
	}
	if err := w.cfg.Lake.AskBatch(ctx, lake.BatchAsk{Cause: askedForMemory, Reason: m.String(), At: time.Now()}); err != nil {
		return err
	}
	w.metrics.asked.WithLabelValues(askedForMemory).Inc()
	w.log.Warn("a batch is asked for", "cause", askedForMemory, "reason", m.String())
	return nil
}

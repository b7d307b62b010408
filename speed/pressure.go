package speed

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
)

// askedForMemory is the cause of a batch that is to free Redis' memory.
const askedForMemory = "memory"

// watchMemory looks at how full Redis is, until ctx ends, and asks for a batch before it is full: a batch covers what the epochs hold, and
// they are dropped. That it is asked for again and again, and by each worker, is one wish until it is answered.
func (w *Worker) watchMemory(ctx context.Context) {
	tick := time.NewTicker(w.cfg.MemoryPoll)
	defer tick.Stop()
	var weighed time.Time
	for {
		err := w.lookAtMemory(ctx)
		if parts := w.owned(); err == nil && len(parts) > 0 && time.Since(weighed) >= weighEvery {
			weighed = time.Now()
			err = w.weigh(ctx, parts)
		}
		if err != nil && ctx.Err() == nil {
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

// weighEvery is how often the views' shares of Redis' memory are estimated.
const weighEvery = time.Minute

// owned are the partitions that are being worked on.
func (w *Worker) owned() []*partition {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	return slices.Collect(maps.Keys(w.status.parts))
}

// weigh tells how much of Redis' memory the views take in some partitions.
func (w *Worker) weigh(ctx context.Context, parts []*partition) error {
	var groups []live.Group
	var sources []string
	for _, p := range parts {
		for _, g := range p.groups {
			groups, sources = append(groups, g.id), append(sources, p.lane.src.Name)
		}
	}
	weights, err := w.cfg.Live.Weigh(ctx, groups)
	if err != nil {
		return err
	}
	w.metrics.redisBytes.Reset()
	for i, bytes := range weights {
		w.metrics.redisBytes.WithLabelValues(sources[i], groups[i].View).Add(float64(bytes))
	}
	return nil
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

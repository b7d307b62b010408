package speed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// currents remembers CURRENT of each view for a moment: all partitions ask for it at the same time.
type currents struct {
	mu   sync.Mutex
	seen map[string]seenCurrent
}

type seenCurrent struct {
	manifest *lake.Manifest
	at       time.Time
}

// current returns the snapshot that answers of the view rest on, not older than age; S0 is made where there is none.
func (w *Worker) current(ctx context.Context, v *view.View, t lake.Topic, starts map[int]int64, age time.Duration) (*lake.Manifest, error) {
	c := &w.currents
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if s, ok := c.seen[v.Name]; ok && now.Sub(s.at) < age {
		return s.manifest, nil
	}
	m, _, err := w.cfg.Lake.Current(ctx, v.Name, v.Hash)
	if errors.Is(err, lake.ErrNotFound) {
		m, _, err = w.cfg.Lake.EnsureFirst(ctx, v.Name, v.Hash, t, starts, now)
	}
	if err != nil {
		return nil, err
	}
	if m.Topic.Incarnation > t.Incarnation {
		return nil, fmt.Errorf("snapshot %s of view %s is of %s, which comes after %s: %w", m.ID, v.Name, m.Topic, t, stream.ErrTopicReplaced)
	}
	c.seen[v.Name] = seenCurrent{m, now}
	return m, nil
}

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

// currents remembers CURRENT of each definition of a view for a moment: all partitions ask for it at the same time.
type currents struct {
	mu   sync.Mutex
	seen map[viewName]seenCurrent
}

// viewName is a view under one definition.
type viewName struct{ view, hash string }

type seenCurrent struct {
	manifest *lake.Manifest
	at       time.Time
}

// current returns the snapshot that answers of the view rest on, not older than age; S0 is made where there is none.
func (w *Worker) current(ctx context.Context, v *view.View, t lake.Topic, starts map[int]int64, age time.Duration) (*lake.Manifest, error) {
	c := &w.currents
	c.mu.Lock()
	defer c.mu.Unlock()
	now, name := time.Now(), viewName{v.Name, v.Hash}
	if s, ok := c.seen[name]; ok && now.Sub(s.at) < age {
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
	c.seen[name] = seenCurrent{m, now}
	return m, nil
}

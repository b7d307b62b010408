package serving

import (
	"context"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// Freshness is how new what each layer holds of a view is.
type Freshness struct {
	Batch      string   `json:"batch,omitempty"`       // when the snapshot that is served was computed; absent before the first
	Live       string   `json:"live,omitempty"`        // when the newest record that the speed layer holds was written; absent where it holds none, or does not answer
	AgeSeconds *float64 `json:"age_seconds,omitempty"` // how long ago that was
}

// freshness asks the speed layer for its newest record of a view.
func (s *Server) freshness(ctx context.Context, vs *viewState, snap *snapshot) Freshness {
	f := Freshness{}
	if !snap.manifest.Created.IsZero() {
		f.Batch = snap.manifest.Created.UTC().Format(time.RFC3339)
	}
	parts, _ := s.partitions(ctx, vs, snap)
	var groups []live.Group
	for i := range parts {
		if !parts[i].covered {
			groups = append(groups, s.group(vs, &parts[i]))
		}
	}
	newest := int64(beginning)
	for _, head := range s.cfg.Live.Heads(ctx, groups) {
		if head.Err == nil && head.OK {
			newest = max(newest, head.Progress.MaxTimestamp)
		}
	}
	if newest != beginning {
		age := max(0, s.cfg.Clock().Sub(time.UnixMicro(newest)).Seconds())
		f.Live, f.AgeSeconds = formatTime(newest, time.UTC), &age
	}
	return f
}

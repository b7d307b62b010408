package serving

import (
	"context"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/live"
)

// Mark tells one state of a view's answers from the next: which definition and snapshot they come from, and how far the speed layer is. While it stays
// the same so do the answers, but for what the speed layer cannot say at the moment.
type Mark struct {
	Text      string
	Watermark int64 // µs: earlier events would be late
	Known     bool  // there have been events
}

// Mark looks how far the layers are with a view, without reading any of its cells.
func (s *Server) Mark(ctx context.Context, name string) (Mark, error) {
	v, err := s.find(ctx, name)
	if err != nil {
		return Mark{}, err
	}
	vs := s.state(v)
	snap, release, err := s.pin(ctx, vs)
	if err != nil {
		return Mark{}, unavailable(err.Error(), "see /v1/status")
	}
	defer release()
	parts, reason := s.partitions(ctx, vs, snap)
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s %d %s", v.Hash, snap.manifest.ID, snap.sequence, reason)
	var groups []live.Group
	var at []int
	for i := range parts {
		if !parts[i].covered {
			groups, at = append(groups, s.group(vs, &parts[i])), append(at, i)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SpeedTimeout)
	defer cancel()
	for k, head := range s.cfg.Live.Heads(ctx, groups) {
		p := &parts[at[k]]
		fmt.Fprintf(&text, " %d/%d:%t:%s:%d:%d", p.life, p.number, head.OK, head.Inst, head.Off, head.Coarse)
		if head.OK && head.Holds(p.batch) {
			p.read = reading{served: live.ServedWhole, at: standing{head.Off, head.Progress}}
		}
	}
	m := Mark{Text: text.String()}
	m.Watermark, m.Known = (&merged{snap: snap, partitions: parts}).watermark(v.Source)
	return m, nil
}

package serving

import (
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
)

// standing is up to where a group's cells of some grains hold the records from a boundary on.
type standing struct {
	off int64
	at  intake.Progress // of the intake, at off; less where batch has more
}

// standsAt says so for the spans of a question. The finest grain has an offset of its own and the others have one that may lag behind it; below
// the boundary they have nothing to say, so that the answer is batch's alone. Not one: the spans are of both, and stand at different offsets.
func standsAt(m live.Meta, finest string, v int64, spans []span) (at standing, one bool) {
	fine := standing{m.Off, m.Progress}
	coarse := standing{max(m.Coarse, v), m.CoarseAt}
	for i, s := range spans {
		here := coarse
		if s.grain.Name == finest {
			here = fine
		}
		if i > 0 && here.off != at.off {
			return standing{}, false
		}
		at = here
	}
	return at, true
}

package serving

import (
	"testing"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

func TestEachGrainStandsAtItsOwnOffset(t *testing.T) {
	of := func(names ...string) (spans []span) {
		for _, n := range names {
			spans = append(spans, span{grain: view.Grain{Name: n}})
		}
		return spans
	}
	m := live.Meta{Off: 30, Progress: intake.Progress{MaxEventTime: 3}, Coarse: 20, CoarseAt: intake.Progress{MaxEventTime: 2}}
	for _, c := range []struct {
		v      int64
		coarse int64
		spans  []span
		off    int64
		one    bool
	}{
		{0, 20, of("1m"), 30, true},
		{0, 20, of("1h"), 20, true},
		{25, 20, of("1h"), 25, true}, // batch's alone
		{0, 20, of("1h", "1d", "1h"), 20, true},
		{0, 20, of("1m", "1h", "1m"), 0, false},
		{0, 30, of("1m", "1h", "1m"), 30, true},
		{30, 20, of("1m", "1h"), 30, true},
	} {
		m.Coarse = c.coarse
		if at, one := standsAt(m, "1m", c.v, c.spans); at.off != c.off || one != c.one {
			t.Errorf("from %d, coarser grains at %d, %d spans: at %d (%v), want %d (%v)", c.v, c.coarse, len(c.spans), at.off, one, c.off, c.one)
		}
	}
}

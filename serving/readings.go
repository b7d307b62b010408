package serving

import (
	"fmt"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

// readings shares what was read of the speed layer among queries for the same cells. Each is one consistent reading of its group, so sharing it
// makes an answer older and nothing else. One that finds anything but the whole is the caller's alone.
type readings = shared[readingKey, reading]

// readingKey names the cells that are read, and the parts of their states.
type readingKey struct {
	group live.Group
	v     int64
	spans string
	parts string
}

func readingKeyOf(plan *algebra.Plan, g live.Group, v int64, spans []span) readingKey {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %d %d,", s.grain.Name, s.from, s.to)
	}
	return readingKey{g, v, b.String(), plan.Selection()}
}

// newReadings counts no weights: the chunks of a reading are in the cache, which has its own bound.
func newReadings(age, timeout time.Duration, clock func() time.Time) *readings {
	return newShared[readingKey](age, timeout, 0, clock, func(r reading) (int64, bool) { return 0, r.served == live.ServedWhole })
}

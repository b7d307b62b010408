package speed

import "github.com/caudal/caudal/internal/live"

// gaps are the offsets [a, b), ascending, that the newest epoch passed over: a chunk of the lake states that nobody has their records any more.
// Answers say so until a snapshot does.
type gaps struct {
	ranges  [][2]int64
	changed bool // since the last flush that was built
	written bool // Redis has them, or a flush on its way
}

func (g *gaps) adopt(held *live.Limited) {
	g.ranges = held.Missing
	g.written = len(held.Missing) > 0
}

// pass notes what a run of marks passes over from an offset on, and counts it.
func (g *gaps) pass(marks []mark, off int64, counts *live.Counts) {
	for i := range marks {
		m := &marks[i]
		if m.gone == 0 {
			continue
		}
		gap := [2]int64{max(off, m.offset+1-m.gone), m.offset + 1}
		g.ranges = live.JoinGaps(append(g.ranges, gap))
		g.changed = true
		counts.Missing += gap[1] - gap[0]
	}
}

// write adds the offsets to a flush of the epoch, if they changed.
func (g *gaps) write(start int64, into []live.ChunkWrite) []live.ChunkWrite {
	if !g.changed {
		return into
	}
	into = append(into, live.GapsWrite(start, !g.written, g.ranges))
	g.changed, g.written = false, true
	return into
}

package serving

import (
	"math"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// watermark is the smallest over the partitions that were served and are not idle, µs UTC; false where none has seen an event. It decides what is
// shown as open or closed and what alerts look at, and no number of an answer.
func (m *merged) watermark(s *view.Source) (int64, bool) {
	newest := int64(math.MinInt64)
	for i := range m.partitions {
		if p := &m.partitions[i]; !p.ended() {
			at, _ := m.progress(p)
			newest = max(newest, at.MaxTimestamp)
		}
	}
	least, found := int64(forever), false
	for i := range m.partitions {
		p := &m.partitions[i]
		if p.ended() {
			continue
		}
		at, off := m.progress(p)
		if at.MaxEventTime == beginning || p.idle(at, off, newest, s) {
			continue
		}
		least, found = min(least, at.MaxEventTime), true
	}
	return least - s.Lateness.Microseconds(), found
}

// ended says that nothing more will come of a partition.
func (p *partition) ended() bool { return p.over || p.covered }

// progress is how far the intake is with a partition in the answer, and at which offset.
func (m *merged) progress(p *partition) (at intake.Progress, off int64) {
	at, off = intake.Start(), p.batch
	cuts, _ := m.snap.manifest.CutsOf(p.life)
	if cut, ok := cuts[p.number]; ok {
		at = cut.Progress
	}
	if p.read.served == live.ServedWhole {
		at.MaxEventTime = max(at.MaxEventTime, p.read.at.at.MaxEventTime)
		at.MaxTimestamp = max(at.MaxTimestamp, p.read.at.at.MaxTimestamp)
		off = max(off, p.read.at.off)
	}
	return at, off
}

// idle says that a partition has had nothing for longer than the source allows, while others had: it holds the watermark back no longer. Its age is that
// of its newest record behind the newest of all, by the records' timestamps, so that no clock is asked. The one with the newest is never idle.
func (p *partition) idle(at intake.Progress, off, newest int64, s *view.Source) bool {
	behind := uint64(newest) - uint64(at.MaxTimestamp) // of two int64, the one at least the other: it fits
	return s.Idle > 0 && p.end >= 0 && off >= p.end && behind > uint64(s.Idle.Microseconds())
}

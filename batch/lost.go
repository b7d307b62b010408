package batch

import (
	"context"

	"github.com/caudal/caudal/internal/live"
)

// findLost counts, by slot, the records that retention took from the log before they were archived and that answers held all the same, as the
// speed layer had counted them: the answers lose them with this publish. Offsets that the speed layer passed over too are no loss.
func (j *job) findLost(ctx context.Context) error {
	j.lost = map[int]int64{}
	for slot, chunks := range j.chunks {
		from, to := j.from(slot), j.cuts[slot].Offset
		var gaps [][2]int64
		for i := range chunks {
			gaps = append(gaps, overlap(chunks[i].Missing, from, to)...)
		}
		if len(gaps) == 0 {
			continue
		}
		reply, err := j.runner.cfg.Live.Limits(ctx, j.group(slot), from, false)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || reply.Served != live.ServedWhole {
			continue // what was answered is not known: the ledger says so
		}
		j.lost[slot] = offsetsIn(gaps) - offsetsIn(overlap(reply.Missing(), from, to))
	}
	return nil
}

// overlap are the parts of ranges that lie in [from, to).
func overlap(ranges [][2]int64, from, to int64) [][2]int64 {
	var in [][2]int64
	for _, r := range ranges {
		if r = [2]int64{max(r[0], from), min(r[1], to)}; r[0] < r[1] {
			in = append(in, r)
		}
	}
	return in
}

// offsetsIn is how many offsets ranges have that are apart.
func offsetsIn(ranges [][2]int64) (n int64) {
	for _, r := range ranges {
		n += r[1] - r[0]
	}
	return n
}

// lostTo says whether records that retention took can be why a cell has other events than before: each that it held is one less, and each may
// have been why a later one was a repeat.
func (c *comparison) lostTo(before *cell, counted outcome) bool {
	lost := int64(0)
	for _, n := range c.job.lost {
		lost += n
	}
	difference := before.merged.Events() - counted.events
	return lost > 0 && difference <= lost && -difference <= lost
}

package batch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// mend makes a chunk whose range the log has lost in part consist of what is left of its records: those that could still be read, and
// those in files that an earlier attempt wrote when it could read more. A date that has a file is that file's, as nobody can write another
// one. What is in neither is stated as missing. Without this a partition would be stuck: the files could never be written again as they stand.
func (p *partition) mend(ctx context.Context, f *feed, c *chunk) error {
	var err error
	if c.stands, err = p.archive.cfg.Lake.StandingFiles(ctx, p.topic, p.id, c.first); err != nil || len(c.stands) == 0 {
		return err
	}
	ahead := f.source.MaxAhead.Microseconds()
	held := map[int64]bool{}
	for _, s := range c.stands {
		for _, r := range s.Records {
			held[r.Offset] = true
			c.progress.MaxTimestamp = max(c.progress.MaxTimestamp, r.Timestamp)
			if !s.Dead {
				c.progress.MaxEventTime = max(c.progress.MaxEventTime, min(r.EventTime, r.Timestamp+ahead))
			}
		}
	}
	var gone []int64
	for _, gap := range c.missing {
		for offset := gap[0]; offset < gap[1]; offset++ {
			if !held[offset] {
				gone = append(gone, offset)
			}
		}
	}
	// Records that we have and the file of their date, of an attempt that had lost more, has not.
	for i, offset := range c.rows.Offset {
		if !held[offset] && c.standsOn(dateOf(c.rows.EventTime[i]), false) {
			gone = append(gone, offset)
		}
	}
	for i := range c.dead {
		if d := &c.dead[i]; !held[d.Offset] && c.standsOn(dateOf(d.Timestamp), true) {
			gone = append(gone, d.Offset)
		}
	}
	c.missing = ranges64(gone)
	p.archive.cfg.Logger.Warn("a chunk is put together of what the log still has and of files of an earlier attempt", "topic", p.topic.Name,
		"partition", p.id, "first", c.first, "next", c.next, "files", len(c.stands), "missing", c.missing)
	return nil
}

// standsOn says whether a file of that date stands, of events or of dead letters.
func (c *chunk) standsOn(date string, dead bool) bool {
	return slices.ContainsFunc(c.stands, func(s lake.Standing) bool { return s.Date == date && s.Dead == dead })
}

// dateOf is the UTC date of a time in µs.
func dateOf(us int64) string { return time.UnixMicro(us).UTC().Format(time.DateOnly) }

// ranges64 are the offsets as intervals [a, b), ascending.
func ranges64(offsets []int64) [][2]int64 {
	slices.SortFunc(offsets, cmp.Compare[int64])
	var out [][2]int64
	for _, offset := range offsets {
		if n := len(out); n > 0 && out[n-1][1] >= offset {
			out[n-1][1] = max(out[n-1][1], offset+1)
		} else {
			out = append(out, [2]int64{offset, offset + 1})
		}
	}
	return out
}

// account notes in a chunk what its files hold.
func (c *chunk) account(open *lake.Chunk) {
	open.Progress, open.Missing = c.progress, c.missing
	open.Events, open.Duplicates, open.Late, open.Dead = int64(c.rows.Len()), c.duplicates, c.late, int64(len(c.dead))
	if len(c.stands) == 0 {
		return
	}
	open.Events, open.Duplicates, open.Late, open.Dead = 0, 0, 0, 0
	add := func(duplicate, late bool) {
		open.Events++
		switch {
		case duplicate:
			open.Duplicates++
		case late:
			open.Late++
		}
	}
	for i := range c.rows.Len() {
		if !c.standsOn(dateOf(c.rows.EventTime[i]), false) {
			add(c.rows.Duplicate[i] != 0, c.rows.Late[i] != 0)
		}
	}
	for i := range c.dead {
		if !c.standsOn(dateOf(c.dead[i].Timestamp), true) {
			open.Dead++
		}
	}
	for _, s := range c.stands {
		for _, r := range s.Records {
			if s.Dead {
				open.Dead++
			} else {
				add(r.Duplicate, r.Late)
			}
		}
	}
}

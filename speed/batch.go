package speed

import (
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// microBatch is what a turn of the loop works on: the typed rows of all partitions of a source that had records.
type microBatch struct {
	rows    *intake.Rows
	parts   []*part
	slots   map[int64]int // a partition's number: its position in parts
	records int
	began   time.Time
	traces  []string // that some of the records are part of; a bounded number
	sub     []int64  // scratch: the column _sub
}

// part is one partition's share of a micro-batch.
type part struct {
	p     *partition
	marks []mark // one for each record, dead letters too, and one for each gap

	arrivals []int64 // record timestamps of a sample of them, µs UTC
}

// mark is what the intake said of one record, and where it stood after it; or that there are no records.
type mark struct {
	offset int64
	at     intake.Progress
	kind   intake.Kind
	late   bool
	gone   int64 // above 0: neither Kafka nor the lake has this offset and those before it, so many in all
}

func newMicroBatch(src *view.Source) microBatch {
	return microBatch{rows: intake.NewRows(src), slots: map[int64]int{}}
}

func (b *microBatch) reset() {
	b.rows.Reset()
	b.parts = b.parts[:0]
	clear(b.slots)
	b.records = 0
	b.traces = b.traces[:0]
}

// of returns the share of a partition.
func (b *microBatch) of(p *partition) *part {
	i, ok := b.slots[int64(p.number)]
	if ok {
		return b.parts[i]
	}
	b.slots[int64(p.number)] = len(b.parts)
	// The share is the partition's, so that its memory is used again.
	p.share.marks, p.share.arrivals = p.share.marks[:0], p.share.arrivals[:0]
	b.parts = append(b.parts, &p.share)
	return &p.share
}

// add folds records into the batch.
func (b *microBatch) add(p *partition, records []stream.Record, m *sourceMetrics) {
	share := b.of(p)
	rec := intake.Record{Partition: p.number}
	for i := range records {
		r := &records[i]
		rec.Offset, rec.Timestamp, rec.Key, rec.Value = r.Offset, r.Timestamp, r.Key, r.Value
		v := p.fold.Append(rec, b.rows)
		share.marks = append(share.marks, mark{offset: r.Offset, at: p.fold.Progress(), kind: v.Kind, late: v.Late})
		if v.Kind == intake.DeadLetter {
			m.dead[v.Dead.Reason].Inc()
		}
	}
	share.sample(records)
	b.records += len(records)
	m.tally(share.counts(span{len(share.marks) - len(records), len(share.marks)}))
}

// span is a run of marks that is one flush of a group.
type span struct{ lo, hi int }

// spans cuts the records that a group has yet to take, those from off on, into n runs of equal length or so, none of which goes across one of
// the bounds.
func (s *part) spans(off int64, bounds []int64, n int, into []span) []span {
	lo := 0
	for lo < len(s.marks) && s.marks[lo].offset < off {
		lo++
	}
	left := len(s.marks) - lo
	if left == 0 {
		return into
	}
	size := (left + n - 1) / n
	for lo < len(s.marks) {
		hi := min(lo+size, len(s.marks))
		for len(bounds) > 0 && s.marks[lo].offset >= bounds[0] {
			bounds = bounds[1:]
		}
		if len(bounds) > 0 && s.marks[hi-1].offset >= bounds[0] {
			hi = lo
			for s.marks[hi].offset < bounds[0] {
				hi++
			}
		}
		into = append(into, span{lo, hi})
		lo = hi
	}
	return into
}

// counts adds up the verdicts of a run.
func (s *part) counts(r span) (c live.Counts) {
	for i := r.lo; i < r.hi; i++ {
		m := &s.marks[i]
		if m.gone > 0 {
			continue
		}
		switch m.kind {
		case intake.Event:
			c.Events++
			if m.late {
				c.Late++
			}
		case intake.Duplicate:
			c.Duplicates++
		case intake.DeadLetter:
			c.Dead++
		}
	}
	return c
}

// cut fills the column _sub: the number of the run that each row is in, by partition, and -1 for rows that are in none. It returns
// nil where every row is in run 0.
func (b *microBatch) cut(spans [][]span) []int64 {
	plain := true
	for i, s := range spans {
		plain = plain && len(s) == 1 && s[0].lo == 0 && s[0].hi == len(b.parts[i].marks)
	}
	if plain {
		return nil
	}
	type cursor struct {
		sub  int64
		next int64 // offset where the next run begins
	}
	const never = 1<<63 - 1
	begin := func(part, sub int) int64 {
		if sub >= len(spans[part]) {
			return never
		}
		return b.parts[part].marks[spans[part][sub].lo].offset
	}
	cursors := make([]cursor, len(spans))
	for i := range cursors {
		cursors[i] = cursor{-1, begin(i, 0)}
	}
	b.sub = b.sub[:0]
	part := -1
	last := int64(-1)
	for i, number := range b.rows.Partition {
		if part < 0 || number != last {
			part, last = b.slots[number], number
		}
		c := &cursors[part]
		for b.rows.Offset[i] >= c.next {
			c.sub++
			c.next = begin(part, int(c.sub)+1)
		}
		b.sub = append(b.sub, c.sub)
	}
	return b.sub
}

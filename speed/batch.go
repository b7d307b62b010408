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
	rows      *intake.Rows
	parts     []*part
	positions map[int64]int // a partition's number: its position in parts
	records   int
	began     time.Time
	traces    []string // that some of the records are part of; a bounded number
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
	return microBatch{rows: intake.NewRows(src), positions: map[int64]int{}}
}

func (b *microBatch) reset() {
	b.rows.Reset()
	b.parts = b.parts[:0]
	clear(b.positions)
	b.records = 0
	b.traces = b.traces[:0]
}

// of returns the share of a partition.
func (b *microBatch) of(p *partition) *part {
	i, ok := b.positions[int64(p.number)]
	if ok {
		return b.parts[i]
	}
	b.positions[int64(p.number)] = len(b.parts)
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

package speed

import "github.com/caudal/caudal/internal/view"

// slots put the rows of a micro-batch together that one view adds up, but for their dimensions: those of one partition, one part of its records and one
// base bucket. The query groups by their numbers.
type slots struct {
	list    []slot         // by number
	numbers map[slot]int64 // of each
	rows    []int64        // the column _slot: the number of each row's, noSlot for rows that are in none
	cursors []cursor
}

type slot struct {
	part   int32 // position in the micro-batch
	sub    int32
	bucket int64 // start of the base bucket, µs UTC
}

const noSlot = -1

// cursor goes over the rows of one partition.
type cursor struct {
	sub    int32
	next   int64 // offset where the next part begins
	number int64 // of the slot of the row before; noSlot: of another part, or none
	bucket int64 // of that slot
}

// fill gives each row its slot: spans are the parts of each partition, size that of a base bucket, µs.
func (s *slots) fill(b *microBatch, spans [][]span, size int64) {
	if s.numbers == nil {
		s.numbers = map[slot]int64{}
	}
	clear(s.numbers)
	s.list, s.rows, s.cursors = s.list[:0], s.rows[:0], s.cursors[:0]
	const never = 1<<63 - 1
	begin := func(part int, sub int32) int64 {
		if int(sub) >= len(spans[part]) {
			return never
		}
		return b.parts[part].marks[spans[part][sub].lo].offset
	}
	for part := range spans {
		s.cursors = append(s.cursors, cursor{sub: -1, next: begin(part, 0), number: noSlot})
	}
	part, last := -1, int64(-1)
	for i, partition := range b.rows.Partition {
		if part < 0 || partition != last {
			part, last = b.positions[partition], partition
		}
		c := &s.cursors[part]
		for b.rows.Offset[i] >= c.next {
			c.sub++
			c.next, c.number = begin(part, c.sub+1), noSlot
		}
		at := b.rows.EventTime[i]
		if c.sub >= 0 && (c.number == noSlot || uint64(at-c.bucket) >= uint64(size)) {
			c.bucket = view.FloorTo(at, size)
			c.number = s.number(slot{int32(part), c.sub, c.bucket})
		}
		s.rows = append(s.rows, c.number)
	}
}

// number is that of a slot, a new one where it has none.
func (s *slots) number(of slot) int64 {
	n, ok := s.numbers[of]
	if !ok {
		n = int64(len(s.list))
		s.numbers[of] = n
		s.list = append(s.list, of)
	}
	return n
}

package speed

import (
	"math/rand/v2"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

// Every row's slot is its partition, the part of it that its offset is in and its base bucket, whatever the order of times and partitions; rows below
// the first part are in none.
func TestARowsSlotIsItsPartitionPartAndBucket(t *testing.T) {
	src := &view.Source{Fields: []view.Field{{Name: "x", Type: view.Type{Kind: view.Int64}}}}
	const size = 60_000_000
	var s slots
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		b := newMicroBatch(src)
		var spans [][]span
		n := 1 + rnd.IntN(3)
		for p := range n {
			partition := &partition{number: 7 * (n - p)}
			share := b.of(partition)
			offset := int64(rnd.IntN(1000))
			for range 1 + rnd.IntN(40) {
				share.marks = append(share.marks, mark{offset: offset})
				offset += 1 + int64(rnd.IntN(3)) // of a log with gaps
			}
			var of []span
			for lo := rnd.IntN(len(share.marks)); lo < len(share.marks); {
				hi := min(lo+1+rnd.IntN(20), len(share.marks))
				of = append(of, span{lo, hi})
				lo = hi
			}
			if rnd.IntN(5) == 0 {
				of = nil
			}
			spans = append(spans, of)
		}
		next := make([]int, n)
		for left := true; left; {
			left = false
			for p := range n { // in turns
				for marks := b.parts[p].marks; next[p] < len(marks) && rnd.IntN(4) > 0; next[p]++ {
					if rnd.IntN(6) > 0 { // else a dead letter, which has no row
						i := b.rows.Extend()
						b.rows.Partition[i], b.rows.Offset[i] = int64(7*(n-p)), marks[next[p]].offset
						b.rows.EventTime[i] = rnd.Int64N(8*size) - 4*size
					}
				}
				left = left || next[p] < len(b.parts[p].marks)
			}
		}
		s.fill(&b, spans, size)
		if len(s.rows) != b.rows.Len() {
			t.Fatalf("seed %d: %d slots of %d rows", seed, len(s.rows), b.rows.Len())
		}
		for i, number := range s.rows {
			part := b.positions[b.rows.Partition[i]]
			want, in := slot{part: int32(part), bucket: view.FloorTo(b.rows.EventTime[i], size)}, false
			for sub, of := range spans[part] {
				if at := b.rows.Offset[i]; at >= b.parts[part].marks[of.lo].offset && at <= b.parts[part].marks[of.hi-1].offset {
					want.sub, in = int32(sub), true
				}
			}
			switch {
			case !in && number != noSlot:
				t.Fatalf("seed %d: row %d is in no part, and in slot %d", seed, i, number)
			case in && (number < 0 || s.list[number] != want):
				t.Fatalf("seed %d: row %d is in slot %d of %v, want %v", seed, i, number, s.list, want)
			}
		}
		if len(s.numbers) != len(s.list) {
			t.Fatalf("seed %d: %d slots with %d numbers", seed, len(s.list), len(s.numbers))
		}
	}
}

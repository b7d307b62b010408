package lake

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/caudal/caudal/internal/intake"
)

// radixBits is how many bits of a time are sorted by per pass: 2,048 counters stay in the first-level cache.
const radixBits = 11

// sortRows returns the positions of idx ordered by event time, then offset (then partition, should rows be of several). A file holds the
// rows of one day, so that times differ in at most 37 bits: a least-significant-digit radix sort takes four passes, and none if the rows came in order.
func sortRows(rows *intake.Rows, idx []int32) []int32 {
	order := slices.Clone(idx)
	byOffset := func(a, b int32) int {
		return cmp.Or(cmp.Compare(rows.Offset[a], rows.Offset[b]), cmp.Compare(rows.Partition[a], rows.Partition[b]))
	}
	if !slices.IsSortedFunc(order, byOffset) { // as they arrive, they are
		slices.SortFunc(order, byOffset)
	}
	if len(order) == 0 {
		return order
	}
	lowest, highest, sorted := rows.EventTime[order[0]], rows.EventTime[order[0]], true
	before := lowest
	for _, row := range order {
		t := rows.EventTime[row]
		lowest, highest = min(lowest, t), max(highest, t)
		sorted = sorted && before <= t
		before = t
	}
	if sorted {
		return order
	}
	spare := make([]int32, len(order))
	for shift := 0; shift < bits.Len64(uint64(highest-lowest)); shift += radixBits {
		digit := func(row int32) uint64 {
			return uint64(rows.EventTime[row]-lowest) >> shift & (1<<radixBits - 1)
		}
		var starts [1 << radixBits]int
		for _, row := range order {
			starts[digit(row)]++
		}
		sum := 0
		for d, n := range starts {
			starts[d] = sum
			sum += n
		}
		for _, row := range order {
			d := digit(row)
			spare[starts[d]] = row
			starts[d]++
		}
		order, spare = spare, order
	}
	return order
}

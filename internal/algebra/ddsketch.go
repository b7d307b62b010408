package algebra

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// ddBound is the relative error that a percentile read off a DDSketch does not exceed.
const ddBound = 0.01

// ddGamma is the growth of the bins: bin k holds ln(gamma)*(k-1) < ln|x| <= ln(gamma)*k. See Masson, Rim and Lee, "DDSketch", 2019.
const ddGamma = (1 + ddBound) / (1 - ddBound)

// ddOffset makes k positive for every double, so that the packed key keeps sign and zero: k+offset, -(k+offset), 0. Packed keys are
// ordered as the values are.
const ddOffset = 40_000

// ddFloor is below every packed key: the encoding counts the first key from it.
const ddFloor = -2 * ddOffset

// bins is a DDSketch at 1 %: the number of values per packed key.
type bins struct {
	keys   []int32 // ascending
	counts []uint64
}

func (b *bins) reset() { b.keys, b.counts = b.keys[:0], b.counts[:0] }

// addOne counts one value.
func (b *bins) addOne(key int32, n uint64) {
	i, found := slices.BinarySearch(b.keys, key)
	if found {
		b.counts[i] += n
		return
	}
	b.keys = slices.Insert(b.keys, i, key)
	b.counts = slices.Insert(b.counts, i, n)
}

// add counts keys in any order; counts is nil where each stands for one value.
func (b *bins) add(keys []int32, counts []uint64) {
	for i, key := range keys {
		n := uint64(1)
		if counts != nil {
			n = counts[i]
		}
		if n > 0 {
			b.addOne(key, n)
		}
	}
}

// merge adds another sketch. Both are sorted: keys that are missing are made room for once, then all are added from the back.
func (b *bins) merge(from *bins) {
	missing, i := 0, 0
	for _, key := range from.keys {
		for i < len(b.keys) && b.keys[i] < key {
			i++
		}
		if i == len(b.keys) || b.keys[i] != key {
			missing++
		}
	}
	n := len(b.keys)
	b.keys = slices.Grow(b.keys, missing)[:n+missing]
	b.counts = slices.Grow(b.counts, missing)[:n+missing]
	to, own := n+missing-1, n-1
	for j := len(from.keys) - 1; j >= 0; to-- {
		switch {
		case own < 0 || b.keys[own] < from.keys[j]:
			b.keys[to], b.counts[to] = from.keys[j], from.counts[j]
			j--
		case b.keys[own] == from.keys[j]:
			b.keys[to], b.counts[to] = b.keys[own], b.counts[own]+from.counts[j]
			own--
			j--
		default:
			b.keys[to], b.counts[to] = b.keys[own], b.counts[own]
			own--
		}
	}
}

// count is the number of values.
func (b *bins) count() uint64 {
	n := uint64(0)
	for _, c := range b.counts {
		n += c
	}
	return n
}

// quantile estimates the value of rank ceil(p*n), the one that quantile_disc answers, within ddBound; n must not be 0.
func (b *bins) quantile(p float64) float64 {
	n := b.count()
	rank := max(1, n-uint64(math.Floor(float64(n)-p*float64(n))))
	seen := uint64(0)
	for i, c := range b.counts {
		if seen += c; seen >= rank {
			return binValue(b.keys[i])
		}
	}
	return binValue(b.keys[len(b.keys)-1])
}

// binValue is the value that is within ddBound of everything in a bin.
func binValue(key int32) float64 {
	magnitude := func(k int32) float64 {
		// in two steps, since gamma^k alone overflows where the middle of the last bins does not. That of the very last one would; the largest
		// double is as near to all that is in it.
		return min(math.Exp(float64(k-ddOffset)*math.Log(ddGamma)+math.Log(2/(1+ddGamma))), math.MaxFloat64)
	}
	switch {
	case key == 0:
		return 0
	case key < 0:
		return -magnitude(-key)
	}
	return magnitude(key)
}

func (b *bins) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b.keys)))
	last := int32(ddFloor)
	for i, key := range b.keys {
		dst = binary.AppendUvarint(dst, uint64(key-last))
		dst = binary.AppendUvarint(dst, b.counts[i])
		last = key
	}
	return dst
}

var errBins = errors.New("it holds no DDSketch")

func (b *bins) decode(r *reader) {
	b.reset()
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.refuse(errBins)
		return
	}
	b.keys = slices.Grow(b.keys, int(n))
	b.counts = slices.Grow(b.counts, int(n))
	last := int64(ddFloor)
	for range n {
		step, count := r.uvarint(), r.uvarint()
		if step == 0 || step > -2*ddFloor || last+int64(step) > -ddFloor || count == 0 {
			r.refuse(errBins)
			return
		}
		last += int64(step)
		b.keys = append(b.keys, int32(last))
		b.counts = append(b.counts, count)
	}
}

// skipBins reads what append wrote and drops it.
func skipBins(r *reader) {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.refuse(errBins)
		return
	}
	r.skipVarints(2 * int(n))
}

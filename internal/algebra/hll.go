package algebra

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// The shape of the HyperLogLog sketches: it is part of HashID and can never change under it.
const (
	hllBits      = 12
	hllRegisters = 1 << hllBits
	hllRankBits  = 6
	hllMaxRank   = 52 // 63 bits of hash: 12 choose the register, of the other 51 the trailing zeros are counted, plus one

	// hllSparse is how many registers are kept as a list before they are kept as an array; 4 bytes each, so never larger than it.
	hllSparse = hllRegisters / 4
)

// hllBound is three standard errors of the estimate, relative, where the estimate is about normal.
const hllBound = 3 * 1.04 / 64

// hllSurprise is how seldom a small count may be outside its bound.
const hllSurprise = 1e-4

// relativeBound is the relative error that an estimate of n does not exceed: three standard errors, and for small counts, where the error
// is the few values that fell into a register that was taken, as many of those as a Poisson variable of mean n(n-1)/(2·4096) seldom
// exceeds, less what the estimator expects of them.
func relativeBound(n float64) float64 {
	mean := n * (n - 1) / (2 * hllRegisters)
	if n < 2 || mean > 50 {
		return hllBound
	}
	collisions, term := 0.0, math.Exp(-mean)
	for rest := 1 - term; rest > hllSurprise; rest -= term {
		collisions++
		term *= mean / collisions
	}
	return max(hllBound, (collisions-math.Floor(mean))/n)
}

// registers is a HyperLogLog sketch of 4,096 registers: the greatest rank seen in each. Which of the two forms it has depends on its
// content alone: sparse up to hllSparse registers, then dense.
type registers struct {
	sparse []uint32 // register<<6 | rank, ascending, each register once
	dense  []byte   // rank of each register; nil while sparse
}

func (h *registers) reset() {
	h.sparse, h.dense = h.sparse[:0], nil
}

// add takes packed registers (register<<6 | rank) in any order and any number, as SQL lists them.
func (h *registers) add(packed []uint32) {
	const few = 16
	switch {
	case h.dense != nil:
		raise(h.dense, packed)
	case len(packed) <= few:
		for _, p := range packed {
			h.insert(p)
		}
	default:
		var ranks [hllRegisters]byte
		raise(ranks[:], h.sparse)
		raise(ranks[:], packed)
		h.take(&ranks)
	}
}

// raise lifts ranks to those of packed registers.
func raise(ranks []byte, packed []uint32) {
	ranks = ranks[:hllRegisters]
	for _, p := range packed {
		reg := p >> hllRankBits & (hllRegisters - 1)
		if rank := byte(p & (1<<hllRankBits - 1)); rank > ranks[reg] {
			ranks[reg] = rank
		}
	}
}

// take replaces the content by an array of ranks.
func (h *registers) take(ranks *[hllRegisters]byte) {
	h.sparse = h.sparse[:0]
	for reg, rank := range ranks {
		if rank == 0 {
			continue
		}
		if len(h.sparse) == hllSparse {
			h.sparse, h.dense = nil, slices.Clone(ranks[:])
			return
		}
		h.sparse = append(h.sparse, uint32(reg)<<hllRankBits|uint32(rank))
	}
}

// insert takes one packed register.
func (h *registers) insert(p uint32) {
	if h.dense != nil {
		raise(h.dense, []uint32{p})
		return
	}
	reg := p >> hllRankBits
	i, _ := slices.BinarySearch(h.sparse, reg<<hllRankBits)
	switch {
	case i < len(h.sparse) && h.sparse[i]>>hllRankBits == reg:
		h.sparse[i] = max(h.sparse[i], p)
	case len(h.sparse) < hllSparse:
		h.sparse = slices.Insert(h.sparse, i, p)
	default:
		h.dense = make([]byte, hllRegisters)
		raise(h.dense, h.sparse)
		raise(h.dense, []uint32{p})
		h.sparse = nil
	}
}

// merge takes the registers of another sketch.
func (h *registers) merge(from *registers) {
	if from.dense == nil {
		h.add(from.sparse)
		return
	}
	if h.dense == nil {
		ranks := slices.Clone(from.dense)
		raise(ranks, h.sparse)
		h.sparse, h.dense = nil, ranks
		return
	}
	for reg, rank := range from.dense {
		if rank > h.dense[reg] {
			h.dense[reg] = rank
		}
	}
}

// estimate is the number of distinct values, by the improved raw estimator of O. Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, algorithm 6: without the bias and the switches of the classic one.
func (h *registers) estimate() float64 {
	var count [hllMaxRank + 1]float64
	for _, p := range h.sparse {
		count[min(p&(1<<hllRankBits-1), hllMaxRank)]++
	}
	for _, rank := range h.dense {
		count[min(rank, hllMaxRank)]++
	}
	if h.dense == nil {
		count[0] = float64(hllRegisters - len(h.sparse))
	}
	const m = float64(hllRegisters)
	z := m * tau(1-count[hllMaxRank]/m)
	for k := hllMaxRank - 1; k >= 1; k-- {
		z = 0.5 * (z + count[k])
	}
	z += m * sigma(count[0]/m)
	return m * m / (2 * math.Ln2 * z)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for last := math.NaN(); z != last; {
		x *= x
		last = z
		z += x * y
		y += y
	}
	return z
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for last := math.NaN(); z != last; {
		x = math.Sqrt(x)
		last = z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}

// The forms of an encoded sketch.
const (
	hllFormSparse = 0 // number of registers, then the difference of each packed register to the one before, as varints
	hllFormDense  = 1 // 4,096 ranks of 6 bits, the first in the lowest bits: 3,072 bytes
)

func (h *registers) append(dst []byte) []byte {
	if h.dense == nil {
		dst = append(dst, hllFormSparse)
		dst = binary.AppendUvarint(dst, uint64(len(h.sparse)))
		last := uint32(0)
		for _, p := range h.sparse {
			dst = binary.AppendUvarint(dst, uint64(p-last))
			last = p
		}
		return dst
	}
	dst = append(dst, hllFormDense)
	for i := 0; i < hllRegisters; i += 4 {
		four := uint32(h.dense[i]) | uint32(h.dense[i+1])<<6 | uint32(h.dense[i+2])<<12 | uint32(h.dense[i+3])<<18
		dst = append(dst, byte(four), byte(four>>8), byte(four>>16))
	}
	return dst
}

var errSketch = errors.New("it holds no HyperLogLog sketch")

func (h *registers) decode(r *reader) {
	h.reset()
	switch r.byte() {
	case hllFormSparse:
		n := r.uvarint()
		if n > hllSparse {
			r.refuse(errSketch)
			return
		}
		h.sparse = slices.Grow(h.sparse, int(n))
		last := uint64(0)
		for range n {
			step := r.uvarint()
			last += step
			if step == 0 || last >= hllRegisters<<hllRankBits {
				r.refuse(errSketch)
				return
			}
			h.sparse = append(h.sparse, uint32(last))
		}
	case hllFormDense:
		b := r.bytes(hllRegisters * hllRankBits / 8)
		if b == nil {
			return
		}
		h.sparse, h.dense = nil, make([]byte, hllRegisters)
		for i := 0; i < hllRegisters; i += 4 {
			four := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
			h.dense[i], h.dense[i+1], h.dense[i+2], h.dense[i+3] = byte(four&63), byte(four>>6&63), byte(four>>12&63), byte(four>>18&63)
			b = b[3:]
		}
	default:
		r.refuse(errSketch)
	}
}

// skipRegisters reads what append wrote and drops it.
func skipRegisters(r *reader) {
	switch r.byte() {
	case hllFormSparse:
		r.skipVarints(int(min(r.uvarint(), hllSparse)))
	case hllFormDense:
		r.bytes(hllRegisters * hllRankBits / 8)
	default:
		r.refuse(errSketch)
	}
}

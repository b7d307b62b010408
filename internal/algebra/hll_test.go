package algebra

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// hashed is the register and rank of a text, as HashID 1 defines them: the low 63 bits of md5 as a little-endian number, of which the low
// 12 choose the register; the rank is one more than the trailing zeros of the other 51.
func hashed(text string) uint32 {
	sum := md5.Sum([]byte(text))
	h := binary.LittleEndian.Uint64(sum[:8]) & math.MaxInt64
	return uint32(h&4095)<<6 | uint32(bits.TrailingZeros64(h>>12|1<<51)+1)
}

// The engine's tests compare SQL with this function; Trino's and Spark's are to be compared with these numbers.
func TestHashHasGoldenRegisters(t *testing.T) {
	for text, want := range map[string][2]uint32{
		"": {3540, 1}, "a": {268, 3}, "zoë": {3794, 1}, "-5": {327, 3}, "1700000000000000": {845, 3},
	} {
		if got := hashed(text); [2]uint32{got >> 6, got & 63} != want {
			t.Errorf("%q: register %d, rank %d", text, got>>6, got&63)
		}
	}
}

// drawn is a sketch of n random 63-bit hashes.
func drawn(rnd *rand.Rand, n int) *registers {
	var h registers
	batch := make([]uint32, 0, 4096)
	for i := range n {
		x := rnd.Uint64() >> 1
		batch = append(batch, uint32(x&4095)<<6|uint32(bits.TrailingZeros64(x>>12|1<<51)+1))
		if len(batch) == cap(batch) || i == n-1 {
			h.add(batch)
			batch = batch[:0]
		}
	}
	return &h
}

func TestEstimateStaysWithinItsBound(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int{0, 1, 2, 10, 100, 1000, 4000, 10_000, 20_000, 100_000} {
		squares, outside := 0.0, 0
		const trials = 40
		for range trials {
			off := drawn(rnd, n).estimate() - float64(n)
			if n > 0 {
				squares += off * off / float64(n) / float64(n)
			}
			if math.Abs(off) > hllBound*float64(n)+0.5 {
				outside++
			}
		}
		if rms := math.Sqrt(squares / trials); rms > 0.022 || outside > 2 {
			t.Errorf("n = %d: rms error %.2f %%, %d of %d estimates beyond three standard errors", n, 100*rms, outside, trials)
		}
	}
	if huge := drawnMax().estimate(); math.IsNaN(huge) || huge < 1e15 {
		t.Errorf("all registers at their greatest rank estimate %g", huge)
	}
}

func drawnMax() *registers {
	var h registers
	for reg := range uint32(hllRegisters) {
		h.add([]uint32{reg<<hllRankBits | hllMaxRank})
	}
	return &h
}

// plainRegisters is the plain twin of registers.
type plainRegisters map[uint32]uint32

func TestRegistersHoldTheGreatestRankInEitherForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		plain := plainRegisters{}
		var h registers
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			batch := make([]uint32, rnd.IntN([]int{3, 20, 900, 3000}[rnd.IntN(4)]))
			for i := range batch {
				reg, rank := uint32(rnd.IntN(hllRegisters)), uint32(1+rnd.IntN(hllMaxRank))
				batch[i] = reg<<hllRankBits | rank
				plain[reg] = max(plain[reg], rank)
			}
			if rnd.IntN(2) == 0 {
				h.add(batch)
				continue
			}
			var other registers
			other.add(batch)
			h.merge(&other)
		}
		if (h.dense != nil) != (len(plain) > hllSparse) {
			t.Fatalf("%d registers: dense %t", len(plain), h.dense != nil)
		}
		got := plainRegisters{}
		for i, p := range h.sparse {
			got[p>>hllRankBits] = p & 63
			if i > 0 && h.sparse[i-1] >= p {
				t.Fatal("the sparse list is not ascending")
			}
		}
		for reg, rank := range h.dense {
			if rank > 0 {
				got[uint32(reg)] = uint32(rank)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(plain) {
			t.Fatal("the registers are not the greatest ranks")
		}
	})
}

func TestSmallCountsStayInsideTheirBound(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for _, n := range []int{1, 2, 5, 10, 30, 55, 100, 200, 400, 700} {
		const trials = 3000
		outside := 0
		for range trials {
			got := math.Round(drawn(rnd, n).estimate())
			if math.Abs(got-float64(n)) > relativeBound(got)*float64(n)+1e-9 {
				outside++
			}
		}
		// small counts have a bound that is all but never exceeded, larger ones three standard errors
		if outside > trials*3/1000 || n <= 100 && outside > 3 {
			t.Errorf("n=%d: %d of %d estimates are outside their bound", n, outside, trials)
		}
	}
}

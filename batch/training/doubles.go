package training

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// doubleSum is the exact sum of doubles, as an integer of that many units of 2^-1074 in two's complement, low word first. Nothing is rounded
// before the answer, so a sum does not depend on the order, and what was added can be taken out again.
type doubleSum struct{ words [doubleWords]uint64 }

const (
	doubleUnit  = -1074 // exponent of the least double
	doubleWords = 34    // 2^1024 down to the unit, and 2^62 summands of it
)

// plus adds a finite x, with a sign.
func (s *doubleSum) plus(x float64, negative bool) {
	b := math.Float64bits(x)
	mantissa, exponent := b&(1<<52-1), int(b>>52&0x7ff)
	if exponent > 0 {
		mantissa |= 1 << 52
		exponent--
	}
	plusAt(s.words[:], mantissa, 0, exponent, negative != math.Signbit(x))
}

// plusAt adds or subtracts the magnitude high:low times 2^shift.
func plusAt(words []uint64, low, high uint64, shift int, negative bool) {
	at, by := shift/64, uint(shift%64)
	parts := [3]uint64{low << by, high << by, 0}
	if by > 0 {
		parts[1] |= low >> (64 - by)
		parts[2] = high >> (64 - by)
	}
	var carry uint64
	for i := at; i < len(words); i++ {
		var part uint64
		if i-at < len(parts) {
			part = parts[i-at]
		} else if carry == 0 {
			return
		}
		if negative {
			words[i], carry = bits.Sub64(words[i], part, carry)
		} else {
			words[i], carry = bits.Add64(words[i], part, carry)
		}
	}
}

// float is the sum, rounded once.
func (s *doubleSum) float() float64 {
	w := s.words
	negative := int64(w[doubleWords-1]) < 0
	if negative {
		carry := uint64(1)
		for i := range w {
			w[i], carry = bits.Add64(^w[i], 0, carry)
		}
	}
	top := doubleWords - 1
	for top > 0 && w[top] == 0 {
		top--
	}
	// The leading 64 bits, the last of which is set where anything follows: enough to round to 53 right.
	lead, scale := w[top], top*64
	if top > 0 {
		zeros := bits.LeadingZeros64(lead)
		lead = lead<<zeros | w[top-1]>>(64-zeros)
		scale -= zeros
		rest := w[top-1] << zeros
		for _, word := range w[:top-1] {
			rest |= word
		}
		if rest != 0 {
			lead |= 1
		}
	}
	x := math.Ldexp(float64(lead), scale+doubleUnit)
	if negative {
		return -x
	}
	return x
}

// doubleSumFold adds up doubles: the answer is the exact sum, rounded once. Infinities and NaN are counted apart.
type doubleSumFold struct {
	column
	average            bool
	sum                doubleSum
	n, rising, falling int64 // finite values, +Inf and -Inf
	none               int64 // NaN
}

func (f *doubleSumFold) add(event int64) { f.change(event, false) }

func (f *doubleSumFold) remove(event int64) { f.change(event, true) }

func (f *doubleSumFold) change(event int64, negative bool) {
	v, ok := f.of(event)
	if !ok {
		return
	}
	one := int64(1)
	if negative {
		one = -1
	}
	switch x := v.Float64(); {
	case x != x:
		f.none += one
	case math.IsInf(x, 1):
		f.rising += one
	case math.IsInf(x, -1):
		f.falling += one
	default:
		f.sum.plus(x, negative)
		f.n += one
	}
}

func (f *doubleSumFold) answer() algebra.Value {
	n := f.n + f.rising + f.falling + f.none
	x := 0.0
	switch {
	case n == 0:
		return algebra.Null()
	case f.none > 0 || f.rising > 0 && f.falling > 0:
		x = math.NaN()
	case f.rising > 0:
		x = math.Inf(1)
	case f.falling > 0:
		x = math.Inf(-1)
	default:
		x = f.sum.float()
	}
	if f.average {
		x /= float64(n)
	}
	return algebra.FloatValue(x)
}

func (f *doubleSumFold) reset() { *f = doubleSumFold{column: f.column, average: f.average} }

// moderate bounds the doubles that enter a variance, as it does in views: squares of greater ones no double holds.
const moderate = 1e140

// doubleVarianceFold keeps the exact sum of doubles and of their squares, in units of 2^-1074 and of 2^-2148.
type doubleVarianceFold struct {
	column
	measure *view.Measure
	sum     doubleSum
	squares []uint64
	n       int64
}

func newDoubleVarianceFold(in column, m *view.Measure) *doubleVarianceFold {
	return &doubleVarianceFold{column: in, measure: m, squares: make([]uint64, 2*doubleWords)}
}

func (f *doubleVarianceFold) add(event int64) { f.change(event, false) }

func (f *doubleVarianceFold) remove(event int64) { f.change(event, true) }

func (f *doubleVarianceFold) change(event int64, negative bool) {
	v, ok := f.of(event)
	if !ok {
		return
	}
	x := math.Abs(v.Float64())
	if !(x <= moderate) {
		return
	}
	f.sum.plus(v.Float64(), negative)
	b := math.Float64bits(x)
	mantissa, exponent := b&(1<<52-1), int(b>>52)
	if exponent > 0 {
		mantissa |= 1 << 52
		exponent--
	}
	high, low := bits.Mul64(mantissa, mantissa)
	plusAt(f.squares, low, high, 2*exponent, negative)
	if f.n++; negative {
		f.n -= 2
	}
}

func (f *doubleVarianceFold) answer() algebra.Value {
	scale := new(big.Int).Lsh(big.NewInt(1), -2*doubleUnit)
	return variance(f.measure.Agg, f.n, signed(f.sum.words[:]), signed(f.squares), scale)
}

func (f *doubleVarianceFold) reset() {
	clear(f.squares)
	f.sum, f.n = doubleSum{}, 0
}

// signed is an integer in two's complement, low word first.
func signed(words []uint64) *big.Int {
	x := new(big.Int)
	for i := len(words) - 1; i >= 0; i-- {
		x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(words[i]))
	}
	if int64(words[len(words)-1]) < 0 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(64*len(words))))
	}
	return x
}

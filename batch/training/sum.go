package training

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// wide is a signed integer of 256 bits in two's complement, low word first: what no sum of values of 38 digits, and no sum of squares of
// values of 18, can overflow.
type wide [4]uint64

// plus adds x, which begins at word at, with a sign.
func (w *wide) plus(x algebra.Int128, at int, negative bool) {
	words := [4]uint64{x.Lo, uint64(x.Hi), uint64(x.Hi >> 63), uint64(x.Hi >> 63)}
	var carry uint64
	for i := at; i < len(w); i++ {
		if negative {
			w[i], carry = bits.Sub64(w[i], words[i-at], carry)
		} else {
			w[i], carry = bits.Add64(w[i], words[i-at], carry)
		}
	}
}

// int128 is the value and whether it fits.
func (w *wide) int128() (algebra.Int128, bool) {
	sign := uint64(int64(w[1]) >> 63)
	return algebra.Int128{Lo: w[0], Hi: int64(w[1])}, w[2] == sign && w[3] == sign
}

func (w *wide) big() *big.Int {
	x := new(big.Int)
	for i := len(w) - 1; i >= 0; i-- {
		x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(w[i]))
	}
	if int64(w[3]) < 0 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), 256))
	}
	return x
}

// sumFold adds up integers and decimals, unscaled. It serves averages too.
type sumFold struct {
	column
	measure *view.Measure
	sum     wide
	n       int64
}

func (f *sumFold) add(event int64) {
	if v, ok := f.of(event); ok {
		f.sum.plus(v.Int128(), 0, false)
		f.n++
	}
}

func (f *sumFold) remove(event int64) {
	if v, ok := f.of(event); ok {
		f.sum.plus(v.Int128(), 0, true)
		f.n--
	}
}

// answer is null without values, and where the declared type cannot hold the sum.
func (f *sumFold) answer() algebra.Value {
	if f.n == 0 {
		return algebra.Null()
	}
	x, fits := f.sum.int128()
	if f.measure.Agg == view.Average {
		small, ok := x.Int64()
		sum := float64(small)
		if !ok || !fits {
			sum, _ = new(big.Float).SetInt(f.sum.big()).Float64()
		}
		return algebra.FloatValue(sum / math.Pow10(int(f.measure.Input.Scale)) / float64(f.n))
	}
	switch t := f.measure.Type; {
	case !fits:
		return algebra.Null()
	case t.Kind == view.Int64:
		if small, ok := x.Int64(); ok {
			return algebra.Int64Value(small)
		}
	case t.Kind == view.Decimal && x.FitsDigits(t.Precision):
		return algebra.DecimalValue(x, t.Scale)
	case t.Kind == view.Int128 && x.FitsDigits(38):
		return algebra.DecimalValue(x, 0)
	}
	return algebra.Null()
}

func (f *sumFold) reset() { f.sum, f.n = wide{}, 0 }

// varianceFold keeps the exact sum and sum of squares of integers and of decimals of up to 18 digits, unscaled.
type varianceFold struct {
	column
	measure      *view.Measure
	sum, squares wide
	n            int64
}

func (f *varianceFold) add(event int64) { f.change(event, false) }

func (f *varianceFold) remove(event int64) { f.change(event, true) }

func (f *varianceFold) change(event int64, negative bool) {
	v, ok := f.of(event)
	if !ok {
		return
	}
	x := v.Int128()
	f.sum.plus(x, 0, negative)
	magnitude := x.Lo // of a value of 64 bits
	if x.Hi < 0 {
		magnitude = -magnitude
	}
	high, low := bits.Mul64(magnitude, magnitude)
	f.squares.plus(algebra.Int128{Lo: low, Hi: int64(high)}, 0, negative)
	if f.n++; negative {
		f.n -= 2
	}
}

func (f *varianceFold) answer() algebra.Value {
	return variance(f.measure.Agg, f.n, f.sum.big(), f.squares.big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(2*int64(f.measure.Input.Scale)), nil))
}

func (f *varianceFold) reset() { f.sum, f.squares, f.n = wide{}, wide{}, 0 }

// variance is what an aggregation answers of n values, from their exact sum and sum of squares; values are so many times too great that their
// squares are scale times too great.
func variance(agg view.Agg, n int64, sum, squares, scale *big.Int) algebra.Value {
	less := n
	if agg == view.VarSamp || agg == view.StddevSamp {
		less--
	}
	if less <= 0 {
		return algebra.Null()
	}
	count := big.NewInt(n)
	over := new(big.Int).Mul(squares, count)
	over.Sub(over, sum.Mul(sum, sum))
	under := new(big.Int).Mul(big.NewInt(less), count)
	x, _ := new(big.Rat).SetFrac(over, under.Mul(under, scale)).Float64()
	if agg == view.StddevSamp || agg == view.StddevPop {
		x = math.Sqrt(x)
	}
	return algebra.FloatValue(x)
}

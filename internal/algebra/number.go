package algebra

import (
	"math/big"

	"github.com/caudal/caudal/internal/view"
)

// Numeric says whether values of a type are numbers.
func Numeric(t view.Type) bool {
	return t.Kind == view.Int64 || t.Kind == view.Int128 || t.Kind == view.Decimal || t.Kind == view.Double
}

// Zero is the number 0 of a type; null where the type is no number's.
func Zero(t view.Type) Value {
	if !Numeric(t) {
		return Null()
	}
	v, _ := whole(Int128{}, t)
	return v
}

// Sum is a + b at type t; false where t cannot hold it. a and b are numbers at the scale of t, or doubles where t is one.
func Sum(a, b Value, t view.Type) (Value, bool) {
	if t.Kind == view.Double {
		return FloatValue(a.Float64() + b.Float64()), true
	}
	n, ok := a.Int128().Add(b.Int128())
	if !ok {
		return Null(), false
	}
	return whole(n, t)
}

// Difference is a - b at type t; false where t cannot hold it. a and b are as of Sum.
func Difference(a, b Value, t view.Type) (Value, bool) {
	if t.Kind == view.Double {
		return FloatValue(a.Float64() - b.Float64()), true
	}
	return fromBig(new(big.Int).Sub(a.Int128().big(), b.Int128().big()), t)
}

// Between is the number at part/length of the way from a to b, both of type t: rounded half away from zero where t is no double. 0 <= part <= length.
func Between(a, b Value, part, length int64, t view.Type) Value {
	if t.Kind == view.Double {
		share := float64(part) / float64(length)
		return FloatValue(a.Float64()*(1-share) + b.Float64()*share)
	}
	n := new(big.Int).Mul(a.Int128().big(), big.NewInt(length-part))
	n.Add(n, new(big.Int).Mul(b.Int128().big(), big.NewInt(part)))
	half := big.NewInt(length)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	n.Add(n.Lsh(n, 1), half)
	v, _ := fromBig(n.Quo(n, big.NewInt(2*length)), t) // it lies between two numbers of the type
	return v
}

// whole is an unscaled integer as a number of type t; false where t cannot hold it.
func whole(n Int128, t view.Type) (Value, bool) {
	switch t.Kind {
	case view.Decimal:
		if n.FitsDigits(t.Precision) {
			return DecimalValue(n, t.Scale), true
		}
	case view.Int64:
		if small, ok := n.Int64(); ok {
			return Int64Value(small), true
		}
	case view.Int128:
		return Int128Value(n), true
	case view.Double:
		return FloatValue(n.Float64()), true
	}
	return Null(), false
}

// fromBig is whole of an integer of any size.
func fromBig(n *big.Int, t view.Type) (Value, bool) {
	if n.BitLen() > 127 {
		return Null(), false
	}
	words := new(big.Int).Abs(n)
	lo := new(big.Int).And(words, new(big.Int).SetUint64(1<<64-1)).Uint64()
	out := Int128{Lo: lo, Hi: int64(words.Rsh(words, 64).Uint64())}
	if n.Sign() < 0 {
		out = out.Neg()
	}
	return whole(out, t)
}

// big is the integer.
func (a Int128) big() *big.Int {
	n := big.NewInt(a.Hi)
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(a.Lo))
}

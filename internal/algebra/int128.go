package algebra

import (
	"math"
	"math/bits"
	"strconv"
)

// Int128 is a signed 128-bit integer in two's complement, laid out as DuckDB's hugeint: what sums of integers and of unscaled decimals
// are kept in, so that they cannot wrap.
type Int128 struct {
	Lo uint64
	Hi int64
}

// Int128Of widens a 64-bit integer.
func Int128Of(x int64) Int128 { return Int128{Lo: uint64(x), Hi: x >> 63} }

// Add returns a+b and whether it fits; the sum is taken modulo 2^128 where it does not.
func (a Int128) Add(b Int128) (Int128, bool) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), carry)
	sum := Int128{Lo: lo, Hi: int64(hi)}
	return sum, (a.Hi < 0) != (b.Hi < 0) || (sum.Hi < 0) == (a.Hi < 0)
}

// Neg returns -a; the least value is its own negative.
func (a Int128) Neg() Int128 {
	lo, borrow := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.Hi), borrow)
	return Int128{Lo: lo, Hi: int64(hi)}
}

// Cmp returns -1, 0 or 1 as a is less than, equal to or greater than b.
func (a Int128) Cmp(b Int128) int {
	switch {
	case a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// Int64 returns a as a 64-bit integer and whether it fits.
func (a Int128) Int64() (int64, bool) {
	return int64(a.Lo), a.Hi == int64(a.Lo)>>63
}

// Float64 returns the nearest double, or one of its neighbours.
func (a Int128) Float64() float64 {
	if x, ok := a.Int64(); ok {
		return float64(x)
	}
	return math.Ldexp(float64(a.Hi), 64) + float64(a.Lo)
}

// abs returns the magnitude, which for the least value is 2^127.
func (a Int128) abs() (hi, lo uint64) {
	if a.Hi < 0 {
		a = a.Neg()
	}
	return uint64(a.Hi), a.Lo
}

// AppendText appends a in decimal digits.
func (a Int128) AppendText(dst []byte) []byte {
	hi, lo := a.abs()
	if a.Hi < 0 {
		dst = append(dst, '-')
	}
	return appendUint128(dst, hi, lo)
}

// appendUint128 appends an unsigned 128-bit integer in decimal digits.
func appendUint128(dst []byte, hi, lo uint64) []byte {
	const e19 = 10_000_000_000_000_000_000
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	q1, r := bits.Div64(0, hi, e19)
	q0, rest := bits.Div64(r, lo, e19)
	dst = appendUint128(dst, q1, q0)
	var digits [19]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + rest%10)
		rest /= 10
	}
	return append(dst, digits[:]...)
}

// String is a in decimal digits.
func (a Int128) String() string { return string(a.AppendText(nil)) }

// AppendScaled appends a/10^scale with exactly scale digits behind the point.
func (a Int128) AppendScaled(dst []byte, scale uint8) []byte {
	if scale == 0 {
		return a.AppendText(dst)
	}
	if a.Hi < 0 {
		dst = append(dst, '-')
	}
	hi, lo := a.abs()
	var buf [40]byte
	digits := appendUint128(buf[:0], hi, lo)
	whole := len(digits) - int(scale)
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for ; whole < 0; whole++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}

// mulSmall returns a*m and whether it fits.
func (a Int128) mulSmall(m uint64) (Int128, bool) {
	hi, lo := a.abs()
	carry, low := bits.Mul64(lo, m)
	over, high := bits.Mul64(hi, m)
	high, c := bits.Add64(high, carry, 0)
	if over != 0 || c != 0 || high>>63 != 0 {
		return Int128{}, false
	}
	out := Int128{Lo: low, Hi: int64(high)}
	if a.Hi < 0 {
		out = out.Neg()
	}
	return out, true
}

// divSmall returns a/m, rounded half away from zero as SQL does.
func (a Int128) divSmall(m uint64) Int128 {
	hi, lo := a.abs()
	qh, r := hi/m, hi%m
	ql, r := bits.Div64(r, lo, m)
	if r >= m-r {
		var c uint64
		ql, c = bits.Add64(ql, 1, 0)
		qh += c
	}
	out := Int128{Lo: ql, Hi: int64(qh)}
	if a.Hi < 0 {
		out = out.Neg()
	}
	return out
}

// Rescale turns a value unscaled at `from` into the same value at `to`, rounded half away from zero, and says whether it fits.
func (a Int128) Rescale(from, to uint8) (Int128, bool) {
	ok := true
	for from < to && ok {
		step := min(to-from, 18)
		a, ok = a.mulSmall(pow10(step))
		from += step
	}
	if from > to {
		// one division, so that it rounds once
		for from-to > 19 {
			a = a.truncTen()
			from--
		}
		a = a.divSmall(pow10(from - to))
	}
	return a, ok
}

// truncTen drops the last decimal digit.
func (a Int128) truncTen() Int128 {
	hi, lo := a.abs()
	qh, r := hi/10, hi%10
	ql, _ := bits.Div64(r, lo, 10)
	out := Int128{Lo: ql, Hi: int64(qh)}
	if a.Hi < 0 {
		out = out.Neg()
	}
	return out
}

// FitsDigits says whether |a| < 10^digits, for digits in 0..38.
func (a Int128) FitsDigits(digits uint8) bool {
	hi, lo := a.abs()
	bh, bl := bits.Mul64(pow10(min(digits, 19)), pow10(digits-min(digits, 19)))
	return hi < bh || hi == bh && lo < bl
}

// pow10 is 10^n for n in 0..19.
func pow10(n uint8) uint64 {
	p := uint64(1)
	for ; n > 0; n-- {
		p *= 10
	}
	return p
}

// ParseInt128 reads decimal digits with an optional sign.
func ParseInt128(text string) (Int128, bool) {
	digits, negative := text, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative = digits[0] == '-'
		digits = digits[1:]
	}
	if digits == "" {
		return Int128{}, false
	}
	var a Int128
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return Int128{}, false
		}
		var ok bool
		if a, ok = a.mulSmall(10); !ok {
			return Int128{}, false
		}
		if negative {
			a, ok = a.Add(Int128Of(-int64(d)))
		} else {
			a, ok = a.Add(Int128Of(int64(d)))
		}
		if !ok {
			return Int128{}, false
		}
	}
	return a, true
}

package intake

import (
	"math"
	"math/bits"

	"github.com/caudal/caudal/internal/algebra"
)

// fault says why a text is no number of a column.
type fault uint8

const (
	fine      fault = iota
	notNumber       // not JSON's grammar of numbers
	tooFine         // digits other than zero behind the scale
	tooLarge        // more digits than the precision
)

// maxDigits is the precision of the widest decimal; 10^38-1 fits 127 bits.
const maxDigits = 38

// parseWord reads a JSON number as the multiple of 10^-scale that it exactly is, of at most digits ≤ 18 decimal digits.
func parseWord(b []byte, scale, digits int) (int64, fault) {
	if v, ok := parseShort(b, scale, digits); ok {
		return v, fine
	}
	v, f := parseFixed(b, scale, digits)
	return int64(v.Lo), f
}

// parseInt reads a JSON number that is a whole one, however it is written (1000, 1e3 and 1000.0 are the same), as an int64.
func parseInt(b []byte) (int64, fault) {
	if v, ok := parseShort(b, 0, 18); ok {
		return v, fine
	}
	v, f := parseFixed(b, 0, 19)
	if f == fine && v.Hi != int64(v.Lo)>>63 {
		return 0, tooLarge
	}
	return int64(v.Lo), f
}

// parseShort reads the common case, [-]digits[.digits] of few digits, and says whether it was one.
func parseShort(b []byte, scale, digits int) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && len(b) > 1 && b[1] != '.' {
		return 0, false
	}
	v, point := int64(0), len(b)
	for i, c := range b {
		switch {
		case c-'0' <= 9:
			v = v*10 + int64(c-'0')
		case c == '.' && point == len(b) && i > 0:
			point = i
		default:
			return 0, false
		}
	}
	n, fraction := len(b), 0
	if point < n {
		fraction = n - point - 1
		n--
		if fraction == 0 || fraction > scale {
			return 0, false
		}
	}
	if n+scale-fraction > 18 {
		return 0, false
	}
	v *= int64(pow10(scale - fraction))
	if uint64(v) >= pow10(digits) {
		return 0, false
	}
	if neg {
		v = -v
	}
	return v, true
}

// parseFixed reads a JSON number of any length and notation as the multiple of 10^-scale that it exactly is. It works on the decimal
// digits, never on a float. Zeros behind the scale are fine, other digits are not.
func parseFixed(b []byte, scale, precision int) (algebra.Int128, fault) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	m, ok := scanNumber(b)
	if !ok {
		return algebra.Int128{}, notNumber
	}
	if m.n == 0 {
		return algebra.Int128{}, fine
	}
	shift := m.exponent + int64(scale)
	switch {
	case int64(m.n)+shift > int64(precision):
		return algebra.Int128{}, tooLarge
	case shift < 0:
		return algebra.Int128{}, tooFine
	}
	var hi, lo uint64 // n ≤ n+shift ≤ precision ≤ 38: all digits were kept, and they fit
	for i := int64(0); i < int64(m.n)+shift; i++ {
		d := uint64(0)
		if i < int64(m.n) {
			d = uint64(m.digits[i])
		}
		h, l := bits.Mul64(lo, 10)
		l, carry := bits.Add64(l, d, 0)
		hi, lo = hi*10+h+carry, l
	}
	if neg {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi = -hi - borrow
	}
	return algebra.Int128{Lo: lo, Hi: int64(hi)}, fine
}

// mantissa is a number's value: digits × 10^exponent, without zeros at either end; n may exceed the digits that are kept.
type mantissa struct {
	digits   [maxDigits]byte
	n        int
	exponent int64
}

// scanNumber takes apart a JSON number without its sign.
func scanNumber(b []byte) (m mantissa, ok bool) {
	i, zeros := 0, 0 // zeros: run of zeros that are digits only if another digit follows
	digit := func(c byte) {
		switch {
		case c == '0' && m.n == 0:
		case c == '0':
			zeros++
		default:
			for ; zeros > 0; zeros-- {
				if m.n < maxDigits {
					m.digits[m.n] = 0
				}
				m.n++
			}
			if m.n < maxDigits {
				m.digits[m.n] = c - '0'
			}
			m.n++
		}
	}
	for i < len(b) && b[i]-'0' <= 9 {
		digit(b[i])
		i++
	}
	if i == 0 || i > 1 && b[0] == '0' {
		return m, false
	}
	fraction := int64(0)
	if i < len(b) && b[i] == '.' {
		i++
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			digit(b[i])
			i++
		}
		if fraction = int64(i - from); fraction == 0 {
			return m, false
		}
	}
	exponent := int64(0)
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		neg := false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			neg = b[i] == '-'
			i++
		}
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			// Clamped far beyond what any record's digits can make up for.
			exponent = min(exponent*10+int64(b[i]-'0'), math.MaxInt32)
			i++
		}
		if i == from {
			return m, false
		}
		if neg {
			exponent = -exponent
		}
	}
	m.exponent = exponent - fraction + int64(zeros)
	return m, i == len(b)
}

// pow10 returns 10^n for n in [0, 18].
func pow10(n int) uint64 {
	return [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}[n]
}

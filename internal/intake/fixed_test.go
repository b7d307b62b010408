package intake

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plainFixed is the twin of parseFixed by rationals: it is right, slow, and useless for exponents without end.
func plainFixed(s string, scale, precision int) (*big.Int, fault) {
	if !json.Valid([]byte(s)) || strings.TrimSpace(s) != s {
		return nil, notNumber
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, notNumber
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	r.Mul(r, new(big.Rat).SetInt(unit))
	if new(big.Rat).Abs(r).Cmp(new(big.Rat).SetInt(limit)) >= 0 {
		return nil, tooLarge
	}
	if !r.IsInt() {
		return nil, tooFine
	}
	return r.Num(), fine
}

// numbers draws texts that are numbers, or nearly.
func numbers() *rapid.Generator[string] {
	digits := rapid.StringMatching(`[0-9]{1,3}|0{0,5}[0-9]{0,45}0{0,45}`)
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom([]string{"", "", "-", "+", "--"}).Draw(t, "sign") + digits.Draw(t, "whole")
		if rapid.Bool().Draw(t, "point") {
			s += "." + digits.Draw(t, "fraction")
		}
		if rapid.IntRange(0, 3).Draw(t, "exponent") == 0 {
			s += rapid.SampledFrom([]string{"e", "E", "e+", "E-", "e-"}).Draw(t, "e") + rapid.StringMatching(`[0-9]{0,2}`).Draw(t, "power")
		}
		return s
	})
}

func TestDecimalsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := numbers().Draw(t, "number")
		precision := rapid.IntRange(1, 38).Draw(t, "precision")
		scale := rapid.IntRange(0, precision).Draw(t, "scale")
		want, wantFault := plainFixed(s, scale, precision)
		got, gotFault := parseFixed([]byte(s), scale, precision)
		if gotFault != wantFault {
			t.Fatalf("%q as decimal(%d,%d): got fault %d, want %d", s, precision, scale, gotFault, wantFault)
		}
		if gotFault == fine && wideBig(got).Cmp(want) != 0 {
			t.Fatalf("%q as decimal(%d,%d): got %s, want %s", s, precision, scale, wideBig(got), want)
		}
		if precision > 18 {
			return
		}
		word, wordFault := parseWord([]byte(s), scale, precision)
		if wordFault != wantFault || word != int64(got.Lo) {
			t.Fatalf("%q as decimal(%d,%d) of 64 bits: got %d, fault %d, want %d, fault %d", s, precision, scale, word, wordFault, int64(got.Lo), wantFault)
		}
	})
}

func TestIntegersAreExact(t *testing.T) {
	limits := []string{"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9999999999999999999", "92233720368547758.07e2"}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(numbers(), rapid.SampledFrom(limits), rapid.Map(rapid.Int64(), func(v int64) string { return fmt.Sprint(v) })).Draw(t, "number")
		want, wantFault := plainFixed(s, 0, 19)
		if wantFault == fine && !want.IsInt64() {
			wantFault = tooLarge
		}
		got, gotFault := parseInt([]byte(s))
		if gotFault != wantFault || gotFault == fine && got != want.Int64() {
			t.Fatalf("%q: got %d, fault %d, want %v, fault %d", s, got, gotFault, want, wantFault)
		}
	})
}

// A record can hold an exponent that no memory could spell out, and a million zeros.
func TestNumbersOfAbsurdLengthAreReadInOnePass(t *testing.T) {
	zeros := strings.Repeat("0", 1000000)
	for _, c := range []struct {
		text string
		want int64
		f    fault
	}{
		{"1" + zeros + "e-1000000", 1, fine},
		{"0." + zeros + "1e1000001", 1, fine},
		{"1e" + strings.Repeat("9", 1000), 0, tooLarge},
		{"1e-" + strings.Repeat("9", 1000), 0, tooFine},
		{"0e" + strings.Repeat("9", 1000), 0, fine},
		{strings.Repeat("7", 1000000), 0, tooLarge},
		{"1." + strings.Repeat("7", 1000000), 0, tooFine},
		{"-" + strings.Repeat("9", 18), -999999999999999999, fine},
	} {
		got, f := parseFixed([]byte(c.text), 0, 38)
		if f != c.f || int64(got.Lo) != c.want {
			t.Errorf("%.20s…: got %d, fault %d, want %d, fault %d", c.text, int64(got.Lo), f, c.want, c.f)
		}
	}
	if v, f := parseInt([]byte(fmt.Sprint(int64(math.MinInt64)))); v != math.MinInt64 || f != fine {
		t.Errorf("the smallest integer: got %d, fault %d", v, f)
	}
}

package algebra

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

func drawInt128(t *rapid.T, label string) Int128 {
	shift := rapid.IntRange(0, 127).Draw(t, label+" shift")
	x := Int128{Lo: rapid.Uint64().Draw(t, label+" low"), Hi: rapid.Int64().Draw(t, label+" high")}
	for range shift / 8 {
		x = x.truncTen().truncTen()
	}
	return x
}

func TestInt128IsArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawInt128(t, "a"), drawInt128(t, "b")
		sum := new(big.Int).Add(a.big(), b.big())
		if got, ok := a.Add(b); ok != (sum.BitLen() < 128) || ok && got.big().Cmp(sum) != 0 {
			t.Fatalf("%s + %s = %s, %t", a, b, got, ok)
		}
		if a.String() != a.big().String() || a.Cmp(b) != a.big().Cmp(b.big()) {
			t.Fatalf("%s is written %s", a.big(), a)
		}
		if back, ok := ParseInt128(a.String()); !ok || back != a {
			t.Fatalf("%s is read as %s", a, back)
		}
		if near, _ := new(big.Float).SetInt(a.big()).Float64(); math.Abs(near-a.Float64()) > math.Abs(near)*1e-15 {
			t.Fatalf("%s as a double is %g", a, a.Float64())
		}
		from, to := uint8(rapid.IntRange(0, 38).Draw(t, "from")), uint8(rapid.IntRange(0, 38).Draw(t, "to"))
		if got, ok := a.Rescale(from, to); ok && got.big().Cmp(rescaled(a.big(), int(from), int(to))) != 0 {
			t.Fatalf("%s from scale %d to %d is %s", a, from, to, got)
		}
		digits := uint8(rapid.IntRange(0, 38).Draw(t, "digits"))
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		if a.FitsDigits(digits) != (a.big().CmpAbs(limit) < 0) {
			t.Fatalf("%s fits %d digits: %t", a, digits, a.FitsDigits(digits))
		}
	})
}

// rescaled rounds half away from zero.
func rescaled(x *big.Int, from, to int) *big.Int {
	step := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(from-to, to-from))), nil)
	if from <= to {
		return step.Mul(x, step)
	}
	twice := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).Abs(x), 1), step)
	q := twice.Div(twice, new(big.Int).Lsh(step, 1))
	if x.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func TestScaledTextHasThePointWhereItBelongs(t *testing.T) {
	for want, x := range map[string]Value{
		"0.005": DecimalValue(Int128Of(5), 3), "-0.005": DecimalValue(Int128Of(-5), 3), "12.345": DecimalValue(Int128Of(12345), 3),
		"-1.0": DecimalValue(Int128Of(-10), 1), "7": DecimalValue(Int128Of(7), 0), "0.00": DecimalValue(Int128{}, 2),
		"1970-01-02T00:00:00.000001Z": TimestampValue(86_400_000_001), "1969-12-31": DateValue(-1), "null": Null(), "true": BoolValue(true),
	} {
		if got := x.String(); got != want {
			t.Errorf("%s is written %s", want, got)
		}
	}
}

func TestValuesAreJSON(t *testing.T) {
	for want, x := range map[string]Value{
		`null`: Null(), `"12.50"`: DecimalValue(Int128Of(1250), 2), `9007199254740992`: Int64Value(1 << 53), `"9007199254740993"`: Int64Value(1<<53 + 1),
		`-3`: Int128Value(Int128Of(-3)), `"NaN"`: FloatValue(math.NaN()), `0.25`: FloatValue(0.25), `true`: BoolValue(true),
		`"1970-01-01T00:00:01Z"`: TimestampValue(1e6), `"1970-01-02"`: DateValue(1),
	} {
		if got, err := json.Marshal(x); err != nil || string(got) != want {
			t.Errorf("%s is marshalled to %s, %v", want, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var back string
		if err := json.Unmarshal(StringValue(s).AppendJSON(nil), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Fatalf("%q comes back as %q, %v", s, back, err)
		}
	})
}

func drawValue(t *rapid.T, label string) Value {
	x := rapid.Int64().Draw(t, label+" word")
	switch rapid.IntRange(0, 8).Draw(t, label+" kind") {
	case 0:
		return Null()
	case 1:
		return StringValue(rapid.String().Draw(t, label+" text"))
	case 2:
		return Int64Value(x)
	case 3:
		return DecimalValue(drawInt128(t, label), uint8(x&31))
	case 4:
		return FloatValue(rapid.Float64().Draw(t, label+" double"))
	case 5:
		return BoolValue(x&1 == 1)
	case 6:
		return TimestampValue(x)
	case 7:
		return DateValue(x >> 40)
	}
	return Int128Value(drawInt128(t, label))
}

func TestKeysAreOneToOneWithTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := []Value{drawValue(t, "first"), drawValue(t, "second")}
		key := AppendKey(nil, dims)
		back, err := DecodeKey(key)
		if err != nil || len(back) != 2 || back[0] != dims[0] || back[1] != dims[1] {
			t.Fatalf("%v comes back as %v, %v", dims, back, err)
		}
		other := []Value{drawValue(t, "third"), drawValue(t, "fourth")}
		if same := string(AppendKey(nil, other)) == string(key); same != (other[0] == dims[0] && other[1] == dims[1]) {
			t.Fatalf("%v and %v: same key %t", dims, other, same)
		}
		if Compare(dims[0], dims[1]) != -Compare(dims[1], dims[0]) || Compare(dims[0], dims[0]) != 0 {
			t.Fatalf("%v is not ordered", dims)
		}
		for _, v := range dims {
			text := string(v.AppendText(nil))
			if v.Kind() == view.String || v.IsNull() || v.Kind() == view.Timestamp && (v.Int64() > 1e17 || v.Int64() < -6e16) || v.Kind() == view.Date && (v.Int64() > 1e6 || v.Int64() < -7e5) {
				continue
			}
			if v.Kind() == view.Decimal && !v.Int128().FitsDigits(38) {
				continue
			}
			if got, err := ParseValue(text, view.Type{Kind: v.Kind(), Precision: 38, Scale: v.Scale()}); err != nil || got != v {
				t.Fatalf("%s is read as %v, %v", text, got, err)
			}
		}
	})
}

func TestNumbersOfDifferentTypesCompareBySize(t *testing.T) {
	ascending := []Value{Null(), FloatValue(math.Inf(-1)), Int64Value(-2), DecimalValue(Int128Of(-15), 1), FloatValue(-0.5), Int128Value(Int128{}), DecimalValue(Int128Of(1), 30), Int64Value(1), FloatValue(1e300), FloatValue(math.NaN())}
	for i := range ascending {
		for j := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(ascending[i], ascending[j]); got != want {
				t.Errorf("%v against %v: %d", ascending[i], ascending[j], got)
			}
		}
	}
}

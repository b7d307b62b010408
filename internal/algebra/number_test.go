package algebra

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/view"
)

func TestArithmeticOfAnswersIsThatOfIntegersAndNeverWraps(t *testing.T) {
	types := []view.Type{{Kind: view.Int64}, {Kind: view.Int128}, {Kind: view.Decimal, Precision: 38, Scale: 3}, {Kind: view.Decimal, Precision: 9, Scale: 2}}
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SampledFrom(types).Draw(t, "type")
		draw := func(name string) Value {
			for {
				n := Int128{Lo: rapid.Uint64().Draw(t, name), Hi: rapid.Int64().Draw(t, name+" high")}
				if rapid.Bool().Draw(t, name+" small") {
					n = Int128Of(rapid.Int64Range(-1000, 1000).Draw(t, name))
				}
				if v, ok := whole(n, of); ok {
					return v
				}
			}
		}
		a, b := draw("a"), draw("b")
		for _, c := range []struct {
			name string
			got  func() (Value, bool)
			want *big.Int
		}{
			{"sum", func() (Value, bool) { return Sum(a, b, of) }, new(big.Int).Add(a.Int128().big(), b.Int128().big())},
			{"difference", func() (Value, bool) { return Difference(a, b, of) }, new(big.Int).Sub(a.Int128().big(), b.Int128().big())},
		} {
			got, ok := c.got()
			_, fits := fromBig(c.want, of)
			if ok != fits || ok && (got.Int128().big().Cmp(c.want) != 0 || got.Kind() != of.Kind || got.Scale() != of.Scale) || !ok && !got.IsNull() {
				t.Fatalf("%s of %v and %v at %v: %v, %t; want %v, %t", c.name, a, b, of, got, ok, c.want, fits)
			}
		}
		length := rapid.Int64Range(1, 1<<40).Draw(t, "length")
		part := rapid.Int64Range(0, length).Draw(t, "part")
		mid := Between(a, b, part, length, of)
		low, high := a, b
		if Compare(a, b) > 0 {
			low, high = b, a
		}
		if mid.IsNull() || Compare(mid, low) < 0 || Compare(mid, high) > 0 || part == 0 && mid != a || part == length && mid != b {
			t.Fatalf("%d/%d between %v and %v is %v", part, length, a, b, mid)
		}
	})
}

func TestBetweenRoundsHalfAwayFromZero(t *testing.T) {
	of := view.Type{Kind: view.Int64}
	for _, c := range [][3]int64{{0, 1, 1}, {0, -1, -1}, {1, 2, 2}, {-2, -1, -2}, {0, 3, 2}} {
		if got := Between(Int64Value(c[0]), Int64Value(c[1]), 1, 2, of); got.Int64() != c[2] {
			t.Errorf("half way from %d to %d is %v, want %d", c[0], c[1], got, c[2])
		}
	}
	if got := Between(FloatValue(1), FloatValue(2), 1, 4, view.Type{Kind: view.Double}); got.Float64() != 1.25 {
		t.Errorf("a quarter of the way from 1 to 2 is %v", got)
	}
	if !Zero(view.Type{Kind: view.String}).IsNull() || Zero(view.Type{Kind: view.Decimal, Precision: 5, Scale: 2}).String() != "0.00" {
		t.Error("the zeros of a string and a decimal are null and 0.00")
	}
}

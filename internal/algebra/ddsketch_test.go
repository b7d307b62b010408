package algebra

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// packedBin is what SQL computes as the key of a value.
func packedBin(x float64) int32 {
	k := int32(math.Ceil(math.Log(math.Abs(x))/math.Log(ddGamma))) + ddOffset
	switch {
	case x == 0:
		return 0
	case x < 0:
		return -k
	}
	return k
}

func TestQuantilesStayWithinOnePercentOfTheValueOfTheirRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		var all, half bins
		values := make([]float64, rapid.IntRange(1, 400).Draw(t, "values"))
		for i := range values {
			values[i] = math.Exp(rnd.Float64()*40-20) * float64(rnd.IntN(3)-1)
			if i%2 == 0 {
				half.addOne(packedBin(values[i]), 1)
			} else {
				all.add([]int32{packedBin(values[i])}, nil)
			}
		}
		all.merge(&half)
		slices.Sort(values)
		for _, p := range []float64{0.001, 0.25, 0.5, 0.9, 0.95, 0.999} {
			want := values[max(1, len(values)-int(float64(len(values))-p*float64(len(values))))-1]
			if got := all.quantile(p); math.Abs(got-want) > ddBound*math.Abs(want)*(1+1e-9) {
				t.Fatalf("p%g of %d values: %g, the value is %g", 100*p, len(values), got, want)
			}
		}
		if !slices.IsSorted(all.keys) || all.count() != uint64(len(values)) {
			t.Fatalf("%d values counted, keys %v", all.count(), all.keys)
		}
	})
}

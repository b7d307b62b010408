package algebra

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

// trial is one sketch of one seed: what it promised of its error and what the error was, both relative.
type trial struct{ promised, off float64 }

// accuracy is what many seeds make of a sketch at one size.
type accuracy struct {
	sketch       string
	size         int
	promised     float64 // the largest
	rms, worst   float64
	outside      int // trials beyond their promise
	seeds        int
	mayBeOutside float64 // share of trials that may be
}

// measure runs a trial for each seed.
func measure(sketch string, size, seeds int, mayBeOutside float64, try func(rnd *rand.Rand, n int) trial) accuracy {
	trials := make([]trial, seeds)
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for seed := w; seed < seeds; seed += workers {
				trials[seed] = try(rand.New(rand.NewPCG(uint64(seed), uint64(size))), size)
			}
		})
	}
	wg.Wait()
	a := accuracy{sketch: sketch, size: size, seeds: seeds, mayBeOutside: mayBeOutside}
	for _, t := range trials {
		a.promised = max(a.promised, t.promised)
		a.worst = max(a.worst, t.off)
		a.rms += t.off * t.off / float64(seeds)
		if t.off > t.promised*(1+1e-9) {
			a.outside++
		}
	}
	a.rms = math.Sqrt(a.rms)
	return a
}

// tryDistinct counts n texts by their real hashes.
func tryDistinct(rnd *rand.Rand, n int) trial {
	var h registers
	prefix := strconv.FormatUint(rnd.Uint64(), 36)
	packed := make([]uint32, 0, 1000)
	for i := range n {
		packed = append(packed, hashed(prefix+strconv.Itoa(i)))
		if len(packed) == cap(packed) || i == n-1 {
			h.add(packed)
			packed = packed[:0]
		}
	}
	return distinctTrial(&h, n)
}

func distinctTrial(h *registers, n int) trial {
	answer := math.Round(h.estimate())
	return trial{relativeBound(answer) * answer / float64(n), math.Abs(answer-float64(n)) / float64(n)}
}

// tryPercentile estimates percentiles of amounts over several orders of magnitude, some of them negative or zero, and keeps the worst.
func tryPercentile(rnd *rand.Rand, n int) trial {
	values := make([]float64, n)
	keys := make([]int32, n)
	for i := range values {
		x := math.Exp(rnd.NormFloat64() * 3)
		switch rnd.IntN(20) {
		case 0:
			x = 0
		case 1, 2:
			x = -x
		}
		values[i], keys[i] = x, binOf(x)
	}
	var b bins
	b.add(keys, nil)
	slices.Sort(values)
	worst := 0.0
	for _, p := range []float64{0.01, 0.5, 0.95, 0.99} {
		exact := values[max(1, n-int(math.Floor(float64(n)-p*float64(n))))-1]
		if off := math.Abs(b.quantile(p) - exact); off > 0 {
			worst = max(worst, off/math.Abs(exact))
		}
	}
	return trial{ddBound, worst}
}

func binOf(x float64) int32 {
	if x == 0 {
		return 0
	}
	k := int32(math.Ceil(math.Log(math.Abs(x))/math.Log(ddGamma))) + ddOffset
	if x < 0 {
		return -k
	}
	return k
}

// tryTop counts n values in partials of a thousand, as micro-batches do, and keeps the largest error of a count as a share of all values.
// skew 0: no value occurs twice.
func tryTop(skew float64) func(rnd *rand.Rand, n int) trial {
	return func(rnd *rand.Rand, n int) trial {
		part := topPart{in: view.Type{Kind: view.String}, capacity: topCapacity(10)}
		next := func(i int) string { return strconv.Itoa(i) }
		if skew > 0 {
			zipf := rand.NewZipf(rnd, skew, 1, 1_000_000)
			next = func(int) string { return strconv.FormatUint(zipf.Uint64(), 10) }
		}
		truth := map[string]uint64{}
		merged := &top{}
		for first := 0; first < n; first += 1000 {
			counts := map[string]uint64{}
			size := min(1000, n-first)
			for i := range size {
				counts[next(first+i)]++
			}
			partial := &top{total: uint64(size)}
			for text, c := range counts {
				truth[text] += c
				partial.counters = append(partial.counters, counter{text: text, count: c})
			}
			slices.SortFunc(partial.counters, func(a, b counter) int { return strings.Compare(a.text, b.text) })
			partial.truncate(part.capacity, part.compare)
			merged.merge(partial, part.capacity, part.compare)
		}
		worst := uint64(0)
		for _, c := range merged.counters {
			if truth[c.text] < c.count || truth[c.text] > c.count+c.off {
				worst = uint64(n) // outside its own error: nothing that was promised holds
			}
			worst = max(worst, truth[c.text]-c.count)
			delete(truth, c.text)
		}
		for _, c := range truth {
			worst = max(worst, c)
		}
		return trial{float64(merged.floor) / float64(n), float64(worst) / float64(n)}
	}
}

// The promised bounds of the sketches beside what they measure. `make accuracy` prints it over a thousand seeds.
func TestSketchesKeepTheirPromises(t *testing.T) {
	seeds, sizes := 40, []int{10, 1000, 10_000}
	if text := os.Getenv("CAUDAL_ACCURACY_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil || seeds < 1 {
			t.Fatalf("CAUDAL_ACCURACY_SEEDS=%s is no number of seeds", text)
		}
		sizes = []int{10, 100, 1000, 10_000}
	}
	var all []accuracy
	for _, n := range sizes {
		all = append(all, measure("count_distinct", n, seeds, 0.01, tryDistinct))
	}
	all = append(all, measure("count_distinct", 100_000, seeds, 0.01, func(rnd *rand.Rand, n int) trial { return distinctTrial(drawn(rnd, n), n) }))
	for _, n := range sizes {
		all = append(all, measure("percentile", n, seeds, 0, tryPercentile))
	}
	for _, n := range sizes {
		all = append(all, measure("top_k 10, Zipf 1.2", n, seeds, 0, tryTop(1.2)))
	}
	for _, n := range sizes {
		all = append(all, measure("top_k 10, no value twice", n, seeds, 0, tryTop(0)))
	}
	promise := 1 / float64(topCapacity(10)+1)
	var table strings.Builder
	fmt.Fprintf(&table, "%-26s %8s %6s %10s %10s %10s %8s\n", "sketch", "values", "seeds", "promised", "rms", "worst", "outside")
	for _, a := range all {
		fmt.Fprintf(&table, "%-26s %8d %6d %9.3f%% %9.3f%% %9.3f%% %8d\n", a.sketch, a.size, a.seeds, 100*a.promised, 100*a.rms, 100*a.worst, a.outside)
		if float64(a.outside) > max(1, a.mayBeOutside*float64(a.seeds)) || a.mayBeOutside == 0 && a.outside > 0 {
			t.Errorf("%s of %d values: %d of %d seeds outside the promised error", a.sketch, a.size, a.outside, a.seeds)
		}
		if strings.HasPrefix(a.sketch, "top_k") && a.promised > promise {
			t.Errorf("%s of %d values: promises %.3f %%, which is above one part in %d", a.sketch, a.size, 100*a.promised, topCapacity(10)+1)
		}
	}
	if os.Getenv("CAUDAL_ACCURACY_SEEDS") != "" {
		fmt.Print(table.String())
		fmt.Println("Relative to the count, to the percentile, and to the number of all values. A distinct count may be outside in 3 of 1,000; the others never.")
	}
}

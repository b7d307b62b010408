package algebra

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// furtherParts is a view with a measure of each part whose partial looks at more than a value.
func furtherParts(t testing.TB) *Plan {
	t.Helper()
	src := &view.Source{Name: "x"}
	for _, name := range []string{"i", "f", "s", "w"} {
		src.Fields = append(src.Fields, view.Field{Name: name, Nullable: true})
	}
	integer, text, double := view.Type{Kind: view.Int64}, view.Type{Kind: view.String}, view.Type{Kind: view.Double}
	wide, list := view.Type{Kind: view.Decimal, Precision: 38, Scale: 2}, view.Type{Kind: view.Array}
	p, err := Compile(&view.View{Name: "v", Source: src, Measures: []view.Measure{
		{Name: "opened", Agg: view.First, Expr: "i", Input: integer, Type: integer},
		{Name: "closed", Agg: view.Last, Expr: "w", Input: wide, Type: wide},
		{Name: "said", Agg: view.Last, Expr: "s", Input: text, Type: text},
		{Name: "felt", Agg: view.First, Expr: "f", Input: double, Type: double},
		{Name: "variance", Agg: view.VarSamp, Expr: "i", Input: integer, Type: double},
		{Name: "stddev", Agg: view.StddevPop, Expr: "i", Input: integer, Type: double},
		{Name: "wobble", Agg: view.VarPop, Expr: "f", Input: double, Type: double},
		{Name: "often", Agg: view.TopK, K: 2, Expr: "s", Input: text, Type: list},
		{Name: "sizes", Agg: view.Histogram, Bounds: []string{"-10", "0", "25"}, Expr: "i", Input: integer, Type: list},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// happened is an event as furtherParts sees it; its values are there or not together.
type happened struct {
	at, partition, offset int64
	number                int64
	there                 bool
}

func (e happened) text() string { return fmt.Sprint("v", e.number%40) }

func drawEvents(rnd *rand.Rand, n int) []happened {
	list := make([]happened, n)
	for i := range list {
		list[i] = happened{rnd.Int64N(4), rnd.Int64N(2), int64(i), rnd.Int64N(100) - 50, rnd.IntN(4) > 0}
	}
	return list
}

// partialOf is the result row of some events, computed without the parts.
func partialOf(events []happened) made {
	var first, last *happened
	sum, mean, distances := int64(0), 0.0, 0.0
	counts, slots := map[string]uint64{}, map[int32]uint64{}
	n := int64(0)
	for i := range events {
		e := &events[i]
		if !e.there {
			continue
		}
		n++
		before := func(a, b *happened) bool {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset)) < 0
		}
		if first == nil || before(e, first) {
			first = e
		}
		if last == nil || before(last, e) {
			last = e
		}
		sum += e.number
		mean += float64(e.number) / 8
		counts[e.text()]++
		slot := int32(0)
		for _, bound := range []int64{-10, 0, 25} {
			if e.number >= bound {
				slot++
			}
		}
		slots[slot]++
	}
	row := made{int64(len(events)), int64(0), int64(0)}
	if n == 0 {
		return append(row, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
			nil, nil, nil, int64(0), int64(0), nil, nil, nil, nil, int64(0), int64(0), nil, nil)
	}
	squares := int64(0)
	mean /= float64(n)
	for _, e := range events {
		if e.there {
			squares += e.number * e.number
			distances += (float64(e.number)/8 - mean) * (float64(e.number)/8 - mean)
		}
	}
	at := func(e *happened) []any { return []any{e.at, int64(1), e.partition, e.offset} }
	row = append(append(row, first.number), at(first)...)
	row = append(append(row, Int128Of(last.number)), at(last)...)
	row = append(append(row, last.text()), at(last)...)
	row = append(append(row, float64(first.number)/8), at(first)...)
	row = append(row, Int128Of(sum), Int128Of(0), Int128Of(squares), n, n, mean, distances)
	texts := slices.Sorted(maps.Keys(counts))
	times := make([]uint64, len(texts))
	for i, t := range texts {
		times[i] = counts[t]
	}
	bins := slices.Sorted(maps.Keys(slots))
	filled := make([]uint64, len(bins))
	for i, b := range bins {
		filled[i] = slots[b]
	}
	return append(row, texts, times, int64(0), n, bins, filled)
}

// scattered are states of the events in parts, some of which may be empty.
func scattered(t *rapid.T, p *Plan, events []happened, parts int) []*State {
	some := make([][]happened, parts)
	for i, e := range events {
		k := rapid.IntRange(0, parts-1).Draw(t, fmt.Sprint("part of ", i))
		some[k] = append(some[k], e)
	}
	states := make([]*State, parts)
	for k := range states {
		states[k] = p.New()
		p.MergeRow(states[k], partialOf(some[k]), 0)
	}
	return states
}

// sameButForDoubles compares states part by part.
func sameButForDoubles(t *rapid.T, p *Plan, what string, a, b *State) {
	if a.Events() != b.Events() {
		t.Fatalf("%s: %d events and %d", what, a.Events(), b.Events())
	}
	for m := range p.View.Measures {
		if !p.Agree(a, b, m) {
			t.Fatalf("%s: %s differs: %v and %v", what, p.View.Measures[m].Name, p.Final(a, m).Value, p.Final(b, m).Value)
		}
	}
}

func TestFurtherPartsMergeInAnyOrderIntoThePartialOfTheUnion(t *testing.T) {
	p := furtherParts(t)
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4))
		events := drawEvents(rnd, rapid.IntRange(0, 30).Draw(t, "events"))
		parts := scattered(t, p, events, 3)
		a, b, c := parts[0], parts[1], parts[2]
		before := p.Append(nil, b)
		union := p.New()
		p.MergeRow(union, partialOf(events), 0)
		left, right, turned := p.New(), p.New(), p.New()
		for _, s := range []*State{a, b, c} {
			p.Merge(left, s)
		}
		p.Merge(right, b)
		p.Merge(right, c)
		p.Merge(right, a)
		for _, s := range []*State{c, p.New(), b, a} {
			p.Merge(turned, s)
		}
		sameButForDoubles(t, p, "(ab)c and the union", left, union)
		sameButForDoubles(t, p, "(bc)a and the union", right, union)
		sameButForDoubles(t, p, "cba and the union", turned, union)
		pair, reversed := p.New(), p.New()
		p.Merge(pair, a)
		p.Merge(pair, b)
		p.Merge(reversed, b)
		p.Merge(reversed, a)
		if !bytes.Equal(p.Append(nil, pair), p.Append(nil, reversed)) || !bytes.Equal(p.Append(nil, b), before) {
			t.Fatal("ab is not ba to the bit, or a state changes by being merged")
		}
	})
}

func TestFurtherPartsSurviveEncoding(t *testing.T) {
	p := furtherParts(t)
	into := p.New()
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		s := p.New()
		p.MergeRow(s, partialOf(drawEvents(rnd, rapid.IntRange(0, 20).Draw(t, "events"))), 0)
		b := p.Append(nil, s)
		if err := p.Decode(b, into); err != nil {
			t.Fatal(err)
		}
		if again := p.Append(nil, into); !bytes.Equal(again, b) {
			t.Fatalf("a state changes by encoding and decoding:\n%x\n%x", b, again)
		}
		for n := range b {
			if p.Decode(b[:n], p.New()) == nil {
				t.Fatalf("the first %d of %d bytes were decoded", n, len(b))
			}
		}
	})
}

// Answers of a fold that a reader can follow.
func TestFurtherAnswersAreThoseOfAPlainFold(t *testing.T) {
	p := furtherParts(t)
	s := p.New()
	events := []happened{
		{5, 0, 1, 9, false}, {5, 1, 2, 3, true}, {5, 0, 3, 4, true}, {8, 0, 4, -20, true}, {8, 1, 1, 30, true}, {8, 0, 9, 3, true},
	}
	for _, e := range events {
		p.MergeRow(s, partialOf([]happened{e}), 0)
	}
	for m, want := range []string{
		"4", "0.30", "v30", "0.5", "313.5", fmt.Sprint(math.Sqrt(250.8)), fmt.Sprint(250.8 / 64),
		`[{"value":"v3","count":2,"error":0},{"value":"v-20","count":1,"error":0}]`,
		`[{"from":null,"to":-10,"count":1},{"from":-10,"to":0,"count":0},{"from":0,"to":25,"count":3},{"from":25,"to":null,"count":1}]`,
	} {
		if got := p.Final(s, m); got.Value.String() != want && !near(got.Value, want) {
			t.Errorf("%s is %v, want %s", p.View.Measures[m].Name, got.Value, want)
		}
	}
	for m, name := range []string{"opened", "closed", "said", "felt", "variance", "stddev", "wobble", "often"} {
		if got := p.Final(p.New(), m); !got.Value.IsNull() {
			t.Errorf("%s of no events is %v", name, got.Value)
		}
	}
}

func near(v Value, want string) bool {
	var x float64
	_, err := fmt.Sscan(want, &x)
	return err == nil && v.Kind() == view.Double && math.Abs(v.Float64()-x) < 1e-12*math.Abs(x)
}

// The variance of integers is that of rational arithmetic, also where doubles would lose every digit of it.
func TestVarianceOfIntegersIsExact(t *testing.T) {
	p := furtherParts(t)
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(math.MinInt64+100, math.MaxInt64-100).Draw(t, "base")
		values := rapid.SliceOfN(rapid.Int64Range(-100, 100), 2, 20).Draw(t, "values")
		s := p.New()
		var numbers []*big.Rat
		mean := new(big.Rat)
		for _, v := range values {
			x := base + v
			row := partialOf([]happened{{there: true}})
			square := new(big.Int).Mul(big.NewInt(x), big.NewInt(x))
			low := new(big.Int).And(square, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
			row[23], row[24], row[25] = Int128Of(x), Int128Of(new(big.Int).Rsh(square, 64).Int64()), Int128{Lo: low}
			p.MergeRow(s, row, 0)
			numbers = append(numbers, new(big.Rat).SetInt64(x))
			mean.Add(mean, numbers[len(numbers)-1])
		}
		mean.Quo(mean, new(big.Rat).SetInt64(int64(len(values))))
		sum := new(big.Rat)
		for _, x := range numbers {
			d := new(big.Rat).Sub(x, mean)
			sum.Add(sum, d.Mul(d, d))
		}
		want, _ := sum.Quo(sum, new(big.Rat).SetInt64(int64(len(values)-1))).Float64()
		if got := p.Final(s, 4).Value.Float64(); got != want {
			t.Fatalf("variance %v, want %v", got, want)
		}
	})
}

// A summary of fewer counters than there are values, merged in any tree, keeps every count within its error and its promise.
func TestMostFrequentValuesStayWithinTheirErrors(t *testing.T) {
	part := topPart{in: view.Type{Kind: view.Int64}, capacity: 8}
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 6))
		truth := map[string]uint64{}
		var leaves []*top
		for range rapid.IntRange(1, 40).Draw(t, "partials") {
			counts := map[string]uint64{}
			leaf := &top{}
			for range rnd.IntN(40) {
				text := fmt.Sprint(int(rnd.ExpFloat64()*6) - 5)
				counts[text]++
				truth[text]++
				leaf.total++
			}
			for _, text := range slices.Sorted(maps.Keys(counts)) {
				leaf.counters = append(leaf.counters, counter{text: text, count: counts[text]})
			}
			leaf.truncate(part.capacity, part.compare)
			leaves = append(leaves, leaf)
		}
		for len(leaves) > 1 {
			i, j := rnd.IntN(len(leaves)), rnd.IntN(len(leaves)-1)
			if j >= i {
				j++
			}
			a, b := *leaves[i], *leaves[j]
			ab, ba := a, b
			ab.merge(&b, part.capacity, part.compare)
			ba.merge(&a, part.capacity, part.compare)
			if !bytes.Equal(ab.append(nil), ba.append(nil)) {
				t.Fatal("ab is not ba")
			}
			leaves[i] = &ab
			leaves = slices.Delete(leaves, j, j+1)
		}
		got := leaves[0]
		var all uint64
		listed := map[string]bool{}
		for _, c := range got.counters {
			listed[c.text] = true
			if truth[c.text] < c.count || truth[c.text] > c.count+c.off || c.off > got.floor {
				t.Fatalf("%s occurs %d times; counted %d, at most %d more, floor %d", c.text, truth[c.text], c.count, c.off, got.floor)
			}
		}
		for text, n := range truth {
			all += n
			if !listed[text] && n > got.floor {
				t.Fatalf("%s occurs %d times and is left out at a floor of %d", text, n, got.floor)
			}
		}
		if got.total != all || got.floor > all/uint64(part.capacity+1) {
			t.Fatalf("%d values, summary of %d, floor %d above 1/%d", all, got.total, got.floor, part.capacity+1)
		}
		s := &State{ext: &extra{tops: []top{*got}}}
		a := part.answer(s, &view.Measure{K: 3})
		if want := exactTop(truth, part, 3); a.Exact && a.Value.String() != want {
			t.Fatalf("said to be exact: %v, want %s", a.Value, want)
		}
	})
}

func exactTop(truth map[string]uint64, part topPart, k int) string {
	exact := &top{}
	for _, text := range slices.Sorted(maps.Keys(truth)) {
		exact.counters = append(exact.counters, counter{text: text, count: truth[text]})
		exact.total += truth[text]
	}
	a := part.answer(&State{ext: &extra{tops: []top{*exact}}}, &view.Measure{K: k})
	return a.Value.String()
}

// An answer is exact where no value that was left out, or may have been counted short, can belong among the first.
func TestATopSaysThatItIsExactOnlyWhereItCanTell(t *testing.T) {
	part := topPart{in: view.Type{Kind: view.String}}
	for name, c := range map[string]struct {
		top   top
		exact bool
	}{
		"nothing was left out":                {top{counters: []counter{{"a", 3, 0}, {"b", 2, 0}}, total: 5}, true},
		"what was left out occurs less often": {top{counters: []counter{{"a", 3, 0}, {"b", 2, 0}, {"c", 1, 0}}, floor: 1, total: 9}, true},
		"what was left out occurs as often":   {top{counters: []counter{{"a", 3, 0}, {"b", 2, 0}}, floor: 2, total: 9}, false},
		"fewer are listed than asked for":     {top{counters: []counter{{"a", 3, 0}}, floor: 1, total: 9}, false},
		"one of the first was counted short":  {top{counters: []counter{{"a", 3, 1}, {"b", 2, 0}}, floor: 1, total: 9}, false},
		"the next may have occurred as often": {top{counters: []counter{{"a", 3, 0}, {"b", 2, 0}, {"c", 1, 1}}, floor: 1, total: 9}, false},
	} {
		a := part.answer(&State{ext: &extra{tops: []top{c.top}}}, &view.Measure{K: 2})
		if a.Exact != c.exact || a.Exact != (a.Bound == 0) {
			t.Errorf("%s: exact %t within %g", name, a.Exact, a.Bound)
		}
	}
}

func TestTopValuesOfEqualCountsStandInTheirOrder(t *testing.T) {
	part := topPart{in: view.Type{Kind: view.Int64}}
	texts := []string{"-10", "-9", "0", "9", "10", "123456789012345678901234567890"}
	shuffled := slices.Clone(texts)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, part.compare)
	if !slices.Equal(shuffled, texts) {
		t.Errorf("sorted %v", shuffled)
	}
}

// The bytes that Redis and others hold of the further parts: they may change only with Version.
func TestFurtherEncodingsHaveGoldenBytes(t *testing.T) {
	p := furtherParts(t)
	s := p.New()
	p.MergeRow(s, partialOf([]happened{{5, 1, 2, 3, true}, {5, 0, 3, 4, true}, {8, 0, 9, 3, true}}), 0)
	const want = "0192030000" + // version, signature, 3 events
		"010a01000308" + "011001000906" + "01100100090276" + "33" + "010a010003" + "3fe0000000000000" + // 4, 0.03, "v3", 0.5, each after its position
		"1422000003" + "03" + "3fdaaaaaaaaaaaab" + "3f85555555555556" + // sum 10, squares 34, of 3; 3, mean 5/12, distances
		"030002" + "0276330200" + "0276340100" + "00000300" // 3 values, none left out, two counters; four bins
	if got := hex.EncodeToString(p.Append(nil, s)); got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
	if got := hex.EncodeToString(p.Append(nil, p.New())); got != "0192000000000000000000000000000000000000000000000000000000000000000000000000" {
		t.Errorf("the state of no events is encoded as %s", got)
	}
}

// What a plan of some measures reads of a state is what the whole plan reads, and it covers no more.
func TestSomeMeasuresAreDecodedAndMergedAlone(t *testing.T) {
	for name, p := range map[string]*Plan{"every": everyPart(t), "further": furtherParts(t)} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
				row := func() made {
					if name == "every" {
						return partial(rnd)
					}
					return partialOf(drawEvents(rnd, 10))
				}
				whole, encoded := p.New(), [][]byte{}
				for range 3 {
					s := p.New()
					p.MergeRow(s, row(), 0)
					p.Merge(whole, s)
					encoded = append(encoded, p.Append(nil, s))
				}
				var wanted []int
				for m := range p.View.Measures {
					if rapid.Bool().Draw(t, p.View.Measures[m].Name) {
						wanted = append(wanted, m)
					}
				}
				some := p.Only(wanted)
				merged := some.New()
				for _, b := range encoded {
					s := some.New()
					if err := some.Decode(b, s); err != nil {
						t.Fatal(err)
					}
					some.Merge(merged, s)
				}
				for _, m := range wanted {
					if a, b := some.Final(merged, m), p.Final(whole, m); a.Value != b.Value || !some.Agree(merged, whole, m) {
						t.Fatalf("%s is %v, of the whole plan %v", p.View.Measures[m].Name, a.Value, b.Value)
					}
				}
				if merged.Events() != whole.Events() || !p.Covers(some) || !some.Covers(some) || some.Union(p).Selection() != p.Selection() {
					t.Fatal("the plan of some measures does not fit the whole")
				}
				if len(some.parts) < len(p.parts) && some.Covers(p) {
					t.Fatal("some parts cover all")
				}
			})
		})
	}
}

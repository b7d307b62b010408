package algebra

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// everyPart is a view with a measure of each part.
func everyPart(t testing.TB) *Plan {
	t.Helper()
	src := &view.Source{Name: "x"}
	for name, kind := range map[string]view.Kind{"i": view.Int64, "f": view.Double, "s": view.String} {
		src.Fields = append(src.Fields, view.Field{Name: name, Type: view.Type{Kind: kind}, Nullable: true})
	}
	integer, text, double := view.Type{Kind: view.Int64}, view.Type{Kind: view.String}, view.Type{Kind: view.Double}
	narrow, wide := view.Type{Kind: view.Decimal, Precision: 18, Scale: 3}, view.Type{Kind: view.Decimal, Precision: 38, Scale: 2}
	p, err := Compile(&view.View{Name: "v", Source: src, Measures: []view.Measure{
		{Name: "n", Agg: view.Count, Type: integer},
		{Name: "some", Agg: view.Count, Filter: "i > 0", Type: integer},
		{Name: "sum", Agg: view.Sum, Expr: "i", Input: narrow, Type: narrow},
		{Name: "avg", Agg: view.Average, Expr: "i", Input: narrow, Type: double},
		{Name: "wide", Agg: view.Sum, Expr: "i", Input: wide, Type: wide},
		{Name: "least", Agg: view.Min, Expr: "i", Input: integer, Type: integer},
		{Name: "most", Agg: view.Max, Expr: "i", Input: wide, Type: wide},
		{Name: "far", Agg: view.Max, Expr: "f", Input: double, Type: double},
		{Name: "last", Agg: view.Max, Expr: "s", Input: text, Type: text},
		{Name: "users", Agg: view.CountDistinct, Expr: "s", Input: text, Type: integer},
		{Name: "p50", Agg: view.Percentile, Expr: "f", P: 0.5, Input: double, Type: double},
		{Name: "p99", Agg: view.Percentile, Expr: "f", P: 0.99, Input: double, Type: double},
		{Name: "ratio", Agg: view.Derived, Expr: "sum / n", Type: double},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// made is a result row made in Go, in the order of everyPart's parts.
type made []any

func (r made) Null(col int) bool       { return r[col] == nil }
func (r made) Int64(col int) int64     { return r[col].(int64) }
func (r made) Int128(col int) Int128   { return r[col].(Int128) }
func (r made) Float64(col int) float64 { return r[col].(float64) }
func (r made) Bytes(col int) []byte    { return []byte(r[col].(string)) }
func (r made) Uint32s(c int) []uint32  { return r[c].([]uint32) }
func (r made) Int32s(col int) []int32  { return r[col].([]int32) }
func (r made) Uint64s(c int) []uint64  { return r[c].([]uint64) }
func (r made) Texts(col int) []string  { return r[col].([]string) }

// partial draws a result row of events.
func partial(rnd *rand.Rand) made {
	maybe := func(x any) any {
		if rnd.IntN(5) == 0 {
			return nil
		}
		return x
	}
	packed := func(n int) []uint32 {
		list := make([]uint32, n)
		for i := range list {
			list[i] = uint32(rnd.IntN(hllRegisters))<<hllRankBits | uint32(1+min(rnd.IntN(8), rnd.IntN(hllMaxRank)))
		}
		return list
	}
	keys := make([]int32, rnd.IntN(30))
	for i := range keys {
		keys[i] = int32(rnd.IntN(200) - 100)
	}
	size := rnd.IntN(20)
	if rnd.IntN(4) == 0 {
		size = rnd.IntN(3000)
	}
	sum := Int128{Lo: rnd.Uint64(), Hi: rnd.Int64() >> 40}
	whole := rnd.Int64N(100) - 50
	return made{
		rnd.Int64N(1000), rnd.Int64N(10), rnd.Int64N(3), rnd.Int64N(100),
		maybe(sum), rnd.Int64N(100),
		maybe(sum), sum, rnd.Int64N(100),
		maybe(whole), maybe(sum), maybe(float64(whole) / 8), maybe(fmt.Sprint(whole)),
		maybe(packed(size)), maybe(keys), nil,
	}
}

func drawState(t *rapid.T, p *Plan, label string) *State {
	rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, label), 1))
	s := p.New()
	for range rapid.IntRange(0, 3).Draw(t, label+" rows") {
		p.MergeRow(s, partial(rnd), 0)
	}
	return s
}

func merged(p *Plan, states ...*State) []byte {
	sum := p.New()
	for _, s := range states {
		p.Merge(sum, s)
	}
	return p.Append(nil, sum)
}

func TestMergeIsAssociativeAndCommutativeWithNewAsIdentity(t *testing.T) {
	p := everyPart(t)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawState(t, p, "a"), drawState(t, p, "b"), drawState(t, p, "c")
		before := p.Append(nil, b)
		left, right := p.New(), p.New()
		for _, s := range []*State{a, b} {
			p.Merge(left, s)
		}
		for _, s := range []*State{b, c} {
			p.Merge(right, s)
		}
		want := merged(p, a, b, c)
		for name, got := range map[string][]byte{"(ab)c": merged(p, left, c), "a(bc)": merged(p, a, right), "cba": merged(p, c, b, a)} {
			if !bytes.Equal(got, want) {
				t.Fatalf("%s is not abc:\n%x\n%x", name, got, want)
			}
		}
		if !bytes.Equal(merged(p, p.New(), b, p.New()), before) || !bytes.Equal(p.Append(nil, b), before) {
			t.Fatal("merging with New, or being merged, changes a state")
		}
	})
}

func TestMergedPartialsAreThePartialOfTheirUnion(t *testing.T) {
	p := everyPart(t)
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		union, parts := p.New(), p.New()
		for range 4 {
			row := partial(rnd)
			p.MergeRow(union, row, 0)
			one := p.New()
			if err := p.ReadState(row, 0, one); err != nil {
				t.Fatal(err)
			}
			p.Merge(parts, one)
		}
		if a, b := p.Append(nil, union), p.Append(nil, parts); !bytes.Equal(a, b) {
			t.Fatalf("rows read into one state:\n%x\nstates merged:\n%x", a, b)
		}
	})
}

func TestStatesSurviveEncoding(t *testing.T) {
	p := everyPart(t)
	into := p.New()
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t, p, "s")
		b := p.Append([]byte("before"), s)[len("before"):]
		if err := p.Decode(b, into); err != nil {
			t.Fatal(err)
		}
		again := p.Append(nil, into)
		clear(b)
		if later := p.Append(nil, into); !bytes.Equal(again, p.Append(nil, s)) || !bytes.Equal(later, again) {
			t.Fatal("a state changes by encoding and decoding, or keeps the bytes that it was decoded from")
		}
	})
}

func TestDecodeRefusesWhatIsNoStateOfThePlan(t *testing.T) {
	p := everyPart(t)
	s := p.New()
	p.MergeRow(s, partial(rand.New(rand.NewPCG(3, 3))), 0)
	good := p.Append(nil, s)
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": append([]byte{Version + 1}, good[1:]...),
		"another plan": append([]byte{Version, good[1] + 1}, good[2:]...), "a longer one": append(bytes.Clone(good), 0),
	} {
		if err := p.Decode(b, p.New()); err == nil {
			t.Errorf("%s was decoded", name)
		}
	}
	for n := range good {
		if err := p.Decode(good[:n], p.New()); err == nil {
			t.Errorf("the first %d of %d bytes were decoded", n, len(good))
		}
	}
}

func FuzzDecode(f *testing.F) {
	p := everyPart(f)
	s := p.New()
	p.MergeRow(s, partial(rand.New(rand.NewPCG(3, 3))), 0)
	f.Add(p.Append(nil, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		into := p.New()
		if p.Decode(b, into) == nil {
			p.Merge(into, into)
			p.Append(nil, into)
		}
	})
}

// The bytes that Redis and others hold: they may change only with Version.
func TestEncodingHasGoldenBytes(t *testing.T) {
	p := everyPart(t)
	s := p.New()
	p.MergeRow(s, made{
		int64(300), int64(2), int64(1), int64(7), Int128Of(-12345), int64(9), Int128Of(-1), Int128Of(99), int64(4),
		int64(-7), Int128{Lo: 1, Hi: 1}, 2.5, "zoë", []uint32{5<<6 | 3, 4095<<6 | 52, 5<<6 | 9}, []int32{-40100, 0, 40100, 40100}, nil,
	}, 0)
	const want = "0144ac020201" + // version, signature, 300 events, 2 late, 1 error
		"07" + "f1c00109" + "016304" + // count; sum -12345 of 9; wide sum -2^64+99 of 4
		"010d" + "0182808080808080808004" + "014004000000000000" + "01047a6fc3ab" + // -7, 2^64+1, 2.5, "zoë"
		"0002c902abfd0f" + "03dcb70201a4b90201a4b90202" // two registers; three bins
	if got := hex.EncodeToString(p.Append(nil, s)); got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
	if got := hex.EncodeToString(p.Append(nil, p.New())); got != "014400000000000000000000000000000000" {
		t.Errorf("the state of no events is encoded as %s", got)
	}
}

func TestScalarStatesCanBeWrappedAroundWords(t *testing.T) {
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "i", Type: view.Type{Kind: view.Int64}}}}
	integer := view.Type{Kind: view.Int64}
	p, err := Compile(&view.View{Name: "v", Source: src, Measures: []view.Measure{
		{Name: "n", Agg: view.Count, Type: integer}, {Name: "sum", Agg: view.Sum, Expr: "i", Input: integer, Type: view.Type{Kind: view.Int128}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Scalar() || p.Width() != 6 {
		t.Fatalf("scalar %t, width %d", p.Scalar(), p.Width())
	}
	slab := make([]uint64, 2*p.Width())
	one := p.New()
	p.MergeRow(one, made{int64(2), int64(1), int64(0), Int128Of(-5), int64(2)}, 0)
	for i := range 2 {
		s := p.Wrap(slab[i*6 : i*6+6])
		allocations := testing.AllocsPerRun(10, func() { p.Merge(&s, one) })
		if allocations != 0 {
			t.Errorf("a merge allocates %v times", allocations)
		}
		if got := p.Final(&s, 1).Value; got != Int128Value(Int128Of(-55)) || s.Events() != 22 || s.Late() != 11 {
			t.Errorf("sum %v of %d events", got, s.Events())
		}
	}
}

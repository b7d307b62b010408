package algebra

import (
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

func TestSumsThatTheirTypeCannotHoldAreReported(t *testing.T) {
	p := everyPart(t)
	s := p.New()
	for range 3 {
		p.MergeRow(s, made{int64(1), int64(0), int64(0), int64(0),
			Int128Of(999_999_999_999_999_999), int64(1), Int128{Lo: 1 << 62, Hi: 0}, Int128{}, int64(1),
			nil, nil, nil, nil, nil, nil, nil}, 0)
	}
	for _, name := range []string{"sum", "wide"} {
		a := p.Final(s, p.View.Measure(name))
		if !a.Overflow || !a.Value.IsNull() || a.Err == nil || !strings.Contains(a.Err.Error(), name) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := p.Final(s, p.View.Measure("avg")); a.Overflow || a.Value != FloatValue(999_999_999_999_999.999) {
		t.Errorf("average: %+v", a)
	}
}

func TestCombineAddsWhatSpeedAddsAndNoMore(t *testing.T) {
	p := everyPart(t)
	users := p.View.Measure("users")
	state := func(packed ...uint32) *State {
		s := p.New()
		p.MergeRow(s, made{int64(len(packed)), int64(0), int64(0), int64(0), nil, int64(0), nil, nil, int64(0), nil, nil, nil, nil, packed, nil, nil}, 0)
		return s
	}
	list := make([]uint32, 500)
	for i := range list {
		list[i] = uint32(i)<<hllRankBits | 1
	}
	batch := state(list...)
	for _, c := range []struct {
		what    string
		speed   *State
		exact   Value
		events  int64
		least   int64
		most    int64
		isExact bool
	}{
		{"no event of speed", p.New(), Int64Value(530), 0, 530, 530, true},
		{"known values only", state(list[:20]...), Int64Value(530), 20, 530, 530, false},
		{"one event", state(4000<<hllRankBits | 9), Int64Value(530), 1, 531, 531, false},
		{"a batch without the cell", state(4000<<hllRankBits | 9), Null(), 1, 500, 560, false},
	} {
		merged := p.New()
		p.Merge(merged, batch)
		p.Merge(merged, c.speed)
		a := p.Combine(c.exact, batch, merged, users, c.events)
		if n := a.Value.Int64(); n < c.least || n > c.most || a.Exact != c.isExact || !a.Exact && a.Bound == 0 {
			t.Errorf("%s: %+v", c.what, a)
		}
	}
	scalar := p.Combine(Int64Value(1), batch, batch, p.View.Measure("n"), 5)
	if scalar.Value != Int64Value(500) || !scalar.Exact {
		t.Errorf("a count: %+v", scalar)
	}
}

func TestInfallibleKnowsWhatItKnows(t *testing.T) {
	src := &view.Source{Fields: []view.Field{
		{Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 3}}, {Name: "quantity", Type: view.Type{Kind: view.Int64}},
		{Name: "country", Type: view.Type{Kind: view.String}}, {Name: "gift", Type: view.Type{Kind: view.Bool}},
	}}
	for expr, want := range map[string]bool{
		"price >= 0": true, "price >= 0 AND quantity <> 3": true, "(gift or not gift) and Country = 'it''s'": true, "country is not null": true,
		`"country" = 'x'`: true, "gift": true,
		"": false, "price": false, "quantity > '5'": false, "country = 5": false, "price * 2 > 1": false, "upper(country) = 'X'": false,
		"quantity > 1 = gift": false, "price >= 0 AND": false, "(price >= 0": false, "quantity > 12345678901": false, "1 = 1": false,
		"cast(country as integer) = 1": false, "quantity in (1, 2)": false,
	} {
		if got := infallible(src, expr); got != want {
			t.Errorf("%q: %t", expr, got)
		}
	}
}

package algebra

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// timed is a view of two measures whose cells know the times of their events.
func timed(t testing.TB) *Plan {
	t.Helper()
	text, integer := view.Type{Kind: view.String}, view.Type{Kind: view.Int64}
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "s", Type: text}, {Name: "i", Type: integer}}}
	p, err := Compile(&view.View{Name: "v", Source: src, Times: true, Measures: []view.Measure{
		{Name: "sum", Agg: view.Sum, Expr: "i", Input: integer, Type: integer},
		{Name: "last", Agg: view.Max, Expr: "s", Input: text, Type: text},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// timedState is the state of one event at a time; of none, where it has no time.
func timedState(p *Plan, at any) *State {
	events := int64(0)
	if at != nil {
		events = 1
	}
	s := p.New()
	p.MergeRow(s, made{events, int64(0), int64(0), nil, int64(0), nil, at, at}, 0)
	return s
}

func TestTimesAreOfTheFirstAndTheLastEventWhateverTheOrder(t *testing.T) {
	p := timed(t)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.Int64Range(-1e15, 1e15), 1, 20).Draw(t, "times")
		states := []*State{timedState(p, nil)}
		for _, us := range at {
			states = append(states, timedState(p, us))
		}
		forwards, backwards := p.New(), p.New()
		least, most := at[0], at[0]
		for i := range states {
			p.Merge(forwards, states[i])
			p.Merge(backwards, states[len(states)-1-i])
		}
		for _, us := range at {
			least, most = min(least, us), max(most, us)
		}
		a, b := p.Append(nil, forwards), p.Append(nil, backwards)
		if !bytes.Equal(a, b) {
			t.Fatalf("%x and %x by the order", a, b)
		}
		back := p.New()
		if err := p.Decode(a, back); err != nil {
			t.Fatal(err)
		}
		if first, last, ok := p.Times(back); !ok || first != least || last != most {
			t.Fatalf("times are %d, %d, %v, want %d and %d", first, last, ok, least, most)
		}
	})
	if _, _, ok := p.Times(timedState(p, nil)); ok {
		t.Error("a cell without events has times")
	}
}

func TestTimesAreReadByPlansThatAskForThemAndSkippedByOthers(t *testing.T) {
	p := timed(t)
	encoded := p.Append(nil, timedState(p, int64(1_300_000_000_000_000)))
	some := p.OnlyTimes(nil)
	s := some.New()
	if err := some.Decode(encoded, s); err != nil {
		t.Fatal(err)
	}
	if first, last, ok := some.Times(s); !ok || first != 1_300_000_000_000_000 || last != first {
		t.Errorf("times are %d, %d, %v", first, last, ok)
	}
	without := p.Only([]int{0, 1})
	if err := without.Decode(encoded, without.New()); err != nil || without.Selection() == p.Selection() {
		t.Errorf("a plan that does not ask for times: %v", err)
	}
}

// A change of these bytes is a new algebra: states that Redis holds could not be read.
func TestTimesHaveGoldenBytes(t *testing.T) {
	p := timed(t)
	s := timedState(p, int64(1_300_000_000_000_000))
	p.Merge(s, timedState(p, int64(1_300_000_000_000_300)))
	if got := hex.EncodeToString(p.Append(nil, s)); got != "0164020000000000018080aae3fa95cf04ac02" {
		t.Errorf("encoded as %s", got)
	}
}

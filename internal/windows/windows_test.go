package windows

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// planOf is a plan of scalar and other states whose cells know the times of their events.
func planOf(t testing.TB) *algebra.Plan {
	t.Helper()
	integer, text := view.Type{Kind: view.Int64}, view.Type{Kind: view.String}
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "i", Type: integer}, {Name: "s", Type: text}}}
	p, err := algebra.Compile(&view.View{Name: "v", Source: src, Times: true, Measures: []view.Measure{
		{Name: "sum", Agg: view.Sum, Expr: "i", Input: integer, Type: integer},
		{Name: "last", Agg: view.Max, Expr: "s", Input: text, Type: text},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// event makes a result row of one event.
type event struct {
	at    int64
	value int64
}

func (e event) Null(int) bool { return false }
func (e event) Int64(col int) int64 {
	switch col {
	case 0, 4:
		return 1
	case 1, 2:
		return 0
	}
	return e.at
}
func (e event) Int128(int) algebra.Int128 { return algebra.Int128Of(e.value) }
func (e event) Float64(int) float64       { return 0 }
func (e event) Bytes(int) []byte          { return []byte{byte('a' + e.value%26)} }
func (e event) Uint32s(int) []uint32      { return nil }
func (e event) Int32s(int) []int32        { return nil }
func (e event) Uint64s(int) []uint64      { return nil }
func (e event) Texts(int) []string        { return nil }

// stateOf is what one fold over events makes.
func stateOf(p *algebra.Plan, events []event) []byte {
	s := p.New()
	for _, e := range events {
		p.MergeRow(s, e, 0)
	}
	return p.Append(nil, s)
}

// panesOf is the events as cells of a grain.
func panesOf(p *algebra.Plan, grain int64, events []event) []Pane {
	byStart := map[int64]*Pane{}
	for _, e := range events {
		start := view.FloorTo(e.at, grain)
		if byStart[start] == nil {
			byStart[start] = &Pane{Start: start, State: p.New()}
		}
		p.MergeRow(byStart[start].State, e, 0)
	}
	var panes []Pane
	for _, pane := range byStart {
		pane.First, pane.Last, _ = p.Times(pane.State)
		panes = append(panes, *pane)
	}
	slices.SortFunc(panes, func(a, b Pane) int { return int(max(-1, min(1, a.Start-b.Start))) })
	return panes
}

// drawEvents draws events around 1970, so many at least, in no order. Half of the time they are of whole half minutes, so that pauses are as long as a gap to
// the microsecond.
func drawEvents(t *rapid.T, least int, span time.Duration) []event {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "events"), 1))
	whole := []int64{1, 30_000_000}[r.IntN(2)]
	events := make([]event, least+r.IntN(60))
	for i := range events {
		at := r.Int64N(2*span.Microseconds()) - span.Microseconds()
		events[i] = event{at - at%whole, r.Int64N(5)}
	}
	return events
}

type found struct {
	start, end int64
	state      []byte
}

func collect(p *algebra.Plan, into *[]found) func(Row) error {
	return func(r Row) error {
		*into = append(*into, found{r.Start, r.End, p.Append(nil, r.State)})
		return nil
	}
}

func same(a, b []found) bool {
	return slices.EqualFunc(a, b, func(x, y found) bool { return x.start == y.start && x.end == y.end && bytes.Equal(x.state, y.state) })
}

func TestHopsAreWhatOneFoldOverTheEventsOfEachWouldGive(t *testing.T) {
	p := planOf(t)
	rapid.Check(t, func(t *rapid.T) {
		grain := int64(time.Minute / time.Microsecond)
		h := &view.Hop{Every: time.Duration(rapid.Int64Range(1, 6).Draw(t, "every")) * time.Minute}
		h.Size = h.Every + time.Duration(rapid.Int64Range(0, 12).Draw(t, "more"))*time.Minute
		events := drawEvents(t, 0, time.Duration(rapid.SampledFrom([]int64{20, 90, 1000}).Draw(t, "span"))*time.Minute)
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if rapid.Bool().Draw(t, "bounded") {
			from = rapid.Int64Range(-30*grain, 20*grain).Draw(t, "from")
			to = from + rapid.Int64Range(1, 40*grain).Draw(t, "length")
		}
		var want, got []found
		for start := h.Floor(-1100*grain, time.UTC); start < 1100*grain; start = h.Next(start, time.UTC) {
			var in []event
			for _, e := range events {
				if e.at >= start && e.at < h.End(start, time.UTC) {
					in = append(in, e)
				}
			}
			if len(in) > 0 && start >= from && start < to {
				want = append(want, found{start, h.End(start, time.UTC), stateOf(p, in)})
			}
		}
		if err := Hops(p, h, time.UTC, panesOf(p, grain, events), from, to, collect(p, &got)); err != nil {
			t.Fatal(err)
		}
		if !same(got, want) {
			t.Fatalf("%+v of %v in [%d, %d):\n%v\nwant\n%v", h, events, from, to, got, want)
		}
	})
}

// sessionsOf folds events one by one: the brute force.
func sessionsOf(p *algebra.Plan, s *view.Session, grain int64, events []event) []found {
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b event) int { return int(max(-1, min(1, a.at-b.at))) })
	var list []found
	var session []event
	end := func() {
		if len(session) > 0 {
			list = append(list, found{session[0].at, session[len(session)-1].at, stateOf(p, session)})
		}
		session = nil
	}
	for i, e := range events {
		if len(session) > 0 && e.at-session[len(session)-1].at > s.Gap.Microseconds() {
			end()
		}
		if len(session) > 0 && view.FloorTo(e.at, grain) != view.FloorTo(events[i-1].at, grain) {
			last := e.at // of the events in the pane that begins here
			for _, other := range events[i:] {
				if view.FloorTo(other.at, grain) == view.FloorTo(e.at, grain) {
					last = other.at
				}
			}
			if last-session[0].at > s.Max.Microseconds() {
				end()
			}
		}
		session = append(session, e)
	}
	end()
	return list
}

func TestSessionsAreWhatOneFoldOverTheEventsWouldGive(t *testing.T) {
	p := planOf(t)
	rapid.Check(t, func(t *rapid.T) {
		grain := int64(time.Minute / time.Microsecond)
		s := &view.Session{Gap: time.Duration(rapid.Int64Range(2, 10).Draw(t, "gap")) * 30 * time.Second}
		s.Max = s.Gap + time.Duration(rapid.Int64Range(0, 30).Draw(t, "more"))*30*time.Second
		events := drawEvents(t, 0, time.Duration(rapid.SampledFrom([]int64{20, 90, 600}).Draw(t, "span"))*time.Minute)
		var got []found
		if err := Sessions(p, s, panesOf(p, grain, events), math.MinInt64, collect(p, &got)); err != nil {
			t.Fatal(err)
		}
		if want := sessionsOf(p, s, grain, events); !same(got, want) {
			t.Fatalf("%+v of %v:\n%v\nwant\n%v", s, events, got, want)
		}
		for _, f := range got {
			if f.end-f.start > s.Max.Microseconds() {
				t.Fatalf("a session lasts from %d to %d, longer than %v", f.start, f.end, s.Max)
			}
		}
	})
}

// Whatever came before the panes that were read, sessions that are not said to be unsettled are those of the whole.
func TestSettledSessionsAreThoseOfTheWholeLog(t *testing.T) {
	p := planOf(t)
	rapid.Check(t, func(t *rapid.T) {
		grain := int64(time.Minute / time.Microsecond)
		s := &view.Session{Gap: 2 * time.Minute, Max: time.Duration(rapid.Int64Range(2, 20).Draw(t, "max")) * time.Minute}
		panes := panesOf(p, grain, drawEvents(t, 40, 40*time.Minute))
		known := grain * rapid.Int64Range(-40, 40).Draw(t, "known")
		var whole []found
		if err := Sessions(p, s, panes, math.MinInt64, collect(p, &whole)); err != nil {
			t.Fatal(err)
		}
		rest := panes[slices.IndexFunc(append(panes, Pane{Start: math.MaxInt64}), func(x Pane) bool { return x.Start >= known }):]
		settled := 0
		err := Sessions(p, s, rest, known, func(r Row) error {
			f := found{r.Start, r.End, p.Append(nil, r.State)}
			if r.Unsettled {
				if settled > 0 {
					t.Fatalf("a session is unsettled after one that is not")
				}
				return nil
			}
			settled++
			if !slices.ContainsFunc(whole, func(w found) bool { return same([]found{w}, []found{f}) }) {
				t.Fatalf("a settled session %v is none of %v", f, whole)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestALateEventJoinsTwoSessions(t *testing.T) {
	p := planOf(t)
	minute := int64(60e6)
	s := &view.Session{Gap: 30 * time.Minute, Max: 12 * time.Hour}
	events := []event{{0, 1}, {10 * minute, 1}, {60 * minute, 1}, {70 * minute, 1}}
	bounds := func(events []event) (list [][2]int64) {
		err := Sessions(p, s, panesOf(p, 5*minute, events), math.MinInt64, func(r Row) error {
			list = append(list, [2]int64{r.Start / minute, r.End / minute})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := bounds(events); !slices.Equal(got, [][2]int64{{0, 10}, {60, 70}}) {
		t.Errorf("before: %v", got)
	}
	if got := bounds(append(events, event{35 * minute, 1})); !slices.Equal(got, [][2]int64{{0, 70}}) {
		t.Errorf("with a late event between: %v", got)
	}
}

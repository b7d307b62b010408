package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// hops is `events > 10` in the last five minutes, every minute.
func hops() *view.Alert {
	a := spender()
	a.Window = view.Frame{Hop: &view.Hop{Size: 5 * time.Minute, Every: time.Minute}, Name: "last_5m"}
	a.By = nil
	return a
}

// sliding is an alert over hops of events, which are counted naively. Hops are numbered by the minute when they begin.
type sliding struct {
	alert  *view.Alert
	state  State
	events []int64 // µs
	told   []string
	all    []Notice
}

// in is how many events a bucket of so many minutes has.
func (s *sliding) in(start int64, minutes int64) (n int64) {
	for _, at := range s.events {
		if at >= start && at < start+minutes*minute {
			n++
		}
	}
	return n
}

func (s *sliding) rows(r Range) (rows []Row) {
	starts := map[int64]bool{}
	for _, at := range s.events {
		w := &s.alert.Window
		for start := w.First(at, time.UTC); start <= at; start = w.Next(start, time.UTC) {
			starts[start] = start >= r.From && start < r.To
		}
	}
	for start, asked := range starts {
		if asked {
			rows = append(rows, Row{Bucket: start, Measures: []algebra.Value{algebra.Int64Value(s.in(start, int64(s.alert.Window.Size()/time.Minute)))}})
		}
	}
	return rows
}

// look looks with the watermark at a time, to the end or, where most is more than 0, at no more than so many hops at once.
func (s *sliding) look(at int64, most int64) {
	s.told = nil
	for {
		r := Range{s.state.From(s.alert, at), math.MaxInt64}
		if most > 0 && r.From != unbegun && r.From+(most+8)*minute < at {
			r.To = r.From + most*minute
		}
		o := Observation{Range: r, Watermark: at, Now: time.Unix(0, 0), Rows: s.rows(r)}
		for _, past := range Past(s.alert, r) {
			o.Past = append(o.Past, s.rows(past))
		}
		var notices []Notice
		s.state, notices = Evaluate(s.alert, s.state, o)
		for _, n := range notices {
			began, _ := time.Parse(time.RFC3339Nano, n.Bucket)
			last, _ := time.Parse(time.RFC3339Nano, n.Last)
			s.told = append(s.told, fmt.Sprintf("%s %d-%d", n.Kind, began.UnixMicro()/minute, last.UnixMicro()/minute))
		}
		s.all = append(s.all, notices...)
		if r.To == math.MaxInt64 {
			return
		}
	}
}

func (s *sliding) add(n int, minutes float64) {
	for range n {
		s.events = append(s.events, int64(minutes*float64(minute)))
	}
}

// Six and six events around minute 5 are more than ten in no bucket of five minutes, and in four hops.
func TestABurstOverABoundaryIsFoundOnce(t *testing.T) {
	for _, hop := range []bool{false, true} {
		s := &sliding{alert: hops()}
		if !hop {
			s.alert.Window = spender().Window
		}
		s.state.Begin(s.alert)
		s.add(6, 4.5)
		s.look(4*minute, 0)
		s.add(6, 5.5)
		for at := int64(5); at < 30; at++ {
			s.look(at*minute+minute/2, 0)
		}
		var told []string
		for _, n := range s.all {
			told = append(told, fmt.Sprint(n.Kind, " ", n.Bucket[11:16], " ", n.Since[11:16], " ", n.Until))
		}
		want := []string{"firing 00:01 00:05 ", "recovered 00:01 00:05 1970-01-01T00:09:00Z"}
		if !hop {
			want = nil
		}
		if !slices.Equal(told, want) {
			t.Errorf("hops %t: told %q, want %q", hop, told, want)
		}
		if hop && s.all[0].Cause != s.all[1].Cause {
			t.Error("the end is of another cause")
		}
	}
}

// An average of hops may hold in the newest of them first, and then in those before that have its events, too.
func TestAHopThatHoldsBeforeTheFirstIsTheSameCause(t *testing.T) {
	s := &sliding{alert: hops()}
	s.state.Begin(s.alert)
	s.add(11, 5.5) // hops 1 to 5
	less := s.events
	s.look(5*minute+minute/2, 0)
	if want := []string{"firing 1-5"}; !slices.Equal(s.told, want) {
		t.Fatalf("told %q", s.told)
	}
	id := s.all[0].Cause
	s.events = append(slices.Clone(less), int64(0))
	s.add(10, 2) // now hop 0 holds, and hops before it
	s.look(5*minute+minute/2, 0)
	if len(s.told) != 0 {
		t.Errorf("an earlier hop of the same run is told: %q", s.told)
	}
	s.look(30*minute, 0)
	if want := []string{"recovered -2-5"}; !slices.Equal(s.told, want) || s.all[1].Cause != id {
		t.Errorf("told %q", s.told)
	}
	// What is corrected and comes back is told under another id, also at the hop that it was found first at.
	s.events = nil
	s.look(30*minute, 0)
	s.add(11, 5.5)
	s.look(31*minute, 0)
	ids := map[string]bool{}
	for _, n := range s.all {
		if ids[n.ID] {
			t.Errorf("%s is told twice: %+v", n.ID, s.all)
		}
		ids[n.ID] = true
	}
}

func TestAChangeOfHopsIsAgainstTheHopThatEndsWhereItBegins(t *testing.T) {
	a := hops()
	half := 0.5
	a.Kind, a.Change, a.Closed = view.AlertChange, view.Change{Measure: "events", Above: &half}, true
	s := &sliding{alert: a}
	s.state.Begin(a)
	s.add(4, 4.5)
	s.add(7, 9.5) // hop 5 has 7 and hop 0 has 4; one step before a hop, which shares its events, has as many
	s.look(60*minute, 0)
	if want := []string{"firing 5-9", "recovered 5-9"}; !slices.Equal(s.told, want) {
		t.Errorf("told %q, want %q", s.told, want)
	}
}

// runsOf are the runs of hops that hold more than ten events, as they are told.
func runsOf(s *sliding) (runs []string) {
	held := map[int64]bool{}
	for _, r := range s.rows(Range{math.MinInt64, math.MaxInt64}) {
		if r.Measures[0].Int64() > 10 {
			held[r.Bucket] = true
		}
	}
	for _, start := range slices.Sorted(maps.Keys(held)) {
		if held[start-minute] {
			continue
		}
		last := start
		for held[last+minute] {
			last += minute
		}
		runs = append(runs, fmt.Sprintf("%d-%d", start/minute, last/minute))
	}
	return runs
}

// Events come in order, are looked at whenever, in one go and in parts, and a crash finds the same once more: each run of hops is told of once, whether
// they are judged on update or on close.
func TestEachRunOfHopsIsToldOfOnceWhereverTheLooksAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := hops()
		a.LookBack = 6 * time.Minute
		a.Closed = rapid.Bool().Draw(rt, "closed")
		s := &sliding{alert: a}
		s.state.Begin(a)
		ids, fired, ended := map[string]bool{}, map[string]string{}, map[string]string{}
		now := int64(minute * 100)
		for range rapid.IntRange(1, 12).Draw(rt, "bursts") {
			now += rapid.Int64Range(0, 6*minute).Draw(rt, "later")
			for range rapid.IntRange(1, 9).Draw(rt, "events") {
				s.events = append(s.events, now)
			}
			if !rapid.Bool().Draw(rt, "look") {
				continue
			}
			text, err := json.Marshal(s.state)
			if err != nil {
				rt.Fatal(err)
			}
			again := &sliding{alert: a, events: s.events}
			if err := json.Unmarshal(text, &again.state); err != nil {
				rt.Fatal(err)
			}
			most := rapid.Int64Range(0, 9).Draw(rt, "hops at once")
			s.look(now, most)
			again.look(now, most)
			if !slices.Equal(s.told, again.told) {
				rt.Fatalf("found out once more: %q, before %q", again.told, s.told)
			}
		}
		s.look(now+time.Hour.Microseconds()/2, 0)
		for i, n := range s.all {
			if ids[n.ID] {
				rt.Fatalf("%s is told twice", n.ID)
			}
			ids[n.ID] = true
			if n.Kind == Firing {
				fired[n.Cause] = n.Bucket
			} else {
				began, _ := time.Parse(time.RFC3339Nano, n.Bucket)
				last, _ := time.Parse(time.RFC3339Nano, s.all[i].Last)
				ended[n.Cause] = fmt.Sprintf("%d-%d", began.UnixMicro()/minute, last.UnixMicro()/minute)
			}
		}
		told := slices.Sorted(maps.Values(ended))
		want := slices.Sorted(slices.Values(runsOf(s)))
		if !slices.Equal(told, want) || len(fired) != len(want) {
			rt.Fatalf("told of %d: %q, want %q", len(fired), told, want)
		}
	})
}

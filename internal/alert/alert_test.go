package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

const minute = int64(time.Minute / time.Microsecond)

// spender is `events > 10` per user in five minutes.
func spender() *view.Alert {
	g, err := view.ParseGrain("5m")
	if err != nil {
		panic(err)
	}
	return &view.Alert{
		Name: "spender", Hash: "h1", Kind: view.AlertWhen, When: "events > 10", WhenNames: []string{"events"}, Window: view.GrainFrame(g), By: []string{"user"},
		View:     &view.View{Name: "sales", Location: time.UTC, Measures: []view.Measure{{Name: "events", Type: view.Type{Kind: view.Double}}}},
		LookBack: time.Hour, Severity: "critical", Ungrouped: true, To: []string{"log"},
	}
}

// story feeds an alert with observations. Buckets are numbered by five minutes, and values are per user and bucket.
type story struct {
	t      *testing.T
	alert  *view.Alert
	state  State
	values map[string]map[int64]float64
	now    time.Time
	batch  bool
	quiet  []Silence
	told   []string // of the last look: "firing anna@0"
	ids    map[string]int
	all    []Notice
}

func begin(t *testing.T, a *view.Alert) *story {
	s := &story{t: t, alert: a, values: map[string]map[int64]float64{}, now: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), ids: map[string]int{}}
	s.state.Begin(a)
	return s
}

func (s *story) set(user string, bucket int, value float64) *story {
	if s.values[user] == nil {
		s.values[user] = map[int64]float64{}
	}
	s.values[user][int64(bucket)*5*minute] = value
	return s
}

func (s *story) rows(r Range) []Row {
	var rows []Row
	for user, buckets := range s.values {
		for bucket, value := range buckets {
			if bucket >= r.From && bucket < r.To {
				rows = append(rows, Row{Bucket: bucket, Key: []algebra.Value{algebra.StringValue(user)}, Measures: []algebra.Value{algebra.FloatValue(value)}})
			}
		}
	}
	return rows
}

// look lets an alert look at everything with the watermark at so many minutes.
func (s *story) look(watermark float64) *story {
	at := int64(watermark * float64(minute))
	r := Range{s.state.From(s.alert, at), math.MaxInt64}
	o := Observation{Range: r, Watermark: at, Now: s.now, Rows: s.rows(r), Batch: s.batch, Silences: s.quiet}
	for _, past := range Past(s.alert, r) {
		o.Past = append(o.Past, s.rows(past))
	}
	var notices []Notice
	text, err := json.Marshal(s.state) // as a restart finds it
	if err != nil {
		s.t.Fatal(err)
	}
	s.state = State{}
	if err := json.Unmarshal(text, &s.state); err != nil {
		s.t.Fatal(err)
	}
	s.state, notices = Evaluate(s.alert, s.state, o)
	s.told = nil
	for _, n := range notices {
		user, _ := n.Labels.Get("user")
		began, err := time.Parse(time.RFC3339Nano, n.Bucket)
		if err != nil {
			s.t.Fatal(err)
		}
		s.told = append(s.told, fmt.Sprintf("%s %s@%d", n.Kind, *user, began.UnixMicro()/minute/5))
		if s.ids[n.ID]++; s.ids[n.ID] > 1 {
			s.t.Errorf("%s was told twice", n.ID)
		}
	}
	s.all = append(s.all, notices...)
	return s
}

// want compares what was told by the last look.
func (s *story) want(told ...string) *story {
	s.t.Helper()
	slices.Sort(s.told)
	slices.Sort(told)
	if !slices.Equal(s.told, told) {
		s.t.Errorf("told %q, want %q", s.told, told)
	}
	return s
}

func TestACauseIsToldOfOnceAndWhenItIsOver(t *testing.T) {
	s := begin(t, spender())
	s.set("anna", 0, 5).look(1).want()
	s.set("anna", 0, 11).look(2).want("firing anna@0") // the bucket is still open
	s.set("anna", 0, 12).look(3).want()
	s.set("anna", 1, 3).look(6).want() // the next one is, too, and may fill yet
	s.set("anna", 1, 20).look(8).want()
	s.set("anna", 2, 3).look(14).want()
	s.look(15).want("recovered anna@0")
	if c := s.state.Causes[0]; c.Phase != Recovered || c.Until != 10*minute || c.Last != 5*minute || *c.Values[0].Value != "11" {
		t.Errorf("the cause is %+v", c)
	}
	s.look(100).want()
}

func TestOnCloseOnlyBucketsThatAreOverAreJudged(t *testing.T) {
	a := spender()
	a.Closed = true
	s := begin(t, a)
	s.set("anna", 0, 11).look(4).want()
	s.set("anna", 0, 9).look(4.5).want()
	s.set("anna", 1, 11).look(9.9).want()
	s.look(10).want("firing anna@1")
}

func TestForHasToPassByEventTime(t *testing.T) {
	a := spender()
	a.For = 7 * time.Minute
	s := begin(t, a)
	s.set("anna", 0, 11).look(1).want()
	s.now = s.now.Add(time.Hour) // by the clock nothing happens
	s.look(4).want()
	s.set("anna", 1, 11).look(7.9).want()
	s.look(8).want("firing anna@0")
	// One that is over before.
	s = begin(t, a)
	s.set("bob", 0, 11).look(1).want()
	s.set("bob", 1, 3).look(10).want()
	s.look(30).want()
	if c := s.state.Causes[0]; c.Phase != Passed {
		t.Errorf("a cause that was too short is %+v", c)
	}
	// Buckets that were over when they were seen first count whole, however fast a history is replayed.
	s = begin(t, a)
	s.set("eve", 0, 11).set("eve", 1, 11).set("eve", 2, 1).look(60).want("firing eve@0", "recovered eve@0")
}

func TestACoolDownKeepsTheNextCauseBack(t *testing.T) {
	a := spender()
	a.CoolDown = 20 * time.Minute
	s := begin(t, a)
	s.set("anna", 0, 11).look(5).want("firing anna@0")
	s.look(10).want("recovered anna@0") // until minute 5, so cool until 25
	s.set("anna", 2, 11).look(15).want()
	s.look(20).want()
	s.set("anna", 3, 1).set("anna", 4, 11).set("bob", 4, 11).look(24.9).want("firing bob@4")
	s.set("anna", 5, 11).set("bob", 5, 11).look(25).want("firing anna@4")
	if s.state.Causes[1].Phase != Passed {
		t.Errorf("the cause within the cool-down is %+v", s.state.Causes[1])
	}
}

func TestALateEventChangesABucketThatIsOver(t *testing.T) {
	s := begin(t, spender())
	s.set("anna", 0, 10).look(30).want()
	s.set("anna", 0, 11).look(31).want("firing anna@0", "recovered anna@0")
	if n := s.all[0]; !n.Late || n.Reason != "corrected by late events" {
		t.Errorf("the notice is %+v", n)
	}
	s.look(32).want()
}

func TestABatchTakesACauseAway(t *testing.T) {
	s := begin(t, spender())
	s.set("anna", 0, 11).look(6).want("firing anna@0") // still firing
	s.batch = true
	s.set("anna", 0, 9).look(7).want("corrected anna@0")
	if n := s.all[1]; n.Reason != "corrected by batch" || n.Cause != s.all[0].Cause {
		t.Errorf("the notice is %+v", n)
	}
	// The same cell once more is another cause.
	s.set("anna", 0, 30).look(8).want("firing anna@0")
	if s.all[2].Cause == s.all[0].Cause {
		t.Error("a cause that came back has the id of the one that was corrected")
	}
	// One that had recovered before.
	s.look(12).want("recovered anna@0")
	s.set("anna", 0, 1).look(13).want("corrected anna@0")
	s.look(14).want()
}

func TestABucketThatIsOpenMayStopHoldingWithoutACorrection(t *testing.T) {
	s := begin(t, spender())
	s.set("anna", 0, 11).look(1).want("firing anna@0")
	s.set("anna", 0, 9).look(2).want() // such as an average
	s.set("anna", 0, 12).look(3).want()
	s.look(10).want("recovered anna@0")
}

func TestASilenceKeepsACauseFromBeingToldUntilItEnds(t *testing.T) {
	s := begin(t, spender())
	anna := "anna"
	s.quiet = []Silence{{ID: "s1", Alert: "spender", Labels: Labels{{"user", &anna}}, Until: s.now.Add(time.Minute)}}
	s.set("anna", 0, 11).set("bob", 0, 11).look(2).want("firing bob@0")
	s.now = s.now.Add(2 * time.Minute)
	s.look(2).want("firing anna@0")
	s.look(10).want("recovered anna@0", "recovered bob@0")
	// One that is over while it is silent is told to nobody.
	s.quiet = []Silence{{ID: "s2", Alert: "spender", Until: s.now.Add(time.Minute)}}
	s.set("eve", 2, 11).look(11).want()
	s.look(20).want()
}

func TestNothingIsToldTwiceAndNothingIsLostWhereverTheLooksAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "buckets")
		a := spender()
		a.Closed = true
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(rapid.IntRange(9, 12).Draw(rt, "value"))
		}
		// What has to be told: each run once, and its end.
		var want []string
		for i := range values {
			if values[i] > 10 && (i == 0 || values[i-1] <= 10) {
				want = append(want, fmt.Sprintf("firing anna@%d", i))
			}
			if values[i] <= 10 && i > 0 && values[i-1] > 10 {
				k := i - 1
				for k > 0 && values[k-1] > 10 {
					k--
				}
				want = append(want, fmt.Sprintf("recovered anna@%d", k))
			}
		}
		s := begin(t, a)
		for i := range values {
			s.set("anna", i, values[i])
		}
		var told []string
		for at := 0; at < n*5; {
			at = min(n*5, at+rapid.IntRange(1, 40).Draw(rt, "minutes"))
			before := s.state
			s.look(float64(at))
			told = append(told, s.told...)
			if rapid.Bool().Draw(rt, "crash") { // the state was not kept, nor was anything told: it is found out once more
				again := &story{t: t, alert: a, state: before, values: s.values, now: s.now, ids: map[string]int{}}
				again.look(float64(at))
				if !slices.Equal(s.told, again.told) || !slices.EqualFunc(s.state.Causes, again.state.Causes, func(x, y Cause) bool { return x.ID == y.ID && x.Phase == y.Phase }) {
					rt.Fatalf("found out once more: %v, before %v", again.told, s.told)
				}
			}
		}
		slices.Sort(told)
		slices.Sort(want)
		if !slices.Equal(told, want) {
			rt.Fatalf("of %v were told %v, want %v", values, told, want)
		}
	})
}

func TestAChangeIsJudgedAgainstTheBucketBefore(t *testing.T) {
	a := spender()
	half, drop := 0.5, -0.5
	a.Kind, a.Change, a.Closed = view.AlertChange, view.Change{Measure: "events", Above: &half, Below: &drop}, true
	s := begin(t, a)
	s.set("anna", 0, 100).set("anna", 1, 150).set("anna", 2, 226).set("anna", 3, 112).set("anna", 4, 0).set("anna", 5, 10)
	s.look(10).want() // exactly half as much again is not above
	s.look(15).want("firing anna@2")
	s.look(25).want()
	s.look(30).want("recovered anna@2") // from nothing, nothing is said
	a.Change.Against = 10 * time.Minute
	a.Hash = "h2"
	s = begin(t, a)
	s.set("anna", 0, 100).set("anna", 1, 100).set("anna", 2, 151).set("anna", 3, 101).look(20).want("firing anna@2", "recovered anna@2")
}

func TestAForecastIsTheMeanOfTheSameBucketsBefore(t *testing.T) {
	a := spender()
	a.Kind, a.Closed = view.AlertForecast, true
	a.Forecast = view.Forecast{Measure: "events", Season: time.Hour, Periods: 4, Enough: 3, Sigmas: 3, Least: 2, Above: true, Below: true}
	day := begin(t, a)
	for hour, v := range []float64{10, 12, 11, 13} {
		day.set("anna", hour*12, v)
		day.set("bob", hour*12, 10)
	}
	day.set("eve", 3*12, 1) // too little is known of eve
	day.look(4 * 60).want()
	day.set("anna", 48, 15.3).set("bob", 48, 12.1).set("eve", 48, 1000).look(4*60 + 5).want("firing bob@48") // bob's never differed: least is 2
	if c := day.state.Causes[0]; *c.Expected != (Band{8, 12}) {
		t.Errorf("expected %+v", c.Expected)
	}
	day.set("anna", 60, 1).look(5*60+5).want("firing anna@60", "recovered bob@48")
	a.Forecast.Below = false
	a.Hash = "above"
	day.look(5*60 + 6)
	if last := day.state.Causes[len(day.state.Causes)-1]; last.Phase == Firing {
		t.Errorf("below the band counts: %+v", last)
	}
}

func TestNoDataIsJudgedByTheClock(t *testing.T) {
	a := spender()
	a.Kind, a.NoData = view.AlertNoData, 10*time.Minute
	s := begin(t, a)
	s.set("anna", 0, 1).set("bob", 0, 1).look(1).want()
	s.now = s.now.Add(9 * time.Minute)
	s.set("bob", 0, 2).look(1).want() // the same bucket, one event more
	s.now = s.now.Add(time.Minute)
	s.look(1).want("firing anna@0")
	s.now = s.now.Add(time.Minute)
	s.set("anna", 3, 1).look(16).want("recovered anna@0")
	s.now = s.now.Add(9 * time.Minute)
	s.look(16).want("firing bob@0")
	// The whole view, of which nothing has come at all.
	a.By, a.Hash = nil, "whole"
	s = begin(t, a)
	look := func() []Notice {
		var n []Notice
		s.state, n = Evaluate(a, s.state, Observation{Range: Range{math.MinInt64, math.MaxInt64}, Watermark: math.MinInt64 + 1<<60, Now: s.now})
		return n
	}
	if n := look(); len(n) != 0 {
		t.Errorf("at once: %v", n)
	}
	s.now = s.now.Add(10 * time.Minute)
	if n := look(); len(n) != 1 || n[0].Bucket != "" || n[0].Labels.key() != "{}" {
		t.Errorf("after ten minutes: %+v", n)
	}
}

func TestAnotherDefinitionEndsWhatFires(t *testing.T) {
	a := spender()
	s := begin(t, a)
	s.set("anna", 0, 11).look(1).want("firing anna@0")
	a.Hash = "h2"
	s.set("anna", 0, 12).look(2).want("recovered anna@0", "firing anna@0")
	if s.all[0].Cause == s.all[2].Cause || s.all[1].Reason != "the alert's definition changed" {
		t.Errorf("told %+v", s.all)
	}
	s.look(3).want()
}

func TestOnlySoManyCausesAreKept(t *testing.T) {
	s := begin(t, spender())
	for i := range MaxCauses + 3 {
		s.set(fmt.Sprintf("u%05d", i), 0, 11)
	}
	s.look(1)
	if len(s.state.Causes) != MaxCauses || s.state.Lost != 3 || len(s.told) != MaxCauses {
		t.Errorf("%d causes, %d lost, %d told", len(s.state.Causes), s.state.Lost, len(s.told))
	}
	// What is over and old is forgotten, but for the newest.
	s.values = map[string]map[int64]float64{}
	s.set("anna", 100, 1).look(600)
	s.look(601)
	if len(s.state.Causes) != maxHistory {
		t.Errorf("%d causes are kept", len(s.state.Causes))
	}
}

func TestMessagesGroupWhatHappensAtOnce(t *testing.T) {
	a := spender()
	s := begin(t, a)
	s.set("anna", 0, 11).set("bob", 0, 11).look(1)
	if m := Messages(a, s.all, s.now); len(m) != 2 || m[0].ID != s.all[0].ID {
		t.Errorf("without groups: %+v", m)
	}
	a.Ungrouped = false
	m := Messages(a, s.all, s.now)
	back := Messages(a, []Notice{s.all[1], s.all[0]}, s.now)
	if len(m) != 1 || len(m[0].Notices) != 2 || m[0].ID != back[0].ID || !strings.HasSuffix(m[0].ID, "-firing") {
		t.Errorf("all in one: %+v", m)
	}
	a.GroupBy = []string{"user"}
	if m := Messages(a, s.all, s.now); len(m) != 2 || m[0].Group.key() != `{"user":"anna"}` {
		t.Errorf("by user: %+v", m)
	}
}

func TestFoldedValuesAreNoKey(t *testing.T) {
	a := spender()
	_, notices := Evaluate(a, State{}, Observation{Range: Range{0, math.MaxInt64}, Watermark: 1, Rows: []Row{{Key: []algebra.Value{algebra.Other()}, Measures: []algebra.Value{algebra.Int64Value(99)}}}})
	if len(notices) != 0 {
		t.Errorf("told %+v", notices)
	}
}

func TestLabelsAreOneObjectInTheirOrder(t *testing.T) {
	b := "x\"y"
	l := Labels{{"z", &b}, {"a", nil}}
	text, err := json.Marshal(l)
	if err != nil || string(text) != `{"z":"x\"y","a":null}` {
		t.Fatalf("%s, %v", text, err)
	}
	var back Labels
	if err := json.Unmarshal(text, &back); err != nil || back.key() != l.key() {
		t.Errorf("%v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`[1]`), &back); err == nil {
		t.Error("a list was taken for labels")
	}
}

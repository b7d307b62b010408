package view

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	_ "time/tzdata"
)

const soundWindows = `windows:
  - {name: last_5m, hopping: {size: 5m, every: 1m}, description: d}
  - {name: weekly, hopping: {size: 7d, every: 1d}}
  - {name: last_2d, hopping: {size: 48h, every: 2h}}
  - {name: visits, session: {gap: 30m, max: 12h, by: [product]}}
  - {name: all, session: {gap: 90m, max: 90m}}
`

func TestWindowsAreComposedOfTheCoarsestGrainThatFits(t *testing.T) {
	v := sound(t, soundServices, soundView+soundWindows).Views[0]
	minute, hour, day := v.Grains[0], v.Grains[1], v.Grains[2]
	want := []Window{
		{Name: "last_5m", Description: "d", Hop: &Hop{5 * time.Minute, time.Minute, false}, Pane: minute},
		{Name: "weekly", Hop: &Hop{7 * 24 * time.Hour, 24 * time.Hour, true}, Pane: day},
		{Name: "last_2d", Hop: &Hop{48 * time.Hour, 2 * time.Hour, false}, Pane: hour},
		{Name: "visits", Session: &Session{30 * time.Minute, 12 * time.Hour, []int{1}}, Pane: minute},
		{Name: "all", Session: &Session{90 * time.Minute, 90 * time.Minute, []int{0, 1}}, Pane: hour},
	}
	if !reflect.DeepEqual(v.Windows, want) || !v.Times {
		t.Errorf("windows are %+v", v.Windows)
	}
}

// A running view is not recomputed for its hops, nor for other gaps; only for the times that its first sessions need.
func TestOnlyTheFirstSessionsMakeAViewAnother(t *testing.T) {
	parsed := func(windows string) *View { return sound(t, soundServices, soundView+windows).Views[0] }
	bare, hops := parsed(""), parsed("windows:\n  - {name: last_5m, hopping: {size: 5m, every: 1m}}\n")
	all, other := parsed(soundWindows), parsed("windows:\n  - {name: visits, session: {gap: 10m, max: 1h}}\n")
	if bare.Hash != hops.Hash || bare.Times || hops.Times {
		t.Error("hops have changed the hash of a view")
	}
	if all.Hash == bare.Hash || all.Hash != other.Hash {
		t.Error("the hash does not follow from whether the view has sessions")
	}
	if strings.Contains(string(bare.Canonical), `"times":`) || strings.Contains(string(bare.Presentation()), `"windows":`) {
		t.Error("what is stored of a view without windows speaks of them")
	}
}

func TestWindowsComeBackFromTheStoredBytes(t *testing.T) {
	v := sound(t, soundServices, soundView+soundWindows).Views[0]
	back, err := ParseView("sales", v.Canonical, v.Presentation())
	if err != nil || !reflect.DeepEqual(back.Windows, v.Windows) || back.Hash != v.Hash {
		t.Errorf("got %+v, %v", back, err)
	}
	hops := sound(t, soundServices, soundView).Views[0]
	for _, wrong := range []string{
		`{"name":"w","pane":"7m","hopping":{"size_us":1,"every_us":1}}`,
		`{"name":"w","pane":"1m"}`,
		`{"name":"w","pane":"1m","session":{"gap_us":1,"max_us":1,"by":[]}}`,
	} {
		said := strings.Replace(string(hops.Presentation()), `"measures":`, `"windows":[`+wrong+`],"measures":`, 1)
		if _, err := ParseView("sales", hops.Canonical, []byte(said)); err == nil || !strings.Contains(err.Error(), "window w") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestWindowsThatCannotBeAreRefusedWithAMend(t *testing.T) {
	for text, want := range map[string]string{
		"{name: w, hopping: {size: 90s, every: 30s}}":                            "needs a grain that divides 90s and 30s: the window is composed of buckets of it: add 30s to grains",
		"{name: w, hopping: {size: 7m, every: 7m1s}}":                            "is longer than size",
		"{name: w, hopping: {size: 7m, every: 70s}}":                             "add 10s to grains",
		"{name: w, hopping: {size: 1d, every: 1h}}":                              "are of two kinds: days are those of the time zone, of 23 to 25 hours: write 24h",
		"{name: w, hopping: {size: 367d, every: 1d}}":                            "is at most 366d",
		"{name: w, hopping: {size: 5m}}":                                         "has no every: add `every: …`",
		"{name: w, hopping: {size: 5m, evry: 1m}}":                               `unknown key "evry" in window w of view sales: did you mean "every"?`,
		"{name: w, hopping: {size: 1500ms, every: 500ms}}":                       "it is at least 1s",
		"{name: w, session: {gap: 30s, max: 1h}}":                                "needs a grain that is not longer than its gap 30s: the window is composed of buckets of it: add 30s to grains",
		"{name: w, session: {gap: 2h, max: 1h}}":                                 "max 1h is shorter than gap 2h",
		"{name: w, session: {gap: 2h, max: 32d}}":                                "it is at most 31d",
		"{name: w, session: {gap: 1h, max: 2h, by: [contry]}}":                   `unknown dimension "contry": did you mean "country"?`,
		"{name: w, session: {gap: 1h, max: 2h, by: [country, country]}}":         "is there twice",
		"{name: w, session: {gap: 1h, max: 2h, by: country}}":                    "write a list of dimensions",
		"{name: w, session: {gap: 1h, max: 2h}, hopping: {size: 2m, every: 1m}}": "is hopping and session",
		"{name: w}":                             "has neither hopping nor session",
		"{hopping: {size: 2m, every: 1m}}":      "has no name",
		"{name: w, sesion: {gap: 1h, max: 2h}}": "did you mean \"session\"?",
	} {
		_, problems := parseTexts(soundServices, soundView+"windows:\n  - "+text+"\n")
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v, want %q in it", text, problems, want)
		}
	}
	taken := strings.Replace(soundView, "- country", "- {name: end, expr: country}", 1)
	if _, problems := parseTexts(soundServices, taken+soundWindows); !strings.Contains(problems.Error(), `name "end" in view sales is taken`) {
		t.Errorf("a dimension named end beside windows: %v", problems)
	}
	if _, problems := parseTexts(soundServices, soundView+"windows:\n  - {name: w, hopping: {size: 2m, every: 1m}}\n  - {name: w, hopping: {size: 2m, every: 1m}}\n"); !strings.Contains(problems.Error(), "is there twice") {
		t.Errorf("two windows of a name: %v", problems)
	}
}

func instantOf(t *testing.T, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMicro()
}

func TestHopsOfHoursAreAlignedToUTCAndHopsOfDaysToMidnights(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hop                    Hop
		at, floor, next, first string
		end                    string // of the hop at floor
	}{
		{Hop{5 * time.Minute, time.Minute, false}, "2011-03-04T10:07:30Z", "2011-03-04T10:07:00Z", "2011-03-04T10:08:00Z", "2011-03-04T10:03:00Z", "2011-03-04T10:12:00Z"},
		{Hop{5 * time.Minute, 2 * time.Minute, false}, "2011-03-04T10:07:00Z", "2011-03-04T10:06:00Z", "2011-03-04T10:08:00Z", "2011-03-04T10:04:00Z", "2011-03-04T10:11:00Z"},
		// The 27th of March 2011 has 23 hours in London, the 30th of October 25.
		{Hop{48 * time.Hour, 24 * time.Hour, true}, "2011-03-27T12:00:00Z", "2011-03-27T00:00:00Z", "2011-03-27T23:00:00Z", "2011-03-26T00:00:00Z", "2011-03-28T23:00:00Z"},
		{Hop{168 * time.Hour, 24 * time.Hour, true}, "2011-10-30T12:00:00Z", "2011-10-29T23:00:00Z", "2011-10-31T00:00:00Z", "2011-10-23T23:00:00Z", "2011-11-06T00:00:00Z"},
		// A Monday begins every hop of weeks.
		{Hop{336 * time.Hour, 168 * time.Hour, true}, "2011-03-31T12:00:00Z", "2011-03-27T23:00:00Z", "2011-04-03T23:00:00Z", "2011-03-21T00:00:00Z", "2011-04-10T23:00:00Z"},
	} {
		at := instantOf(t, c.at)
		floor := c.hop.Floor(at, london)
		for what, pair := range map[string][2]int64{
			"floor": {floor, instantOf(t, c.floor)}, "next": {c.hop.Next(floor, london), instantOf(t, c.next)},
			"first": {c.hop.First(at, london), instantOf(t, c.first)}, "end": {c.hop.End(floor, london), instantOf(t, c.end)},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%+v at %s: %s is %s, want %s", c.hop, c.at, what, time.UnixMicro(pair[0]).UTC(), time.UnixMicro(pair[1]).UTC())
			}
		}
	}
}

func TestEveryInstantIsInTheHopsFromTheFirstOn(t *testing.T) {
	lisbon, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []Hop{{time.Hour, 7 * time.Minute, false}, {7 * 24 * time.Hour, 24 * time.Hour, true}, {9 * 24 * time.Hour, 2 * 24 * time.Hour, true}} {
		for at := instantOf(t, "2011-03-01T00:30:00Z"); at < instantOf(t, "2011-04-20T00:00:00Z"); at += 5*3600*1e6 + 17e6 {
			var in []int64
			for start := h.Floor(at-2*h.Size.Microseconds(), lisbon); start <= at; start = h.Next(start, lisbon) {
				if h.End(start, lisbon) > at {
					in = append(in, start)
				}
			}
			if first := h.First(at, lisbon); first != in[0] || !slices.Contains(in, h.Floor(at, lisbon)) || int64(len(in)) > h.Overlap() {
				t.Fatalf("%+v at %v: hops %v, first %d", h, time.UnixMicro(at).UTC(), in, first)
			}
		}
	}
}

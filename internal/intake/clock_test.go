package intake

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

var zones = []string{"", "UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia", "Antarctica/Troll"}

// Whatever the text: the fast path says what time.ParseInLocation says, near changes of the clocks as far from them.
func TestEventTimesAreThoseOfTheTimePackage(t *testing.T) {
	layouts := []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "02/01/2006 15:04", "01/02/2006 15:04", "20060102150405", "2006-01-02", "1/2/2006 15:04",
		"2006-01-02 15:04:05.000", "Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02 15:04:05Z07:00"}
	clocks := map[string]*clock{}
	rapid.Check(t, func(t *rapid.T) {
		zone, layout := rapid.SampledFrom(zones).Draw(t, "zone"), rapid.SampledFrom(layouts).Draw(t, "layout")
		c := clocks[zone+layout]
		if c == nil { // one for all draws, so that its memory of days is tested too
			f, err := newFormat(view.EventTime{Format: layout, Timezone: zone})
			if err != nil {
				t.Fatal(err)
			}
			c = &clock{format: &f}
			clocks[zone+layout] = c
		}
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(-2e10, 8e9).Draw(t, "seconds"), 0).In(loc)
		if rapid.Bool().Draw(t, "near a change") {
			at = time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "seconds of today's rules"), 0).In(loc)
			if _, next := at.ZoneBounds(); !next.IsZero() {
				at = next.Add(time.Duration(rapid.IntRange(-180000, 180000).Draw(t, "around")) * time.Second)
			}
		}
		// Written as UTC's, local times that do not exist in the zone are tried too.
		s := at.UTC().Format(layout)
		if rapid.Bool().Draw(t, "local") {
			s = at.Format(layout)
		}
		if rapid.IntRange(0, 3).Draw(t, "bend") == 0 {
			i := rapid.IntRange(0, len(s)-1).Draw(t, "where")
			s = s[:i] + string(rapid.SampledFrom([]rune("0123456789 -:Tx.")).Draw(t, "what")) + s[i+1:]
		}
		want, err := time.ParseInLocation(layout, s, loc)
		wantOK := err == nil && want.Year() >= 1 && want.Year() <= 9999 && want.UTC().Year() >= 1 && want.UTC().Year() <= 9999
		got, ok := c.text([]byte(s))
		if ok != wantOK || ok && got != want.UnixMicro() {
			t.Fatalf("%q as %q in %q: got %s %v, want %s %v", s, layout, zone, instant(got), ok, want.UTC(), err)
		}
	})
}

// The fast path must be what runs, or the test above compares the time package with itself.
func TestCommonLayoutsTakeTheFastPath(t *testing.T) {
	for layout, want := range map[string]bool{
		"2006-01-02 15:04:05": true, "2006-01-02T15:04:05": true, "02/01/2006 15:04": true, "20060102150405": true, "2006-01-02": true,
		"1/2/2006 15:04": false, "2006-01-02 15:04:05.000": false, "2006-01-02 15:04:05 -0700": false, "06-01-02": false, "2006-002": false,
		"2006-01-02 03:04PM": false, "2006#01#02": false, "2006-01-02 15:04:05Z07:00": false, "15:04": false, "2006012": false,
	} {
		f := newFixedLayout(layout)
		if _, _, ok := f.parse([]byte(time.Date(2026, 11, 20, 10, 20, 30, 0, time.UTC).Format(layout))); ok != want {
			t.Errorf("%s: got %v", layout, ok)
		}
	}
}

// The memory of days is smaller than history: winter and summer share its places.
func TestTheMemoryOfDaysDoesNotMixThemUp(t *testing.T) {
	f, err := newFormat(view.EventTime{Format: time.DateTime, Timezone: "Europe/London"})
	if err != nil {
		t.Fatal(err)
	}
	c := clock{format: &f}
	for range 2 {
		for day := time.Date(2026, 1, 1, 12, 0, 0, 0, f.loc); day.Year() < 2028; day = day.AddDate(0, 0, 64) {
			if got, ok := c.text([]byte(day.Format(time.DateTime))); !ok || got != day.UnixMicro() {
				t.Errorf("%s: got %s %v", day, instant(got), ok)
			}
		}
	}
}

func TestInstantsAreThoseOfTheTimePackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(minInstant, maxInstant-1).Draw(t, "us")).Add(time.Duration(rapid.IntRange(0, 999).Draw(t, "ns")))
		minutes := rapid.IntRange(-1439, 1439).Draw(t, "offset")
		local := at.In(time.FixedZone("", minutes*60))
		if local.Year() < 1 || local.Year() > 9999 {
			local = at.UTC()
		}
		layout := rapid.SampledFrom([]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.000000Z07:00"}).Draw(t, "layout")
		s := local.Format(layout)
		if got, ok := parseInstant([]byte(s)); !ok || got != at.UnixMicro() {
			t.Fatalf("%q: got %d %v, want %d", s, got, ok, at.UnixMicro())
		}
		bare := at.UTC().Format("2006-01-02 15:04:05.999999")
		if got, ok := parseInstant([]byte(bare)); !ok || got != at.UnixMicro() {
			t.Fatalf("%q: got %d %v, want %d", bare, got, ok, at.UnixMicro())
		}
		day := at.UTC().Format(time.DateOnly)
		if got, ok := parseDate([]byte(day)); !ok || got != wholeDays(at) {
			t.Fatalf("%q: got %d %v", day, got, ok)
		}
	})
}

func TestEveryDayOfEightCenturiesIsADay(t *testing.T) {
	for at := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2400; at = at.AddDate(0, 0, 1) {
		s := at.AppendFormat(nil, time.DateOnly)
		if got, ok := parseDate(s); !ok || got*86400 != at.Unix() {
			t.Fatalf("%s: got %d %v", s, got, ok)
		}
	}
}

// wholeDays are the whole days since the epoch.
func wholeDays(at time.Time) int64 {
	return time.Date(at.UTC().Year(), at.UTC().Month(), at.UTC().Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func TestWhatIsNoInstantIsRefused(t *testing.T) {
	for _, s := range []string{"", "2026-11-20", "2026-11-20T10:00", "2026-11-20T10:00:00.", "2026-11-20T10:00:00.Z", "2026-11-20T10:00:00,5Z", "2026-11-20T24:00:00Z",
		"2026-11-20T10:60:00Z", "2026-11-20T10:00:60Z", "2026-02-29T10:00:00Z", "1900-02-29T10:00:00Z", "2026-04-31T10:00:00Z", "2026-00-20T10:00:00Z", "2026-11-00T10:00:00Z", "0000-11-20T10:00:00Z",
		"2026-11-20T10:00:00+24:00", "2026-11-20T10:00:00+0100", "2026-11-20T10:00:00+01:60", "2026-11-20T10:00:00 UTC", "2026-11-20X10:00:00Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"} {
		if us, ok := parseInstant([]byte(s)); ok {
			t.Errorf("%q: got %s", s, instant(us))
		}
	}
}

func TestUnixTimesAreExactInTheirUnit(t *testing.T) {
	for _, c := range []struct {
		format, text string
		want         int64
		ok           bool
	}{
		{"unix_s", "1763632800", 1763632800000000, true},
		{"unix_s", "1763632800.123456", 1763632800123456, true},
		{"unix_s", "1763632800.1234567", 0, false},
		{"unix_s", "1.7636328e9", 1763632800000000, true},
		{"unix_ms", "1763632800123", 1763632800123000, true},
		{"unix_ms", "-1", -1000, true},
		{"unix_us", "1763632800123456", 1763632800123456, true},
		{"unix_us", "0.5", 0, false},
		{"unix_s", "1763632800123", 0, false}, // milliseconds taken for seconds: the year 57857
		{"unix_us", "253402300800000000", 0, false},
		{"unix_s", "", 0, false},
		{"unix_s", "soon", 0, false},
	} {
		f, err := newFormat(view.EventTime{Format: c.format})
		if err != nil {
			t.Fatal(err)
		}
		cl := clock{format: &f}
		if got, ok := cl.text([]byte(c.text)); ok != c.ok || ok && got != c.want {
			t.Errorf("%s %q: got %d %v, want %d %v", c.format, c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestFormatsNameThemselvesAsWritten(t *testing.T) {
	for _, want := range []string{"rfc3339", "unix_s", "unix_ms", "unix_us"} {
		if f, err := newFormat(view.EventTime{Format: want}); err != nil || f.String() != want {
			t.Errorf("%s: got %s, %v", want, fmt.Sprint(&f), err)
		}
	}
}

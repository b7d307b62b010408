package view

import (
	"strings"
	"testing"
	"time"
)

func grainNamed(t *testing.T, name string) Grain {
	t.Helper()
	g, err := ParseGrain(name)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func periodNamed(t *testing.T, name string) Period {
	t.Helper()
	p, err := ParsePeriod(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBucketsMoveByTheCalendarOfTheirZone(t *testing.T) {
	for _, c := range []struct{ zone, grain, period, from, want string }{
		{"UTC", "1h", "1d", "2024-03-01T05:00:00Z", "2024-02-29T05:00:00Z"},
		{"UTC", "1d", "1y", "2025-02-28T00:00:00Z", "2024-02-28T00:00:00Z"},
		{"UTC", "1d", "1y", "2024-02-29T00:00:00Z", ""},
		{"UTC", "1d", "1mo", "2024-03-31T00:00:00Z", ""},
		{"UTC", "1d", "1mo", "2024-03-29T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"UTC", "1mo", "3mo", "2024-01-01T00:00:00Z", "2023-10-01T00:00:00Z"},
		{"UTC", "1y", "24mo", "2024-01-01T00:00:00Z", "2022-01-01T00:00:00Z"},
		{"UTC", "15m", "90m", "2024-01-01T00:15:00Z", "2023-12-31T22:45:00Z"},
		// the clocks go forward on 2024-03-31 at 01:00 UTC and back on 2024-10-27 at 01:00 UTC
		{"Europe/Berlin", "1d", "1w", "2024-04-02T00:00:00+02:00", "2024-03-26T00:00:00+01:00"},
		{"Europe/Berlin", "1h", "1d", "2024-04-01T12:00:00+02:00", "2024-03-31T12:00:00+02:00"},
		{"Europe/Berlin", "1h", "1d", "2024-03-31T12:00:00+02:00", "2024-03-30T12:00:00+01:00"},
		{"Europe/Berlin", "1h", "1d", "2024-04-01T02:00:00+02:00", ""}, // 02:00 of the day before was left out
		{"Europe/Berlin", "1h", "24h", "2024-04-01T02:00:00+02:00", "2024-03-31T01:00:00+01:00"},
		{"Europe/Berlin", "1w", "52w", "2024-12-30T00:00:00+01:00", "2024-01-01T00:00:00+01:00"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		us, ok := periodNamed(t, c.period).Move(from.UnixMicro(), -1, grainNamed(t, c.grain), loc)
		got := ""
		if ok {
			got = time.UnixMicro(us).In(loc).Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s, %s before %s by %s: %q, want %q", c.zone, c.period, c.from, c.grain, got, c.want)
		}
	}
}

// No two buckets are compared with the same one, and going back and forth ends where it began, over two years of each zone.
func TestMovingBucketsIsOneToOne(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ grain, period string }{{"30m", "1d"}, {"30m", "1mo"}, {"1d", "1mo"}, {"1d", "1y"}, {"1d", "1w"}, {"1w", "4w"}, {"1mo", "1y"}} {
			g, p := grainNamed(t, c.grain), periodNamed(t, c.period)
			if !p.Keeps(g) {
				t.Fatalf("%s does not keep %s", c.period, c.grain)
			}
			met := map[int64]int64{}
			at := g.Floor(time.Date(2011, 11, 1, 12, 0, 0, 0, time.UTC).UnixMicro(), loc)
			for end := time.Date(2013, 11, 1, 0, 0, 0, 0, time.UTC).UnixMicro(); at < end; at = g.Next(at, loc) {
				before, ok := p.Move(at, -1, g, loc)
				if !ok {
					continue
				}
				if other, twice := met[before]; twice {
					t.Fatalf("%s %s by %s: %d is before both %d and %d", zone, c.grain, c.period, before, other, at)
				}
				met[before] = at
				if g.Floor(before, loc) != before {
					t.Fatalf("%s %s by %s: %d is not on the grain", zone, c.grain, c.period, before)
				}
				if back, ok := p.Move(before, 1, g, loc); !ok || back != at {
					t.Fatalf("%s %s by %s: %s back and forth is %s, %t", zone, c.grain, c.period, time.UnixMicro(at).In(loc), time.UnixMicro(back).In(loc), ok)
				}
			}
			if len(met) == 0 {
				t.Fatalf("%s %s by %s: nothing is compared", zone, c.grain, c.period)
			}
		}
	}
}

func TestPeriodsThatBucketsCannotBeMovedBy(t *testing.T) {
	for grain, periods := range map[string]map[string]bool{
		"1m":  {"90s": false, "1h": true, "1d": true, "1mo": true},
		"1d":  {"24h": false, "1d": true, "1mo": true},
		"1w":  {"10d": false, "14d": true, "1mo": false, "1w": true},
		"1mo": {"4w": false, "1mo": true, "1y": true},
		"1y":  {"6mo": false, "12mo": true, "2y": true},
	} {
		for period, want := range periods {
			if got := periodNamed(t, period).Keeps(grainNamed(t, grain)); got != want {
				t.Errorf("%s by %s: %t", grain, period, got)
			}
		}
	}
	for text, want := range map[string]string{
		"": "write e.g. 1h", "1": "the units are", "0d": "write e.g.", "-1d": "write e.g.", "+1d": "write e.g.", "1q": "the units are", "1min": "write 1m; months are mo", "9999y": "longer than 200 years",
		"99999999999999999999d": "write e.g.", "1.5d": "write e.g.", "01d": "write e.g.",
	} {
		if _, err := ParsePeriod(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestEndsOfARangeStayInTheirMonth(t *testing.T) {
	p := periodNamed(t, "1mo")
	at := time.Date(2024, 3, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
	if got := time.UnixMicro(p.MoveEnd(at, -1, time.UTC)).UTC(); got.Format(time.DateOnly) != "2024-02-29" {
		t.Errorf("a month before 31 March is %s", got)
	}
	noon := time.Date(2024, 3, 1, 12, 30, 0, 0, time.UTC).UnixMicro()
	if got := time.UnixMicro(p.MoveEnd(noon, -1, time.UTC)).UTC(); got.Format("2006-01-02 15:04") != "2024-02-01 12:30" {
		t.Errorf("a month before noon is %s", got)
	}
}

package view

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Zones with all that can go wrong: none, summer time, half hours, leaps at midnight, a date left out, a midnight shown twice.
var awkwardZones = []string{
	"UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Atlantic/Azores",
	"America/Havana", "America/St_Johns", "Africa/Casablanca", "Asia/Kathmandu", "Africa/Monrovia", "Asia/Beirut", "Asia/Gaza", "America/Asuncion",
}

func zoneOf(t interface{ Fatal(...any) }, name string) *time.Location {
	loc, err := loadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// Buckets tile time: each instant lies in exactly one, and Next of a bucket is the Floor of its own first instant.
func TestCalendarBucketsTileTimeInEveryZone(t *testing.T) {
	grains := []Grain{{Unit: Day}, {Unit: Week}, {Unit: Month}, {Unit: Year}}
	rapid.Check(t, func(t *rapid.T) {
		loc := zoneOf(t, rapid.SampledFrom(awkwardZones).Draw(t, "zone"))
		g := rapid.SampledFrom(grains).Draw(t, "grain")
		us := rapid.Int64Range(0, 4_000_000_000).Draw(t, "second") * 1e6
		if all := transitions(loc); rapid.Bool().Draw(t, "at a transition") {
			us = rapid.SampledFrom(all).Draw(t, "transition").at*1e6 + rapid.Int64Range(-90_000, 90_000).Draw(t, "around")*1e6
		}
		start := g.Floor(us, loc)
		next := g.Next(start, loc)
		if !(start <= us && us < next) {
			t.Fatalf("%s is not in [%s, %s)", time.UnixMicro(us).In(loc), time.UnixMicro(start).In(loc), time.UnixMicro(next).In(loc))
		}
		for _, inside := range []int64{start, (start + next) / 2, next - 1} {
			if got := g.Floor(inside, loc); got != start {
				t.Fatalf("%s has floor %s, not %s", time.UnixMicro(inside).In(loc), time.UnixMicro(got).In(loc), time.UnixMicro(start).In(loc))
			}
		}
		if got := g.Floor(next, loc); got != next {
			t.Fatalf("bucket after %s: Next says %s, Floor says %s", time.UnixMicro(start).In(loc), time.UnixMicro(next).In(loc), time.UnixMicro(got).In(loc))
		}
	})
}

// Coarser buckets are unions of base buckets: this is what lets Go merge them.
func TestBaseBucketsTileEveryGrain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zoneOf(t, rapid.SampledFrom(awkwardZones).Draw(t, "zone"))
		v := &View{Location: loc, Grains: []Grain{{Name: "1d", Unit: Day, Size: day}, {Name: "1mo", Unit: Month, Size: 30 * day}}}
		base := v.Base()
		if base.Unit != Fixed || day%base.Size != 0 {
			t.Fatalf("base is %+v", base)
		}
		us := rapid.Int64Range(0, 4_000_000_000).Draw(t, "second") * 1e6
		for _, g := range v.Grains {
			if start := g.Floor(us, loc); base.Floor(start, loc) != start {
				t.Fatalf("%s of %s begins at %s, inside a bucket of %s", g.Name, loc, time.UnixMicro(start).UTC(), base.Name)
			}
		}
	})
}

func TestBaseIsTheFinestGrainOrTilesTheDays(t *testing.T) {
	for _, c := range []struct {
		zone, finest, want string
	}{
		{"UTC", "1m", "1m"}, {"UTC", "1d", "24h"}, {"UTC", "1mo", "24h"}, {"Europe/London", "1d", "1h"}, {"Asia/Kolkata", "1d", "30m"},
		{"Asia/Kathmandu", "1d", "15m"}, {"Australia/Lord_Howe", "1w", "30m"}, {"Pacific/Apia", "1d", "1h"},
	} {
		g, err := ParseGrain(c.finest)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&View{Location: zoneOf(t, c.zone), Grains: []Grain{g}}).Base(); got.Name != c.want {
			t.Errorf("base of %s in %s is %s, want %s", c.finest, c.zone, got.Name, c.want)
		}
	}
}

func TestDaysThatTheClocksBendBeginOnce(t *testing.T) {
	for _, c := range []struct{ zone, at, start, next string }{
		// midnight is left out: the day begins with the leap, at 01:00 on the wall
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		// the last instant before it is still the day before
		{"America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"},
		// 30 December 2011 does not exist in Samoa
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		// midnight stands on the wall twice: the first one counts
		{"America/Havana", "2019-11-03T12:00:00Z", "2019-11-03T04:00:00Z", "2019-11-04T05:00:00Z"},
		// at 00:01 the clocks go back to 23:01 of the day before: it stays the new day
		{"America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
		{"Europe/London", "2011-03-27T12:00:00Z", "2011-03-27T00:00:00Z", "2011-03-27T23:00:00Z"},
		{"Europe/London", "2011-10-30T12:00:00Z", "2011-10-29T23:00:00Z", "2011-10-31T00:00:00Z"},
	} {
		loc := zoneOf(t, c.zone)
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		start := Grain{Unit: Day}.Floor(at.UnixMicro(), loc)
		next := Grain{Unit: Day}.Next(start, loc)
		if got := time.UnixMicro(start).UTC().Format(time.RFC3339); got != c.start {
			t.Errorf("%s: the day of %s begins at %s, want %s", c.zone, c.at, got, c.start)
		}
		if got := time.UnixMicro(next).UTC().Format(time.RFC3339); got != c.next {
			t.Errorf("%s: the day of %s ends at %s, want %s", c.zone, c.at, got, c.next)
		}
	}
}

func TestFingerprintsTellZonesApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range awkwardZones {
		f := fingerprint(zoneOf(t, name))
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same rules", name, other)
		}
		seen[f] = name
	}
	if n := len(transitions(zoneOf(t, "Europe/London"))); n < 250 {
		t.Errorf("London has %d changes of offset in 130 years: the rule of the years to come is not followed", n)
	}
}

func TestGrainsAreReadAsTheyAreNamed(t *testing.T) {
	for text, want := range map[string]Grain{
		"30s": {"30s", Fixed, 30 * time.Second}, "15m": {"15m", Fixed, 15 * time.Minute}, "1h": {"1h", Fixed, time.Hour},
		"1d": {"1d", Day, day}, "1w": {"1w", Week, 7 * day}, "1mo": {"1mo", Month, 30 * day}, "1y": {"1y", Year, 365 * day},
	} {
		if got, err := ParseGrain(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "m", "0m", "01m", "-1m", "1.5h", "2d", "24h", "7m", "1M", "1ms", "99999999999h"} {
		if g, err := ParseGrain(text); err == nil {
			t.Errorf("%q is read as %+v", text, g)
		}
	}
}

func TestDurationsAreReadWithDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "366d": 366 * day, "1d12h": 36 * time.Hour, "106751d": 106751 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1", "-1m", "d", "1.5d", "1d2d", "106752d", "106751d24h", "1 d", "999999999999999999999d"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(200*day)).Draw(t, "d"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v is written %s and read %v, %v", d, FormatDuration(d), got, err)
		}
	})
}

package view

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
	_ "time/tzdata" // a definition must mean the same on a machine without zone files
)

// The years whose zone rules decide what a view's cells hold, and are therefore part of its hash.
const firstYear, lastYear = 1970, 2100

// loadZone returns a zone by its IANA name. Names that mean another zone on another machine are refused.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if name == "Local" {
		return nil, fmt.Errorf("time zone \"Local\" differs from machine to machine: write an IANA name such as Europe/London")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q: write an IANA name such as Europe/London, or UTC", name)
	}
	return loc, nil
}

// midnight returns the instant, µs UTC, at which the date begins in the zone: the first one that shows 00:00, or, where the clocks
// leave midnight out, the instant of the leap.
func midnight(y int, m time.Month, d int, loc *time.Location) int64 {
	naive := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	if loc == time.UTC {
		return naive.UnixMicro()
	}
	// The offsets in force around the date: no zone has ever changed its clocks twice within these two and a half days.
	before := naive.Add(-30 * time.Hour).In(loc)
	_, early := before.Zone()
	_, late := naive.Add(30 * time.Hour).In(loc).Zone()
	if early == late {
		return naive.Unix()*1e6 - int64(early)*1e6
	}
	for _, offset := range []int{max(early, late), min(early, late)} {
		u := time.Unix(naive.Unix()-int64(offset), 0).In(loc)
		if _, o := u.Zone(); o == offset {
			return u.UnixMicro()
		}
	}
	// Midnight is left out: the leap is the one change of offset within the days around.
	low, high := before.Unix(), naive.Unix()+30*3600
	for high-low > 1 {
		middle := (low + high) / 2
		if _, o := time.Unix(middle, 0).In(loc).Zone(); o == early {
			low = middle
		} else {
			high = middle
		}
	}
	return high * 1e6
}

// date returns the local date whose half-open day [midnight, next midnight) holds the instant, and that midnight. It is the date on
// the wall, but for the minutes after a midnight that the clocks show a second time.
func date(us int64, loc *time.Location) (int, time.Month, int, int64) {
	y, m, d := time.UnixMicro(us).In(loc).Date()
	start := midnight(y, m, d, loc)
	if loc == time.UTC {
		return y, m, d, start
	}
	if next := midnight(y, m, d+1, loc); us >= next {
		return dateAfter(y, m, d, next)
	}
	return y, m, d, start
}

func dateAfter(y int, m time.Month, d int, start int64) (int, time.Month, int, int64) {
	y, m, d = time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).Date()
	return y, m, d, start
}

// transition is an instant at which a zone's offset from UTC changes.
type transition struct {
	at     int64 // seconds since the epoch
	offset int   // seconds east of UTC from then on
}

// transitions lists the zone's offsets over the years of the hash: the one in force at their beginning, and every change.
func transitions(loc *time.Location) []transition {
	t := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(lastYear, 1, 1, 0, 0, 0, 0, time.UTC)
	var out []transition
	for t.Before(end) {
		_, offset := t.In(loc).Zone()
		if n := len(out); n == 0 || out[n-1].offset != offset {
			out = append(out, transition{at: t.Unix(), offset: offset})
		}
		_, next := t.In(loc).ZoneBounds()
		if next.IsZero() {
			break
		}
		if !next.After(t) { // ZoneBounds can end where it was asked, at the end of a year of a zone that goes by a rule
			next = t.Add(time.Hour)
		}
		t = next
	}
	return out
}

// fingerprint names the zone's rules: another release of the time zone database that moves a boundary is another definition.
func fingerprint(loc *time.Location) string {
	h := sha256.New()
	for _, t := range transitions(loc) {
		h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(t.at)), uint64(t.offset)))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// tile returns the largest size that divides a day and of which every midnight of the zone, in the years of the hash, is a
// multiple: buckets of it, or of a divisor of it, never straddle two local days.
func tile(loc *time.Location) time.Duration {
	size := int64(day / time.Second)
	for _, t := range transitions(loc) {
		y, m, d := time.Unix(t.at, 0).In(loc).Date()
		for _, around := range []int{-1, 0, 1, 2} {
			size = gcd(size, FloorTo(midnight(y, m, d+around, loc), 1e6)/1e6)
		}
	}
	return time.Duration(size) * time.Second
}

// offending returns a midnight, as a date and its time in UTC, that is no multiple of size: one that a reader can look up in a
// calendar, where there is one.
func offending(loc *time.Location, size time.Duration) (string, string) {
	around := []time.Time{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	for _, t := range transitions(loc) {
		for _, days := range []int{-1, 0, 1, 2} {
			around = append(around, time.Unix(t.at, 0).In(loc).AddDate(0, 0, days))
		}
	}
	for _, t := range around {
		y, m, d := t.Date()
		if us := midnight(y, m, d, loc); us%size.Microseconds() != 0 {
			return t.Format(time.DateOnly), time.UnixMicro(us).UTC().Format("15:04:05")
		}
	}
	return "", ""
}

// gcd is the greatest common divisor of a > 0 and b.
func gcd(a, b int64) int64 {
	if b < 0 {
		b = -b
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

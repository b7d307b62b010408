package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is a length of time by which two answers may lie apart: seconds, minutes and hours are of a fixed length, and days, weeks, months and
// years follow the calendar of a view's time zone.
type Period struct {
	Name   string        // as written: 36h, 1d, 4w, 3mo, 1y
	Unit   Unit          // Fixed, Day or Month; weeks are days, and years months
	Length time.Duration // of a Fixed one
	Count  int           // of Days or Months
}

// maxPeriod bounds periods: nobody compares with what was two hundred years ago.
const maxPeriod = 200 * 366 * day

// ParsePeriod reads a period. The error says how to write one.
func ParsePeriod(s string) (Period, error) {
	fail := func(mend string) (Period, error) { return Period{}, fmt.Errorf("%q is no period: %s", s, mend) }
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || digits[0] == '0' || digits[0] == '+' {
		return fail("write e.g. 1h, 1d, 1w, 1mo or 1y")
	}
	p := Period{Name: s, Count: n, Unit: Day}
	length := day
	switch s[len(digits):] {
	case "s", "m", "h":
		length = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[s[len(digits):]]
		p.Unit, p.Count = Fixed, 0
	case "d":
	case "w":
		length, p.Count = 7*day, 7*n
	case "mo":
		length, p.Unit = 31*day, Month
	case "y":
		length, p.Unit, p.Count = 366*day, Month, 12*n
	case "min":
		return fail("write " + digits + "m; months are mo")
	default:
		return fail("the units are s, m, h, d, w, mo and y")
	}
	if time.Duration(n) > maxPeriod/length {
		return fail("it is longer than 200 years")
	}
	if p.Unit == Fixed {
		p.Length = time.Duration(n) * length
	}
	return p, nil
}

// Keeps says whether buckets of a grain lie on buckets of the grain after they have been moved by the period.
func (p Period) Keeps(g Grain) bool {
	switch g.Unit {
	case Fixed:
		return p.Unit != Fixed || p.Length%g.Size == 0
	case Day:
		return p.Unit != Fixed
	case Week:
		return p.Unit == Day && p.Count%7 == 0
	case Month:
		return p.Unit == Month
	}
	return p.Unit == Month && p.Count%12 == 0
}

// Move returns the start of the bucket of grain g that lies so many periods after the one that starts at start; times is negative for those
// before. Each bucket is met by one at most: there is none for a day that its month does not have, such as 30 February, for an hour that
// the clocks leave out, and for one of the two that they show twice. Keeps has to be true of the grain.
func (p Period) Move(start int64, times int, g Grain, loc *time.Location) (int64, bool) {
	if p.Unit == Fixed {
		return start + int64(times)*p.Length.Microseconds(), true
	}
	y, m, d, first := date(start, loc)
	ty, tm, td := p.dayAway(y, m, d, times)
	if back := time.Date(ty, tm, td, 0, 0, 0, 0, time.UTC); back.Day() != td || back.Month() != tm {
		return 0, false
	}
	if g.Unit != Fixed {
		moved := midnight(ty, tm, td, loc)
		_, _, on, _ := date(moved, loc) // another day where the zone left out all of this one
		return moved, start == first && on == td
	}
	local := time.UnixMicro(start).In(loc)
	if !clockAt(local, y, m, d).Equal(local) {
		return 0, false // the second of two hours of one name
	}
	moved := clockAt(local, ty, tm, td)
	return moved.UnixMicro(), moved.Day() == td && moved.Hour() == local.Hour() && moved.Minute() == local.Minute()
}

// MoveEnd is an end of a range so many periods later; where the day is none of its month, the last day of that is.
func (p Period) MoveEnd(us int64, times int, loc *time.Location) int64 {
	if p.Unit == Fixed {
		return us + int64(times)*p.Length.Microseconds()
	}
	y, m, d, first := date(us, loc)
	ty, tm, td := p.dayAway(y, m, d, times)
	if last := time.Date(ty, tm+1, 0, 0, 0, 0, 0, time.UTC).Day(); p.Unit == Month {
		td = min(td, last)
	}
	if us == first {
		return midnight(ty, tm, td, loc)
	}
	return clockAt(time.UnixMicro(us).In(loc), ty, tm, td).UnixMicro()
}

// dayAway is a date so many periods later, its month in 1 to 12; of a calendar period. The day may be none of the month.
func (p Period) dayAway(y int, m time.Month, d, times int) (int, time.Month, int) {
	if p.Unit == Day {
		at := time.Date(y, m, d+times*p.Count, 0, 0, 0, 0, time.UTC)
		return at.Date()
	}
	at := time.Date(y, m+time.Month(times*p.Count), 1, 0, 0, 0, 0, time.UTC)
	return at.Year(), at.Month(), d
}

// clockAt is what the clocks show at t, on another day.
func clockAt(t time.Time, y int, m time.Month, d int) time.Time {
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

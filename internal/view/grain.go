package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unit is what a grain counts in.
type Unit uint8

// Fixed grains are multiples of a second and aligned to the epoch in UTC; calendar grains follow the view's time zone.
const (
	Fixed Unit = iota
	Day
	Week // starts on Monday
	Month
	Year
)

// Grain is a tumbling bucket size.
type Grain struct {
	Name string        // as written: 1m, 15m, 1h, 1d, 1w, 1mo, 1y
	Unit Unit          //
	Size time.Duration // of Fixed grains; the nominal length of calendar ones
}

// ParseGrain reads a grain: a whole number of seconds, minutes or hours ("30s", "15m", "1h"), or one day, week, month or year
// ("1d", "1w", "1mo", "1y"). Fixed grains divide a day, so that a bucket lies in one date.
func ParseGrain(s string) (Grain, error) {
	switch s {
	case "1d":
		return Grain{Name: s, Unit: Day, Size: day}, nil
	case "1w":
		return Grain{Name: s, Unit: Week, Size: 7 * day}, nil
	case "1mo":
		return Grain{Name: s, Unit: Month, Size: 30 * day}, nil
	case "1y":
		return Grain{Name: s, Unit: Year, Size: 365 * day}, nil
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseUint(digits, 10, 32)
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[s[len(digits):]]
	if err != nil || n == 0 || digits[0] == '0' {
		return Grain{}, fmt.Errorf("%q is no grain: write e.g. 30s, 5m, 1h, 1d, 1w, 1mo or 1y", s)
	}
	if unit == 0 {
		mend := "write e.g. 30s, 5m, 1h, 1d, 1w, 1mo or 1y"
		switch s[len(digits):] {
		case "d", "w", "mo", "y":
			mend = "longer than a day there are 1d, 1w, 1mo and 1y"
		case "min", "minute", "minutes":
			mend = "write " + digits + "m"
		}
		return Grain{}, fmt.Errorf("%q is no grain: %s", s, mend)
	}
	size := time.Duration(n) * unit
	if size >= day {
		return Grain{}, fmt.Errorf("%q is no grain: write 1d; fixed grains are shorter than a day", s)
	}
	if day%size != 0 {
		return Grain{}, fmt.Errorf("grain %q does not divide a day: the next that do are %s and %s", s, divisor(size, -1, unit), divisor(size, 1, unit))
	}
	return Grain{Name: s, Unit: Fixed, Size: size}, nil
}

// divisor is the nearest size that divides a day, in whole units, going up or down from size.
func divisor(size time.Duration, step int, unit time.Duration) string {
	size -= size % unit
	for day%size != 0 {
		size += time.Duration(step) * unit
	}
	if size >= day {
		return "1d"
	}
	return FormatDuration(size)
}

// Floor returns the start, in microseconds UTC, of the bucket that holds the instant us. loc is the view's zone.
func (g Grain) Floor(us int64, loc *time.Location) int64 {
	if g.Unit == Fixed {
		return FloorTo(us, g.Size.Microseconds())
	}
	if loc == time.UTC && g.Unit == Day {
		return FloorTo(us, day.Microseconds())
	}
	y, m, d, start := date(us, loc)
	switch g.Unit {
	case Day:
		return start
	case Week:
		wd := int(time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()+6) % 7
		d -= wd
	case Month:
		d = 1
	case Year:
		m, d = time.January, 1
	}
	return midnight(y, m, d, loc)
}

// Next returns the start of the bucket after the one that starts at start.
func (g Grain) Next(start int64, loc *time.Location) int64 {
	if g.Unit == Fixed {
		return start + g.Size.Microseconds()
	}
	y, m, d, _ := date(start, loc)
	switch g.Unit {
	case Day:
		d++
	case Week:
		d += 7
	case Month:
		m++
	case Year:
		y++
	}
	return midnight(y, m, d, loc)
}

// Chunk returns the number of the chunk that holds the bucket starting at start: a run of buckets that is one key in Redis,
// so that a day is tens of keys and not thousands. Chunks of one grain grow with time.
func (g Grain) Chunk(start int64) int64 {
	const day = 24 * time.Hour
	span := 10 * 366 * day
	switch {
	case g.Unit == Fixed && g.Size < time.Minute:
		span = 10 * time.Minute
	case g.Unit == Fixed && g.Size < time.Hour:
		span = time.Hour
	case g.Unit == Fixed:
		span = day
	case g.Unit == Day:
		span = 16 * day
	case g.Unit == Week:
		span = 112 * day
	case g.Unit == Month:
		span = 366 * day
	}
	us := span.Microseconds()
	return FloorTo(start, us) / us
}

// FloorTo rounds down to a multiple of step, also below zero.
func FloorTo(x, step int64) int64 {
	r := x % step
	if r < 0 {
		r += step
	}
	return x - r
}

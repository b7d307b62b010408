package view

import "time"

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

// Floor returns the start, in microseconds UTC, of the bucket that holds the instant us. loc is the view's zone.
func (g Grain) Floor(us int64, loc *time.Location) int64 {
	if g.Unit == Fixed {
		return FloorTo(us, g.Size.Microseconds())
	}
	y, m, d := time.UnixMicro(us).In(loc).Date()
	switch g.Unit {
	case Week:
		wd := int(time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()+6) % 7
		d -= wd
	case Month:
		d = 1
	case Year:
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, loc).UnixMicro()
}

// Next returns the start of the bucket after the one that starts at start.
func (g Grain) Next(start int64, loc *time.Location) int64 {
	if g.Unit == Fixed {
		return start + g.Size.Microseconds()
	}
	y, m, d := time.UnixMicro(start).In(loc).Date()
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
	return time.Date(y, m, d, 0, 0, 0, 0, loc).UnixMicro()
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

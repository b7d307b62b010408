package intake

// Instants lie in the years 1 to 9999, so that they can be written as RFC 3339 and no sum of one with a horizon or a lateness overflows.
const (
	minInstant = -62135596800000000 // 0001-01-01T00:00:00Z in µs
	maxInstant = 253402300800000000 // 10000-01-01T00:00:00Z in µs; exclusive
	dayMicros  = 86400 * 1000000
)

// parseInstant reads RFC 3339 as µs UTC; what is finer than a microsecond is cut off. Beyond the standard, a space may stand for the T,
// and a time without an offset is in UTC.
func parseInstant(b []byte) (us int64, ok bool) {
	if len(b) < 19 || b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return 0, false
	}
	day, ok1 := parseDate(b[:10])
	clock, ok2 := parseClock(b[11:19])
	if !ok1 || !ok2 {
		return 0, false
	}
	fraction, b, ok := parseFraction(b[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(b)
	us = day*dayMicros + clock*1000000 + fraction - offset
	return us, ok && minInstant <= us && us < maxInstant
}

// parseDate reads YYYY-MM-DD of the years 1 to 9999 as days since the epoch.
func parseDate(b []byte) (day int64, ok bool) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	y, ok1 := two(b, 0)
	z, ok2 := two(b, 2)
	m, ok3 := two(b, 5)
	d, ok4 := two(b, 8)
	y = y*100 + z
	if !ok1 || !ok2 || !ok3 || !ok4 || y < 1 || !validDate(y, m, d) {
		return 0, false
	}
	return days(y, m, d), true
}

// parseClock reads HH:MM:SS as seconds of the day.
func parseClock(b []byte) (seconds int64, ok bool) {
	h, ok1 := two(b, 0)
	m, ok2 := two(b, 3)
	s, ok3 := two(b, 6)
	return int64(h*3600 + m*60 + s), ok1 && ok2 && ok3 && b[2] == ':' && b[5] == ':' && h < 24 && m < 60 && s < 60
}

// parseFraction reads what may follow the seconds, a point and digits, as microseconds, and returns the rest.
func parseFraction(b []byte) (us int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	i, unit := 1, int64(100000)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		us += int64(b[i]-'0') * unit
		unit /= 10
	}
	return us, b[i:], i > 1
}

// parseOffset reads Z, ±HH:MM or nothing as microseconds east of UTC.
func parseOffset(b []byte) (us int64, ok bool) {
	if len(b) == 0 || len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) != 6 || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok1 := two(b, 1)
	m, ok2 := two(b, 4)
	us = int64(h*60+m) * 60 * 1000000
	if b[0] == '-' {
		us = -us
	}
	return us, ok1 && ok2 && h < 24 && m < 60
}

// two reads the two digits at i.
func two(b []byte, i int) (v int, ok bool) {
	x, y := b[i]-'0', b[i+1]-'0'
	return int(x)*10 + int(y), x <= 9 && y <= 9
}

func validDate(y, m, d int) bool {
	if m < 1 || m > 12 || d < 1 {
		return false
	}
	n := 31
	switch m {
	case 4, 6, 9, 11:
		n = 30
	case 2:
		n = 28
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			n = 29
		}
	}
	return d <= n
}

// days returns the days since the epoch of a date of the proleptic Gregorian calendar, y ≥ 0: "days_from_civil" of Howard Hinnant's
// chrono-Compatible Low-Level Date Algorithms.
func days(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	y += 400 // so that year 0 divides like the others
	return int64(365*y+y/4-y/100+y/400+(153*(m-3)+2)/5+d-1) - 719468 - 146097
}

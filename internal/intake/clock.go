package intake

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/caudal/caudal/internal/view"
)

// format is how the event times of a source are written.
type format struct {
	kind   formatKind
	scale  int    // of unix times: a microsecond is the unit's 10^-scale
	layout string // of layouts
	loc    *time.Location
	fixed  fixedLayout
}

type formatKind uint8

const (
	layout formatKind = iota
	rfc3339
	unix
)

func newFormat(e view.EventTime) (format, error) {
	switch e.Format {
	case "rfc3339":
		return format{kind: rfc3339}, nil
	case "unix_s":
		return format{kind: unix, scale: 6}, nil
	case "unix_ms":
		return format{kind: unix, scale: 3}, nil
	case "unix_us":
		return format{kind: unix, scale: 0}, nil
	case "":
		return format{}, fmt.Errorf("event time %s: no format", e.Field)
	}
	zone := e.Timezone
	if zone == "" {
		zone = "UTC"
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return format{}, fmt.Errorf("event time %s: load time zone %s: %w", e.Field, zone, err)
	}
	return format{kind: layout, layout: e.Format, loc: loc, fixed: newFixedLayout(e.Format)}, nil
}

// String says, for people, what is wanted.
func (f *format) String() string {
	switch {
	case f.kind == rfc3339:
		return "rfc3339"
	case f.kind == unix && f.scale == 6:
		return "unix_s"
	case f.kind == unix && f.scale == 3:
		return "unix_ms"
	case f.kind == unix:
		return "unix_us"
	}
	return fmt.Sprintf("%q in %s", f.layout, f.loc)
}

// clock reads the event times of one partition. It remembers the zone's offset per day, because asking a Location costs more than all
// other steps together.
type clock struct {
	format *format
	known  [64]zoneDay // by day
}

// zoneDay is the offset of a day on which, and around which, the zone's clocks are not changed.
type zoneDay struct {
	day    int64
	offset int64 // µs east of UTC
	state  uint8 // 0: empty, 1: steady, 2: not steady
}

// text reads a JSON string as an event time, µs UTC.
func (c *clock) text(b []byte) (us int64, ok bool) {
	switch c.format.kind {
	case rfc3339:
		return parseInstant(b)
	case unix:
		return c.number(b)
	}
	if day, local, ok := c.format.fixed.parse(b); ok {
		if offset, ok := c.offset(day); ok {
			us = local - offset
			return us, minInstant <= us && us < maxInstant
		}
	}
	t, err := time.ParseInLocation(c.format.layout, unsafe.String(unsafe.SliceData(b), len(b)), c.format.loc)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return 0, false
	}
	us = t.UnixMicro()
	return us, minInstant <= us && us < maxInstant
}

// number reads a JSON number as an event time, µs UTC. Digits beyond the microsecond are refused, as everywhere where a number would be cut.
func (c *clock) number(b []byte) (us int64, ok bool) {
	if c.format.kind != unix {
		return 0, false
	}
	us, f := parseWord(b, c.format.scale, 18)
	return us, f == fine && minInstant <= us && us < maxInstant
}

// offset returns the zone's offset on a local date, and whether that is all there is to say: near a change of the clocks, a local time may
// exist twice or not at all, and time.Date decides.
func (c *clock) offset(day int64) (us int64, steady bool) {
	z := &c.known[day&63]
	if z.state == 0 || z.day != day {
		*z = zoneDay{day: day, state: 2}
		const margin = 72 * time.Hour // a local day, offsets of up to 15 hours, and clocks that were changed by a whole day
		noon := time.Unix(day*86400+43200, 0).In(c.format.loc)
		from, to := noon.ZoneBounds()
		if (from.IsZero() || noon.Sub(from) > margin) && (to.IsZero() || to.Sub(noon) > margin) {
			_, seconds := noon.Zone()
			z.offset, z.state = int64(seconds)*1000000, 1
		}
	}
	return z.offset, z.state == 1
}

// fixedLayout is a Go layout made of two- and four-digit fields at fixed places, such as "2006-01-02 15:04:05"; the zero value is none.
type fixedLayout struct {
	text                                   string // with # where digits stand
	year, month, day, hour, minute, second int    // places; hour, minute and second may be absent: -1
}

func newFixedLayout(s string) fixedLayout {
	at := func(field string) int {
		i := strings.Index(s, field)
		if i >= 0 {
			s = s[:i] + strings.Repeat("#", len(field)) + s[i+len(field):]
		}
		return i
	}
	if strings.Contains(s, "#") {
		return fixedLayout{}
	}
	l := fixedLayout{year: at("2006"), month: at("01"), day: at("02"), hour: at("15"), minute: at("04"), second: at("05")}
	l.text = s
	if l.year < 0 || l.month < 0 || l.day < 0 || strings.Trim(s, "#-/:T ") != "" {
		return fixedLayout{}
	}
	return l
}

// parse reads text of exactly the layout: the date as days since the epoch, and the local time as µs. Whatever it does not take may
// still be right; time.Parse then decides.
func (l *fixedLayout) parse(b []byte) (day, us int64, ok bool) {
	if l.text == "" || len(b) != len(l.text) {
		return 0, 0, false
	}
	for i, c := range b {
		if want := l.text[i]; c != want && (want != '#' || c-'0' > 9) {
			return 0, 0, false
		}
	}
	at := func(i int) int {
		if i < 0 {
			return 0
		}
		return int(b[i]-'0')*10 + int(b[i+1]-'0')
	}
	y, m, d := at(l.year)*100+at(l.year+2), at(l.month), at(l.day)
	h, mi, s := at(l.hour), at(l.minute), at(l.second)
	if y < 1 || !validDate(y, m, d) || h > 23 || mi > 59 || s > 59 {
		return 0, 0, false
	}
	day = days(y, m, d)
	return day, day*dayMicros + int64(h*3600+mi*60+s)*1000000, true
}

package view

import (
	"slices"
	"strconv"
	"time"
)

// Window is a way of looking at a view's events that is no tumbling grain: hops, which overlap, or sessions, which begin and end with the events. Its
// rows are composed of panes when they are asked for (docs/windows.md): no cell knows of it.
type Window struct {
	Name        string
	Description string
	Hop         *Hop     // one of the two is not nil
	Session     *Session //
	Pane        Grain    // a grain of the view: what rows are composed of
}

// Hop is a window of Size that begins Every so often: an event is in about Size/Every of them. With Days both are multiples of 24 hours that stand for
// days of the view's time zone, be they of 23, 24 or 25 hours, and a hop begins at a midnight, counted from a Monday; else both are lengths of time, and
// hops begin at their multiples in UTC.
type Hop struct {
	Size, Every time.Duration
	Days        bool
}

// Session is a run of events of equal values of the dimensions By, none of which comes more than Gap after the one before, and which does not last longer
// than Max. docs/windows.md says exactly where a longer run is cut.
type Session struct {
	Gap, Max time.Duration
	By       []int // indexes of View.Dimensions, ascending
}

// Kind names what a window is, as definitions do.
func (w *Window) Kind() string {
	if w.Session != nil {
		return "session"
	}
	return "hopping"
}

// Window returns the view's window of that name; nil if it has none.
func (v *View) Window(name string) *Window {
	i := slices.IndexFunc(v.Windows, func(w Window) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &v.Windows[i]
}

// monday is the day, counted from 1970-01-01, that hops of days are counted from.
const monday = 4

// Floor returns the start, in µs UTC, of the latest hop that begins at the instant us or before. loc is the view's zone.
func (h *Hop) Floor(us int64, loc *time.Location) int64 {
	if !h.Days {
		return FloorTo(us, h.Every.Microseconds())
	}
	y, m, d, _ := date(us, loc)
	since := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86_400 - monday
	every := int64(h.Every / day)
	return midnight(y, m, d-int(since-FloorTo(since, every)), loc)
}

// Next returns the start of the hop after the one that starts at start.
func (h *Hop) Next(start int64, loc *time.Location) int64 { return h.after(start, h.Every, loc) }

// End returns the end, exclusive, of the hop that starts at start.
func (h *Hop) End(start int64, loc *time.Location) int64 { return h.after(start, h.Size, loc) }

func (h *Hop) after(start int64, length time.Duration, loc *time.Location) int64 {
	if !h.Days {
		return start + length.Microseconds()
	}
	y, m, d, _ := date(start, loc)
	return midnight(y, m, d+int(length/day), loc)
}

// First returns the start of the earliest hop that holds the instant us.
func (h *Hop) First(us int64, loc *time.Location) int64 {
	start := us - h.Size.Microseconds()
	if h.Days {
		y, m, d, _ := date(us, loc)
		start = midnight(y, m, d-int(h.Size/day), loc)
	}
	for start = h.Floor(start, loc); h.End(start, loc) <= us; {
		start = h.Next(start, loc)
	}
	return start
}

// Overlap is how many hops hold an event at most.
func (h *Hop) Overlap() int64 { return int64((h.Size + h.Every - 1) / h.Every) }

// Text writes Size and Every as a definition would: days as days, and lengths of time in hours at most.
func (h *Hop) Text() (size, every string) {
	text := func(d time.Duration) string {
		if s := FormatDuration(d); h.Days || s[len(s)-1] != 'd' {
			return s
		}
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	}
	return text(h.Size), text(h.Every)
}

package serving

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// resolveWindow reads a window in place of a grain: its rows are those that begin in [from, to), which may be any times.
func (r *question) resolveWindow(q Query) error {
	v := r.view
	if r.window = v.Window(q.Window); r.window == nil {
		return unknown("window", "window", q.Window, windowNames(v))
	}
	if q.Grain != "" {
		return invalid("window", "leave one of the two out", "grain and window are both given")
	}
	if s := r.window.Session; s != nil {
		asked := slices.Sorted(slices.Values(r.dims))
		if len(r.dims) > 0 && !slices.Equal(asked, s.By) {
			return invalid("dimensions", "leave dimensions out, or name "+byNames(v, s), "a row of window %q is a session of one value of %s", r.window.Name, byNames(v, s))
		}
		if len(r.dims) == 0 {
			r.dims = s.By
		}
	}
	for _, end := range []struct {
		field, text string
		open        int64
		into        *int64
	}{{"from", q.From, beginning, &r.from}, {"to", q.To, forever, &r.to}} {
		*end.into = end.open
		if end.text == "" {
			continue
		}
		var err error
		if *end.into, err = readInstant(end.field, end.text, v); err != nil {
			return err
		}
	}
	r.grain = &r.window.Pane
	return nil
}

// byNames are the dimensions that a session is of, in words.
func byNames(v *view.View, s *view.Session) string {
	if len(s.By) == 0 {
		return "no dimension"
	}
	names := make([]string, len(s.By))
	for i, d := range s.By {
		names[i] = v.Dimensions[d].Name
	}
	return strings.Join(names, ", ")
}

func windowNames(v *view.View) []string {
	names := make([]string, len(v.Windows))
	for i := range names {
		names[i] = v.Windows[i].Name
	}
	return names
}

// panes is the question for the cells that the rows of a window are composed of: those of the rows that begin in the range, and for sessions those of
// lookback before it, which say what went on already when the range begins.
func (q *question) panes(lookback time.Duration) *question {
	p := *q
	pane, loc := q.window.Pane, q.view.Location
	p.window, p.paned = nil, q.window
	if h := q.window.Hop; h != nil {
		if q.from != beginning {
			p.from = ceilHop(h, q.from, loc)
		}
		if q.to != forever {
			p.to = max(p.from, h.End(h.Floor(q.to-1, loc), loc))
		}
	} else {
		if q.from != beginning {
			p.from = pane.Floor(q.from-lookback.Microseconds(), loc)
		}
		if q.to != forever {
			p.to = ceil(pane, q.to+q.window.Session.Max.Microseconds(), loc)
		}
	}
	p.spans = []span{{pane, p.from, p.to}}
	return &p
}

// ceilHop is the start of the first hop that begins at us or later.
func ceilHop(h *view.Hop, us int64, loc *time.Location) int64 {
	if start := h.Floor(us, loc); start != us {
		return h.Next(start, loc)
	}
	return us
}

// firstFrom is the start of the first row of a range that begins at us: of its bucket, or of the first hop that begins there or later.
func (q *question) firstFrom(us int64) int64 {
	if q.window != nil {
		return ceilHop(q.window.Hop, us, q.view.Location)
	}
	return q.grain.Floor(us, q.view.Location)
}

// following is the start of the bucket or hop after the one that starts at start.
func (q *question) following(start int64) int64 {
	if q.window != nil {
		return q.window.Hop.Next(start, q.view.Location)
	}
	return q.grain.Next(start, q.view.Location)
}

// endOf is the end of the hop that starts at start; of what is no hop 0.
func (q *question) endOf(start int64) int64 {
	if q.window == nil {
		return 0
	}
	return q.window.Hop.End(start, q.view.Location)
}

// paces are the steps between the starts of rows, as a grain: of hops those of every.
func (q *question) paces() view.Grain {
	switch {
	case q.window == nil:
		return *q.grain
	case q.window.Hop.Days:
		return view.Grain{Unit: view.Day, Size: 24 * time.Hour}
	}
	return view.Grain{Unit: view.Fixed, Size: q.window.Hop.Every}
}

// hopsKeep says whether hops that are moved by a period begin where hops do. Hops of a length of time are moved by such a length, and those of days by days.
func hopsKeep(h *view.Hop, p view.Period) bool {
	if h.Days {
		return p.Unit == view.Day && time.Duration(p.Count)*24*time.Hour%h.Every == 0
	}
	return p.Unit == view.Fixed && p.Length%h.Every == 0
}

// narrow is the plan as far as the question needs it.
func (q *question) narrow(plan *algebra.Plan) *algebra.Plan {
	if q.paned != nil && q.paned.Session != nil {
		return plan.OnlyTimes(q.stored)
	}
	return plan.Only(q.stored)
}

// reach is the range of event time that the answer is made of: that of the panes, where it is composed of them.
func (q *question) reach() (from, to int64) {
	if q.window == nil || len(q.spans) == 0 {
		return q.from, q.to
	}
	return q.spans[0].from, q.spans[len(q.spans)-1].to
}

// extentOf is the range of event time whose events may belong to a row, or change where it begins and ends: half-open, µs UTC.
func (q *question) extentOf(r *row) (from, to int64) {
	switch {
	case q.window != nil && q.window.Session != nil:
		gap := q.window.Session.Gap.Microseconds()
		return r.time - gap, r.end + gap + 1
	case q.window != nil:
		return r.time, r.end
	case q.grain != nil:
		return r.time, q.grain.Next(r.time, q.view.Location)
	}
	return q.from, q.to
}

// lookbacks are how far before the range the rows of a window are looked for: not at all for hops; for sessions enough for one that does not go on and on,
// and, where some key has had no pause for so long, a multiple of it.
func lookbacks(w *view.Window) []time.Duration {
	if w.Hop != nil {
		return []time.Duration{0}
	}
	near := w.Session.Max + w.Session.Gap
	return []time.Duration{near, farLookback * near}
}

// settle answers a question about a window from its panes, looking further back while it is not known of every row where it begins.
func (q *question) settle(look func(panes *question) (*merged, error)) (m *merged, err error) {
	for _, lookback := range lookbacks(q.window) {
		panes := q.panes(lookback)
		q.spans = panes.spans
		if m, err = look(panes); err != nil || !m.cells.unsettled {
			return m, err
		}
	}
	return m, nil
}

// farLookback is how many times as far the second look goes, which is the last.
const farLookback = 16

// windowTooLarge is what a composed answer costs that does not fit.
func windowTooLarge(w *view.Window, rows int) error {
	return tooLarge(fmt.Sprintf("the rows of window %s are more than %d, which do not fit into the memory of one query", w.Name, rows),
		"ask for fewer dimensions, a shorter range, or filter by a dimension")
}

// windowTimes are the columns that say when a row begins and ends.
func windowTimes(w *view.Window) []Column {
	at := view.Type{Kind: view.Timestamp}
	if w.Session != nil {
		return []Column{column("time", "time", at, "", "first event of the session"), column("end", "end", at, "", "last event of the session")}
	}
	return []Column{column("time", "time", at, "", "start of the hop"), column("end", "end", at, "", "end of the hop, exclusive")}
}

func windowInfos(v *view.View) []WindowInfo {
	list := []WindowInfo{}
	for i := range v.Windows {
		w := &v.Windows[i]
		info := WindowInfo{Name: w.Name, Kind: w.Kind(), Description: w.Description, Pane: w.Pane.Name}
		if h := w.Hop; h != nil {
			info.Size, info.Every = h.Text()
		}
		if s := w.Session; s != nil {
			info.Gap, info.Max = view.FormatDuration(s.Gap), view.FormatDuration(s.Max)
			for _, d := range s.By {
				info.By = append(info.By, v.Dimensions[d].Name)
			}
		}
		list = append(list, info)
	}
	return list
}

package seamtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// Windows as docs/windows.md defines them, written down again without any code of the layers: every event is put into each hop that holds it, and sessions
// are told from the events in the order of their times.

// eventsOf lists the events below the offsets that are kept, by country or not.
func eventsOf(logs map[logOf]*naive, below map[logOf]int64, keep func(verdict) bool, byCountry bool) map[string][]standing {
	events := map[string][]standing{}
	for p, log := range logs {
		for offset, v := range log.verdicts[:min(int64(len(log.verdicts)), below[p])] {
			if v.dead || v.duplicate || v.erased || v.gone || !keep(v) {
				continue
			}
			country := ""
			if byCountry {
				country = v.country
			}
			events[country] = append(events[country], standing{v, p, offset})
		}
	}
	for _, list := range events {
		slices.SortFunc(list, func(a, b standing) int { return a.at.Compare(b.at) })
	}
	return events
}

// foldWindow is the rows of a window.
func foldWindow(w *view.Window, events map[string][]standing) map[cellKey]*cell {
	cells := map[cellKey]*cell{}
	put := func(country string, start, end time.Time, list ...standing) {
		k := cellKey{start.UnixMicro(), country}
		if cells[k] == nil {
			cells[k] = &cell{users: map[string]int64{}, end: end.UnixMicro()}
		}
		for _, e := range list {
			cells[k].count(e)
		}
	}
	for country, list := range events {
		if h := w.Hop; h != nil {
			for _, e := range list {
				for start := e.at.Truncate(h.Every); start.After(e.at.Add(-h.Size)); start = start.Add(-h.Every) {
					put(country, start, start.Add(h.Size), e)
				}
			}
			continue
		}
		for low, high := 0, 0; low < len(list); low = high {
			high = sessionEnd(w, list, low)
			put(country, list[low].at, list[high-1].at, list[low:high]...)
		}
	}
	for _, c := range cells {
		c.settle()
	}
	return cells
}

// sessionEnd is the place after the last event of the session that begins at low.
func sessionEnd(w *view.Window, list []standing, low int) int {
	pane := func(i int) time.Time { return list[i].at.Truncate(w.Pane.Size) }
	for high := low; ; {
		next := high // after the events of the pane
		for next < len(list) && pane(next).Equal(pane(high)) {
			next++
		}
		if high > low && (list[high].at.Sub(list[high-1].at) > w.Session.Gap || list[next-1].at.Sub(list[low].at) > w.Session.Max) {
			return high
		}
		if high = next; high == len(list) {
			return high
		}
	}
}

// compareWindow compares an answer about a window with the naive fold. Where limits of the speed layer kept something, only what is said to lack nothing.
func compareWindow(v *view.View, q serving.Query, r *serving.Result, logs map[logOf]*naive, below map[logOf]int64, seen *estimates) error {
	bounds := q
	bounds.Where = ""
	inRange, err := asked(bounds, r)
	if err != nil {
		return err
	}
	q.From, q.To = "", ""
	matches, err := asked(q, r)
	if err != nil {
		return err
	}
	w := v.Window(q.Window)
	byCountry := slices.Contains(q.Dimensions, "country") || w.Session != nil && len(w.Session.By) > 0
	want := foldWindow(w, eventsOf(logs, below, func(c verdict) bool { return passes(v, c) && matches(c) }, byCountry))
	for k := range want {
		if !inRange(verdict{at: time.UnixMicro(k.bucket)}) {
			delete(want, k)
		}
	}
	if r.Provenance.Other == 0 && len(r.Provenance.Incomplete) == 0 {
		return compareRows(q, r, want, seen)
	}
	whole := *r
	whole.Rows, whole.Provenance.Rows = nil, nil
	some := map[cellKey]*cell{}
	for i, row := range r.Rows {
		if o := r.Provenance.Rows[i]; o.Other == 0 && !o.Incomplete && len(o.Folded) == 0 {
			k := keyOf(q, r, row)
			if want[k] == nil {
				return fmt.Errorf("%w: %s %s has the row %v, which the naive fold has not", errWrong, q.View, q.Window, row)
			}
			some[k] = want[k]
			whole.Rows, whole.Provenance.Rows = append(whole.Rows, row), append(whole.Provenance.Rows, o)
		}
	}
	return compareCells(q, &whole, some, seen)
}

// stateText is the state of a window's row for people; "" of other rows.
func stateText(r *serving.Result, i int) string {
	if r.Meta.Window == "" {
		return ""
	}
	return ", " + string(r.Provenance.Rows[i].State)
}

package serving

import (
	"fmt"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// LiveShare is what the speed layer has in an answer, and how fresh it is.
type LiveShare struct {
	Events     int64    `json:"events"`                // records from V on, up to what is served, of all cells; the answer has at most so many of them
	From       string   `json:"from,omitempty"`        // with a grain: start of the first bucket with live events
	Newest     string   `json:"newest,omitempty"`      // when the newest record that is served was written
	AgeSeconds *float64 `json:"age_seconds,omitempty"` // how long ago that was
}

// Approximation is a measure that is not exact in some rows.
type Approximation struct {
	Measure string   `json:"measure"`
	Rows    int      `json:"rows"`  // that are not exact
	Bound   *float64 `json:"bound"` // how far off the worst of them may be, as a share of the largest of them; null: not known
}

// liveShare is nil where the speed layer was not asked.
func liveShare(q *question, m *merged, rows []row, now time.Time) *LiveShare {
	if q.exact || q.asOf != "" {
		return nil
	}
	l := &LiveShare{}
	newest := int64(beginning)
	for _, p := range m.partitions {
		l.Events += max(0, p.served-p.batch)
		if p.read.served == live.ServedWhole {
			newest = max(newest, p.read.meta.Progress.MaxTimestamp)
		}
	}
	if from, _ := liveFrom(rows); q.grain != nil && from != forever {
		l.From = formatTime(from, q.view.Location)
	}
	if newest != beginning {
		age := max(0, now.Sub(time.UnixMicro(newest)).Seconds())
		l.Newest, l.AgeSeconds = formatTime(newest, q.view.Location), &age
	}
	return l
}

// approximations lists the measures that are not exact in some rows.
func approximations(q *question, rows []row, worst []uncertainty) []Approximation {
	var list []Approximation
	for k, w := range worst {
		if !w.inexact {
			continue
		}
		a := Approximation{Measure: q.view.Measures[q.measures[k]].Name}
		for i := range rows {
			if !rows[i].measures[k].Exact {
				a.Rows++
			}
		}
		if w.off > 0 {
			bound := w.off / w.largest
			a.Bound = &bound
		}
		list = append(list, a)
	}
	return list
}

// liveFrom is the start of the first bucket with live events, and how many rows have some; forever where none has.
func liveFrom(rows []row) (from int64, count int) {
	from = forever
	for i := range rows {
		if rows[i].source == fromSpeed || rows[i].source == fromBoth {
			from = min(from, rows[i].time)
			count++
		}
	}
	return from, count
}

// tail says of an answer by time what is exact and what is live: "Exact until 02:00; the last 7 h 12 min are live, ±0.8 % on customers."
func (p *Provenance) tail(q *question, m *merged, rows []row, exactUntil int64) string {
	from, count := liveFrom(rows)
	doubt := p.doubt()
	if !atTheEnd(rows, from) {
		if doubt == "" {
			return fmt.Sprintf("%s of %s rows have live events.", thousands(int64(count)), thousands(int64(len(rows))))
		}
		return fmt.Sprintf("%s of %s rows have live events, %s; the rest is exact.", thousands(int64(count)), thousands(int64(len(rows))), doubt)
	}
	end := m.newestEvent(q, rows)
	tail := fmt.Sprintf("the last %s are live", lengthOf(end-from))
	if doubt != "" {
		tail += ", " + doubt
	}
	switch {
	case p.ExactUntil != "":
		return fmt.Sprintf("Exact until %s; %s.", clockTime(exactUntil, end, q.view.Location), tail)
	case doubt == "" && p.Other == 0 && len(p.Incomplete) == 0:
		return fmt.Sprintf("Every number is exact; %s.", tail)
	}
	return strings.ToUpper(tail[:1]) + tail[1:] + "."
}

// doubt names the measures that are not exact, each with its bound; "" where all are.
func (p *Provenance) doubt() string {
	var parts []string
	for _, a := range p.Approximate {
		if a.Bound == nil {
			parts = append(parts, a.Measure+" without a known bound")
		} else {
			parts = append(parts, fmt.Sprintf("±%.1f %% on %s", 100**a.Bound, a.Measure))
		}
	}
	return strings.Join(parts, ", ")
}

// atTheEnd says whether every bucket from one on has live events.
func atTheEnd(rows []row, from int64) bool {
	alive := map[int64]bool{}
	for i := range rows {
		if t := rows[i].time; t >= from && rows[i].hasEvents() {
			alive[t] = alive[t] || rows[i].source != fromBatch
		}
	}
	for _, is := range alive {
		if !is {
			return false
		}
	}
	return true
}

// newestEvent is the time of the newest event that is served, within the buckets of the rows.
func (m *merged) newestEvent(q *question, rows []row) int64 {
	newest, last := int64(beginning), int64(beginning)
	for _, p := range m.partitions {
		if p.read.served == live.ServedWhole {
			newest = max(newest, p.read.meta.Progress.MaxEventTime)
		}
	}
	for i := range rows {
		last = max(last, rows[i].time)
	}
	end := q.grain.Next(last, q.view.Location)
	for i := range rows {
		end = max(end, rows[i].end)
	}
	if newest < last || newest > end {
		return end
	}
	return newest
}

// lengthOf is a length of time in its two largest units: 7 h 12 min.
func lengthOf(us int64) string {
	left := (time.Duration(us) * time.Microsecond).Round(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if left < u.size {
			continue
		}
		text := fmt.Sprintf("%d %s", left/u.size, u.name)
		if i+1 < len(units) && left%u.size >= units[i+1].size {
			text += fmt.Sprintf(" %d %s", left%u.size/units[i+1].size, units[i+1].name)
		}
		return text
	}
	return "0 s"
}

// clockTime is an instant as people read it beside another: the hour where both are of one day, else the day, with the hour unless it is midnight.
func clockTime(us, beside int64, loc *time.Location) string {
	at, other := time.UnixMicro(us).In(loc), time.UnixMicro(beside).In(loc)
	switch {
	case at.Format(time.DateOnly) == other.Format(time.DateOnly):
		return at.Format("15:04")
	case at.Format("15:04:05") == "00:00:00":
		return at.Format(time.DateOnly)
	}
	return at.Format("2006-01-02 15:04")
}

package batch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// period is one file of a snapshot: a day, week, month or year in the view's time zone.
type period struct {
	unit     string // as the lake names it
	name     string // its first date
	from, to int64  // µs UTC
}

// units are the periods that files are kept by. The file of a day holds all grains up to a day.
var units = []struct {
	name  string
	grain view.Grain // of the period
	holds func(view.Grain) bool
}{
	{"day", view.Grain{Unit: view.Day}, func(g view.Grain) bool { return g.Unit == view.Fixed || g.Unit == view.Day }},
	{"week", view.Grain{Unit: view.Week}, func(g view.Grain) bool { return g.Unit == view.Week }},
	{"month", view.Grain{Unit: view.Month}, func(g view.Grain) bool { return g.Unit == view.Month }},
	{"year", view.Grain{Unit: view.Year}, func(g view.Grain) bool { return g.Unit == view.Year }},
}

// grainsOf lists the grains of a view that a unit's files hold.
func grainsOf(v *view.View, unit string) []view.Grain {
	var grains []view.Grain
	for _, u := range units {
		if u.name != unit {
			continue
		}
		for _, g := range v.Grains {
			if u.holds(g) {
				grains = append(grains, g)
			}
		}
	}
	return grains
}

// planPeriods returns the periods whose records changed between two cuts of a view, by unit and time. It is a function of the cuts and of
// immutable commits alone.
func planPeriods(v *view.View, chunks map[int][]lake.Chunk, from func(partition int) int64, cuts map[int]lake.Cut) ([]period, error) {
	dates := map[string]bool{}
	for p, of := range chunks {
		for _, date := range lake.ChangedDates(of, from(p), cuts[p].Offset) {
			dates[date] = true
		}
	}
	return periodsOf(v, dates)
}

// periodsOf returns the periods in which events of some dates (UTC) of the lake lie.
func periodsOf(v *view.View, dates map[string]bool) ([]period, error) {
	seen := map[[2]any]bool{}
	var periods []period
	for date := range dates {
		first, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return nil, fmt.Errorf("%w: a segment's date is %q", lake.ErrCorrupt, date)
		}
		for _, u := range units {
			if len(grainsOf(v, u.name)) == 0 {
				continue
			}
			// A date of the lake is one in UTC: in the view's time zone it may lie on two.
			for at := u.grain.Floor(first.UnixMicro(), v.Location); at < first.UnixMicro()+microsPerDay; at = u.grain.Next(at, v.Location) {
				if key := [2]any{u.name, at}; !seen[key] {
					seen[key] = true
					periods = append(periods, period{unit: u.name, from: at, to: u.grain.Next(at, v.Location),
						name: time.UnixMicro(at).In(v.Location).Format(time.DateOnly)})
				}
			}
		}
	}
	slices.SortFunc(periods, comparePeriods)
	return periods, nil
}

func comparePeriods(a, b period) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to), cmp.Compare(a.unit, b.unit))
}

// load is a set of periods that are computed from the same rows in memory.
type load struct {
	spans   [][2]int64 // µs UTC, of the rows, ascending and apart
	periods []period
}

// planLoads groups periods so that each record is read as few times as can be: periods that overlap are loaded together, and as many as
// fit into limit rows. rows estimates how many rows there are in [from, to). Where periods that overlap have more, as when weeks and months
// chain a whole history together, each unit is loaded for itself.
func planLoads(periods []period, rows func(from, to int64) int64, limit int64) []load {
	periods = slices.Clone(periods)
	slices.SortFunc(periods, comparePeriods)
	var loads []load
	room := int64(-1)
	for _, c := range chain(periods) {
		n := rows(c.spans[0][0], c.spans[0][1])
		if apart := byUnit(c.periods); n > limit && len(apart) > 1 {
			for _, unit := range apart {
				loads = append(loads, planLoads(unit, rows, limit)...)
			}
			room = -1
			continue
		}
		if room < n {
			loads, room = append(loads, load{}), max(limit, n)
		}
		last := &loads[len(loads)-1]
		if k := len(last.spans); k > 0 && last.spans[k-1][1] == c.spans[0][0] {
			last.spans[k-1][1] = c.spans[0][1]
		} else {
			last.spans = append(last.spans, c.spans[0])
		}
		last.periods = append(last.periods, c.periods...)
		room -= n
	}
	return loads
}

// chain puts together the periods that overlap, in the order of time.
func chain(sorted []period) []load {
	var chained []load
	for _, p := range sorted {
		if n := len(chained); n > 0 && p.from < chained[n-1].spans[0][1] {
			last := &chained[n-1]
			last.spans[0][1] = max(last.spans[0][1], p.to)
			last.periods = append(last.periods, p)
			continue
		}
		chained = append(chained, load{spans: [][2]int64{{p.from, p.to}}, periods: []period{p}})
	}
	return chained
}

func byUnit(periods []period) [][]period {
	var apart [][]period
	for _, u := range units {
		var of []period
		for _, p := range periods {
			if p.unit == u.name {
				of = append(of, p)
			}
		}
		if len(of) > 0 {
			apart = append(apart, of)
		}
	}
	return apart
}

// ranges returns what the periods cover, as few intervals as can be. They are of one unit and so do not overlap.
func ranges(periods []period) [][2]int64 {
	var out [][2]int64
	for _, p := range periods {
		if n := len(out); n > 0 && out[n-1][1] == p.from {
			out[n-1][1] = p.to
		} else {
			out = append(out, [2]int64{p.from, p.to})
		}
	}
	return out
}

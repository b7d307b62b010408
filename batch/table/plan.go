package table

import (
	"cmp"
	"slices"

	"github.com/caudal/caudal/internal/lake"
)

// segment is a raw segment that a version is the first to take in.
type segment struct {
	lake.ChunkFile
	incarnation int
	definition  string // that its chunk was written with
}

// place is where rows lie in a table: a life of the topic and an event date.
type place struct {
	date        string
	incarnation int
}

// unit is what is done for a place: its new segments and the files of `merged` are sorted together into one run, the others stay as they are.
type unit struct {
	place
	segments []segment
	merged   []lake.TableFile
	kept     []lake.TableFile
}

// rows is an upper bound of how many rows the unit sorts.
func (u *unit) rows() (n int64) {
	for i := range u.segments {
		n += u.segments[i].Rows
	}
	for i := range u.merged {
		n += u.merged[i].Rows
	}
	return n
}

// bytes is the size of the files that the unit reads.
func (u *unit) bytes() (n int64) {
	for i := range u.segments {
		n += u.segments[i].Bytes
	}
	for i := range u.merged {
		n += u.merged[i].Bytes
	}
	return n
}

// planUnits says what to do where something is new, and returns the files of all other places. `again` are places whose files must be made
// anew whatever their size.
//
// A place keeps its rows in runs. A new run takes in the runs before it, newest first, as long as one is not larger than all that it takes in
// together. So each run is larger than all newer ones, and of N rows that came n at a time there are at most 1+log2(N/n) runs, and no row was
// written more than 1+log2(N/n) times: one late event does not rewrite its whole date.
func planUnits(segments []segment, files []lake.TableFile, again map[place]bool) (units []unit, untouched []lake.TableFile) {
	at := map[place]*unit{}
	of := func(p place) *unit {
		if at[p] == nil {
			at[p] = &unit{place: p}
		}
		return at[p]
	}
	for _, s := range segments {
		u := of(place{s.Date, s.incarnation})
		u.segments = append(u.segments, s)
	}
	for p := range again {
		of(p)
	}
	runs := map[place]map[int64][]lake.TableFile{}
	for _, f := range files {
		p := place{f.Date, f.Incarnation}
		if at[p] == nil {
			untouched = append(untouched, f)
			continue
		}
		if runs[p] == nil {
			runs[p] = map[int64][]lake.TableFile{}
		}
		runs[p][f.Run] = append(runs[p][f.Run], f)
	}
	for p, u := range at {
		u.choose(runs[p], again[p])
		units = append(units, *u)
	}
	slices.SortFunc(units, func(a, b unit) int { return a.compare(b.place) })
	return units, untouched
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.date, other.date), cmp.Compare(p.incarnation, other.incarnation))
}

// choose says which runs the unit takes in.
func (u *unit) choose(runs map[int64][]lake.TableFile, all bool) {
	taken := u.rows()
	var numbers []int64
	for n := range runs {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	merging := true
	for _, n := range numbers {
		rows := int64(0)
		for i := range runs[n] {
			rows += runs[n][i].Rows
		}
		if merging = merging && rows <= taken; merging || all {
			taken += rows
			u.merged = append(u.merged, runs[n]...)
		} else {
			u.kept = append(u.kept, runs[n]...)
		}
	}
}

// sortFiles puts the files of a version in its order.
func sortFiles(files []lake.TableFile) {
	slices.SortFunc(files, func(a, b lake.TableFile) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.Run, b.Run), cmp.Compare(a.First, b.First), cmp.Compare(a.Key, b.Key))
	})
}

package serving

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// sheet is the rows of an answer while everything is computed that rows are made of together: gaps, totals, comparisons (docs/adr/0026). It holds
// all rows that match, before anything is cut off.
type sheet struct {
	q       *question
	m       *merged
	rows    []row
	at      map[cellKey]int // of each row; nil until something asks for a row by its place
	key     []byte
	lacking func(*row) bool  // events that belong to the row may not be in it
	empty   []algebra.Answer // the stored measures of a row without events; nil until there is one
}

// sheetOf reads the stored measures off the cells.
func sheetOf(q *question, m *merged) *sheet {
	s := &sheet{q: q, m: m, rows: make([]row, 0, len(m.cells.byKey))}
	for _, c := range m.cells.byKey {
		if c.counts.events == 0 {
			continue // nothing but events on which the view's filter failed
		}
		from := c.source()
		if q.exact {
			from = fromLake
		}
		s.rows = append(s.rows, row{time: c.bucket, end: c.end, dims: c.dims, source: from, counts: c.counts, unsettled: c.unsettled, inputs: c.answer(m.cells.plan, q.stored)})
	}
	incomplete := m.incomplete(q)
	s.lacking = func(r *row) bool { return m.cells.othersOf(q, r) > 0 || q.isIncomplete(incomplete, r) }
	return s
}

// place is where a row stands.
func (s *sheet) place(time int64, dims []algebra.Value) cellKey {
	s.key = algebra.AppendKey(s.key[:0], dims)
	return cellKey{time, string(s.key)}
}

// find is the position of a row, or -1.
func (s *sheet) find(time int64, dims []algebra.Value) int {
	if s.at == nil {
		s.at = make(map[cellKey]int, len(s.rows))
		for i := range s.rows {
			s.at[s.place(s.rows[i].time, s.rows[i].dims)] = i
		}
	}
	if i, ok := s.at[s.place(time, dims)]; ok {
		return i
	}
	return -1
}

// add adds a row without events, unless there is a row in its place.
func (s *sheet) add(time int64, dims []algebra.Value) error {
	if s.find(time, dims) >= 0 {
		return nil
	}
	s.m.cells.budget -= int64(cellBytes + 48*(len(dims)+len(s.q.inputs())))
	if len(s.rows) >= maxLimit || s.m.cells.budget < 0 {
		return tooLarge(fmt.Sprintf("the answer has more than %s rows once its gaps are filled, which do not fit into the memory of one query", thousands(int64(len(s.rows)))),
			"ask for a shorter range, a coarser grain, fewer dimensions, or without fill")
	}
	if s.empty == nil {
		plan, empty := s.m.cells.plan, s.m.cells.plan.New()
		s.empty = make([]algebra.Answer, len(s.q.stored))
		for i, m := range s.q.stored {
			s.empty[i] = algebra.Answer{Value: plan.Final(empty, m).Value, Exact: true}
		}
	}
	s.at[s.place(time, dims)] = len(s.rows)
	s.rows = append(s.rows, row{time: time, end: s.q.endOf(time), dims: dims, source: fromNothing, inputs: slices.Clone(s.empty)})
	return nil
}

// extent is the range of the rows: as asked, or as wide as what there is of them. False where that is nothing.
func (s *sheet) extent() (from, to int64, ok bool) {
	from, to = s.q.from, s.q.to
	first, last := int64(forever), int64(beginning)
	for i := range s.rows {
		first, last = min(first, s.rows[i].time), max(last, s.rows[i].time)
	}
	if (from == beginning || to == forever) && first == forever {
		return 0, 0, false
	}
	if from == beginning {
		from = first
	}
	if to == forever {
		to = s.q.following(last)
	}
	return from, to, true
}

// inputs are the columns that derived measures are computed from: the stored measures, and then what was composed of them.
func (q *question) inputs() []int { return slices.Concat(q.stored, q.composed) }

// needed are the measures that rows are finished with: those of the answer, and then those that only having looks at.
func (q *question) needed() []int { return slices.Concat(q.measures, q.judged) }

// parts lists the measures that a measure is made of, which are none that are derived: itself, or those that a derived one's expression names
// (definitions are read in such a way that these are never derived themselves). A word in a text that happens to be a measure's name is one too, which
// costs a column and changes no answer.
func parts(v *view.View, m int) []int {
	if v.Measures[m].Agg != view.Derived {
		return []int{m}
	}
	var list []int
	for _, word := range words(v.Measures[m].Expr) {
		for i := range v.Measures {
			if v.Measures[i].Agg != view.Derived && strings.EqualFold(v.Measures[i].Name, word) && !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	}
	return list
}

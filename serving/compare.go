package serving

import (
	"fmt"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// earlier is the other period of a question that compares.
type earlier struct {
	q *question
	m *merged
}

// comparing gathers what answers a question, and of one that compares what it is compared with: of the same snapshot, unless one is published meanwhile each
// time.
func comparing(q *question, gather func(*question) (*merged, error)) (*merged, error) {
	if q.period == nil {
		return gather(q)
	}
	then := q.before()
	for again := false; ; again = true {
		e := &earlier{q: then}
		var err error
		if e.m, err = gather(e.q); err != nil {
			return nil, err
		}
		m, err := gather(q)
		if err != nil {
			return nil, err
		}
		if m.earlier = e; again || m.snap.manifest.ID == e.m.snap.manifest.ID {
			return m, nil
		}
	}
}

// Comparisons of a measure with what it was a period before.
const (
	before     = "before"
	difference = "change"
	ratio      = "ratio"
)

// change is a column of the answer that compares.
type change struct {
	name string
	of   int // position in question.measures
	kind string
	typ  view.Type
}

// resolveWindowMeasures refuses of a window's rows what is for buckets: hops lie in one another, and sessions have no times in common, so that nothing adds
// up over them; no session is missing, and none has another beside it.
func (r *question) resolveWindowMeasures(q Query) error {
	if r.window == nil {
		return nil
	}
	for name, given := range map[string]string{"compare": q.Compare, "fill": q.Fill} {
		if given != "" && given != fillNone && r.window.Session != nil {
			return invalid(name, "give a grain or a hopping window in its place", "rows of window %q are sessions: they begin when their events do, so that none is missing, and none has another a period before", r.window.Name)
		}
	}
	for _, name := range q.Measures {
		if r.view.Composed(r.view.Measure(name)) {
			return invalid("measures", "leave it out, or give a grain in place of the window", "%q depends on other rows, and rows of window %q do not add up", name, r.window.Name)
		}
	}
	r.measures = slices.DeleteFunc(r.measures, r.view.Composed)
	return nil
}

// resolveCompare reads the period that lies between what is asked and what it is compared with.
func (r *question) resolveCompare(q Query) error {
	if q.Compare == "" {
		return nil
	}
	p, err := view.ParsePeriod(q.Compare)
	if err != nil {
		return invalid("compare", "write e.g. 1h, 1d, 1w, 1mo or 1y", "%v", err)
	}
	finest := r.view.Grains[0]
	switch {
	case r.window != nil && !hopsKeep(r.window.Hop, p):
		_, every := r.window.Hop.Text()
		return invalid("compare", "give a multiple of "+every, "hops of window %q do not lie %s apart", r.window.Name, q.Compare)
	case r.window == nil && r.grain != nil && !p.Keeps(*r.grain):
		return invalid("compare", "buckets are compared with buckets: "+aligned(*r.grain), "buckets of %s do not lie %s apart", r.grain.Name, q.Compare)
	case r.grain == nil && (r.from == beginning || r.to == forever):
		return invalid("compare", "give from and to, or a grain", "without a grain the range is compared with one as long, and it has no ends")
	case r.grain == nil && !r.exact && !p.Keeps(finest):
		return invalid("compare", "its ends are on the finest grain: "+aligned(finest), "buckets of %s do not lie %s apart", finest.Name, q.Compare)
	}
	r.period = &p
	if e := r.before(); e.from != beginning && e.from < minInstant {
		return invalid("compare", "give a shorter period", "%s before the range lies before the year 1", q.Compare)
	}
	for k, m := range r.measures {
		of := r.view.Measures[m]
		r.changes = append(r.changes, change{of.Name + "_" + before, k, before, of.Type})
		if algebra.Numeric(of.Type) {
			r.changes = append(r.changes, change{of.Name + "_" + difference, k, difference, differenceType(of.Type)}, change{of.Name + "_" + ratio, k, ratio, view.Type{Kind: view.Double}})
		}
	}
	taken := r.columns()[:1+len(r.dims)+len(r.measures)]
	for _, c := range r.changes {
		if slices.Contains(taken, c.name) {
			return invalid("compare", "leave one of the two measures out", "the answer has a column %q already, and %s is compared under that name", c.name, r.view.Measures[r.measures[c.of]].Name)
		}
	}
	return nil
}

// aligned says which periods suit a grain.
func aligned(g view.Grain) string {
	switch g.Unit {
	case view.Fixed:
		return fmt.Sprintf("give a multiple of %s, or days", g.Name)
	case view.Day:
		return "give days, weeks, months or years, such as 1d"
	case view.Week:
		return "give weeks, such as 4w or 52w"
	case view.Month:
		return "give months or years, such as 1mo"
	}
	return "give years, such as 1y"
}

// differenceType holds the difference of two numbers of a type, but for the largest.
func differenceType(t view.Type) view.Type {
	if t.Kind == view.Decimal {
		t.Precision = min(t.Precision+1, 38)
	}
	return t
}

// before is the same question a period earlier.
func (r *question) before() *question {
	b := *r
	b.period, b.changes, b.having = nil, nil, nil
	loc := r.view.Location
	move := func(us int64) int64 {
		if us == beginning || us == forever {
			return us
		}
		us = r.period.MoveEnd(us, -1, loc)
		if r.exact || r.window != nil {
			return us
		}
		if r.grain != nil {
			return r.grain.Floor(us, loc)
		}
		return r.view.Grains[0].Floor(us, loc)
	}
	b.from, b.to = move(r.from), move(r.to)
	b.setSpans()
	return &b
}

// Comparison says what an answer is compared with.
type Comparison struct {
	Period string `json:"period"`         // that lies between
	From   string `json:"from,omitempty"` // inclusive
	To     string `json:"to,omitempty"`   // exclusive
}

// compare describes the columns that compare.
func (m *Meta) compare(q *question, e *earlier) {
	if e == nil {
		return
	}
	then := meta(e.q, e.m.cells)
	m.Compare = &Comparison{q.period.Name, then.From, then.To}
	words := map[string]string{before: "%s, %s before", difference: "%s, less what it was %s before", ratio: "%s, divided by what it was %s before"}
	for _, c := range q.changes {
		of := q.view.Measures[q.measures[c.of]]
		unit := of.Unit
		if c.kind == ratio {
			unit = ""
		}
		described := column(c.name, "measure", c.typ, unit, fmt.Sprintf(words[c.kind], of.Name, q.period.Name))
		described.Of, described.Compares = of.Name, c.kind
		m.Columns = append(m.Columns, described)
	}
}

// meet gives two sheets each the rows that only the other one has, in the range of what is asked.
func (s *sheet) meet(past *sheet) error {
	if s.q.grain == nil {
		return s.meetWhole(past)
	}
	g, loc := s.q.paces(), s.q.view.Location
	if from, to, ok := s.extent(); ok {
		if s.q.window == nil {
			from = g.Floor(from, loc)
		}
		for i := range past.rows {
			at, ok := s.q.period.Move(past.rows[i].time, 1, g, loc)
			if ok && at >= from && at < to {
				if err := s.add(at, past.rows[i].dims); err != nil {
					return err
				}
			}
		}
	}
	for i := range s.rows {
		if at, ok := s.q.period.Move(s.rows[i].time, -1, g, loc); ok {
			if err := past.add(at, s.rows[i].dims); err != nil {
				return err
			}
		}
	}
	return nil
}

// meetWhole is meet of rows whose time is the whole range.
func (s *sheet) meetWhole(past *sheet) error {
	for _, pair := range [][2]*sheet{{s, past}, {past, s}} {
		for i := range pair[1].rows {
			if err := pair[0].add(pair[1].rows[i].time, pair[1].rows[i].dims); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare puts beside each row what its measures were a period before, in the rows of past, which are finished. A row whose bucket has none a period
// before, such as a 31st, is compared with nothing.
func (s *sheet) compare(past *sheet) {
	for i := range s.rows {
		r := &s.rows[i]
		at, ok := r.time, true
		if s.q.grain != nil {
			at, ok = s.q.period.Move(r.time, -1, s.q.paces(), s.q.view.Location)
		}
		r.changes = make([]algebra.Answer, len(s.q.changes))
		if ok {
			if k := past.find(at, r.dims); k >= 0 {
				r.past = &past.rows[k]
			}
		}
		for k, c := range s.q.changes {
			if r.past == nil {
				r.changes[k].Exact = true
				continue
			}
			r.changes[k] = c.between(&r.measures[c.of], &r.past.measures[c.of])
		}
	}
}

// between compares two answers.
func (c change) between(now, then *algebra.Answer) algebra.Answer {
	if c.kind == before {
		return *then
	}
	a := algebra.Answer{Exact: now.Exact && then.Exact, Overflow: now.Overflow || then.Overflow}
	switch {
	case now.Value.IsNull() || then.Value.IsNull():
	case c.kind == difference:
		var ok bool
		if a.Value, ok = algebra.Difference(now.Value, then.Value, c.typ); !ok {
			a.Overflow = true
		}
	case then.Value.Float64() != 0:
		a.Value = algebra.FloatValue(now.Value.Float64() / then.Value.Float64())
	}
	return a
}

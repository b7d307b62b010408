package serving

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// having is a condition over the finished measures of a row.
type having struct {
	condition.Condition
	columns []judged // as its vocabulary
}

// judged is a column that having may look at: a measure of the view, or a comparison of the answer.
type judged struct{ measure, change int } // indexes of View.Measures and question.changes; the other is -1

// resolveHaving reads the condition that rows have to meet, and notes the measures that it needs beside those of the answer.
func (r *question) resolveHaving(q Query) error {
	h := &having{}
	words := condition.Vocabulary{Noun: "measure", Of: "view " + r.view.Name}
	for i, m := range r.view.Measures {
		if m.Type.Kind != view.Array && (r.window == nil || !r.view.Composed(i)) {
			words.Columns = append(words.Columns, view.Column{Name: m.Name, Type: m.Type})
			h.columns = append(h.columns, judged{i, -1})
		}
	}
	for i, c := range r.changes {
		if c.typ.Kind != view.Array {
			words.Columns = append(words.Columns, view.Column{Name: c.name, Type: c.typ})
			h.columns = append(h.columns, judged{-1, i})
		}
	}
	words.Explain = func(m *condition.Mistake, name string) {
		switch i := r.view.Measure(name); {
		case i >= 0:
			m.Reason, m.Suggestion = fmt.Sprintf("%q is a list", name), "having looks at single values"
		case r.view.Dimension(name) >= 0:
			m.Reason, m.Suggestion = fmt.Sprintf("%q is a dimension; having looks at measures only", name), "write it into where"
		case r.period == nil && r.compares(name):
			m.Suggestion = "add compare=1w, or another period, which makes it"
		}
	}
	c, err := condition.Parse(q.Having, words)
	if mistake := (*condition.Mistake)(nil); errors.As(err, &mistake) {
		p := invalid("having", mistake.Suggestion, "%s (at byte %d)", mistake.Reason, mistake.At+1)
		p.Nearest = mistake.Nearest
		return p
	}
	if err != nil || c.Root == nil {
		return err
	}
	h.Condition = *c
	for _, column := range c.Columns() {
		if m := h.columns[column].measure; m >= 0 && !slices.Contains(r.measures, m) {
			r.judged = append(r.judged, m)
		}
	}
	r.having = h
	return nil
}

// compares says whether a name is that of a column which the question would have if it compared.
func (r *question) compares(name string) bool {
	return slices.ContainsFunc(r.measures, func(m int) bool {
		kind, ok := strings.CutPrefix(name, r.view.Measures[m].Name+"_")
		return ok && (kind == before || kind == difference || kind == ratio)
	})
}

// keep leaves the rows that the condition is true of, and says how many were judged by numbers that are not exact.
func (s *sheet) keep() (doubtful int) {
	h := s.q.having
	if h == nil {
		return 0
	}
	used, needed := h.Columns(), s.q.needed()
	values := make([]algebra.Value, len(h.columns))
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool {
		sure := !s.lacking(&r)
		for _, column := range used {
			j := h.columns[column]
			a := &algebra.Answer{}
			if j.measure >= 0 {
				a = &r.measures[slices.Index(needed, j.measure)]
			} else {
				a = &r.changes[j.change]
			}
			values[column], sure = a.Value, sure && a.Exact
		}
		if !sure {
			doubtful++
		}
		return !h.Passes(values)
	})
	s.at = nil
	return doubtful
}

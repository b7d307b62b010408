package serving

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// filter is a condition over a view's dimensions, or over them and its source's fields (see parseRowFilter).
type filter struct {
	condition.Condition
	dims    uint32        // bit i: dimension i is looked at; of a condition over dimensions alone
	columns []view.Column // what may be looked at, in the order that the condition numbers it: the dimensions first
}

// maxRowPattern bounds the letters of a like pattern that DuckDB evaluates: its time for a row is their number times that of the text's, and
// it looks for an interrupt only every 2,048 rows.
const maxRowPattern = 256

// readWhere reads the condition that a parameter where holds, by one of the functions below.
func readWhere(text string, v *view.View, parse func(string, *view.View) (*filter, error)) (*filter, error) {
	f, err := parse(text, v)
	if mistake := (*condition.Mistake)(nil); errors.As(err, &mistake) {
		p := invalid("where", mistake.Suggestion, "%s (at byte %d)", mistake.Reason, mistake.At+1)
		p.Nearest = mistake.Nearest
		return nil, p
	}
	return f, err
}

// parseFilter reads a condition over a view's dimensions. Mistakes are *condition.Mistake, as those of its brothers are.
func parseFilter(text string, v *view.View) (*filter, error) {
	words := whereWords(v)
	words.Explain = func(m *condition.Mistake, name string) {
		switch {
		case v.Measure(name) >= 0:
			m.Reason = fmt.Sprintf("%q is a measure; a filter looks at dimensions only", name)
			m.Suggestion += "; or write it into having, which looks at measures"
		case v.Source != nil && v.Source.Field(name) >= 0:
			m.Reason = fmt.Sprintf("%q is a field of the source but no dimension of view %s", name, v.Name)
			m.Suggestion += "; or add exact=true, which looks at every field"
		case name == "time":
			m.Reason, m.Suggestion = "time is no dimension", "give the range as from and to"
		}
	}
	return readFilter(text, v, words)
}

// parseRowFilter reads a condition over rows: over the dimensions of a view and the fields of its source. The grammar is that of
// parseFilter. A name that is both is the dimension, so that a condition means the same with exact=true and without.
func parseRowFilter(text string, v *view.View) (*filter, error) {
	words := whereWords(v)
	words.MaxPattern = maxRowPattern
	for _, f := range v.Source.Fields {
		if v.Dimension(f.Name) < 0 {
			words.Columns = append(words.Columns, view.Column{Name: f.Name, Type: f.Type})
		}
	}
	words.Explain = func(m *condition.Mistake, name string) {
		if v.Measure(name) >= 0 {
			m.Reason = fmt.Sprintf("%q is a measure; a filter looks at dimensions and fields only", name)
			return
		}
		m.Reason += ", nor a field of its source"
	}
	return readFilter(text, v, words)
}

// parseOwnFilter reads a condition that the caller's rights limit, or that limits them: over rows as parseRowFilter, and over dimensions alone, as the fields of a
// source may tell of a row what no view shows.
func parseOwnFilter(text string, v *view.View) (*filter, error) {
	words := whereWords(v)
	words.MaxPattern = maxRowPattern
	words.Explain = func(m *condition.Mistake, _ string) { m.Reason += ", and nothing else may be looked at here" }
	return readFilter(text, v, words)
}

// whereWords are the dimensions of a view.
func whereWords(v *view.View) condition.Vocabulary {
	words := condition.Vocabulary{Noun: "dimension", Of: "view " + v.Name}
	for _, d := range v.Dimensions {
		words.Columns = append(words.Columns, view.Column{Name: d.Name, Type: d.Type})
	}
	return words
}

func readFilter(text string, v *view.View, words condition.Vocabulary) (*filter, error) {
	c, err := condition.Parse(text, words)
	if err != nil {
		return nil, err
	}
	f := &filter{Condition: *c, columns: words.Columns}
	for _, column := range c.Columns() {
		if column < len(v.Dimensions) {
			f.dims |= 1 << column
		}
	}
	return f, nil
}

// rowSQL is the condition that a row passes, over the source's columns; "" where every row does. It is written anew from what was parsed: names
// are those of the view's definition, values are literals made from typed values, and no byte of the query's text is in it as it stood.
func (f *filter) rowSQL(plan *algebra.Plan) string {
	if f.Root == nil {
		return ""
	}
	columns := make([]string, len(f.columns))
	for i := range columns {
		if i < len(plan.View.Dimensions) {
			columns[i] = plan.DimensionSQL(i)
		} else {
			columns[i] = sqltext.Name(f.columns[i].Name)
		}
	}
	return f.Root.SQL(columns)
}

// pinned are the dimensions that the filter leaves only one value.
func (f *filter) pinned() uint32 {
	var dims uint32
	for _, n := range f.Required() {
		if c, ok := n.(condition.Comparison); ok && c.Op == condition.Equal {
			dims |= 1 << c.Column
		}
		if o, ok := n.(condition.OneOf); ok && len(o.Values) == 1 {
			dims |= 1 << o.Column
		}
	}
	return dims
}

// prefilter is what of the filter DuckDB can look at before rows are read: conditions that follow from the filter, over literals made
// from typed values. The filter itself is applied to every row all the same.
func (f *filter) prefilter() []string {
	var conditions []string
	for _, n := range f.Required() {
		switch n := n.(type) {
		case condition.Comparison:
			if n.Op == condition.Equal {
				conditions = append(conditions, fmt.Sprintf("d%d = %s", n.Column, n.Value.SQL()))
			}
		case condition.OneOf:
			literals := make([]string, len(n.Values))
			for i, v := range n.Values {
				literals[i] = v.SQL()
			}
			conditions = append(conditions, fmt.Sprintf("d%d IN (%s)", n.Column, strings.Join(literals, ", ")))
		}
	}
	return conditions
}

// and is the condition that both hold. They are over the same view.
func (f *filter) and(own *filter) *filter {
	if own == nil || own.Root == nil {
		return f
	}
	return &filter{Condition: *f.And(&own.Condition), dims: f.dims | own.dims, columns: f.columns}
}

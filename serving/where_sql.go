package serving

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// maxRowPattern bounds the letters of a like pattern that DuckDB evaluates: its time for a row is their number times that of the text's, and
// it looks for an interrupt only every 2,048 rows.
const maxRowPattern = 256

// parseRowFilter reads a condition over rows: over the dimensions of a view and the fields of its source. The grammar is that of
// parseFilter. A name that is both is the dimension, so that a condition means the same with exact=true and without.
func parseRowFilter(text string, v *view.View) (*filter, error) {
	columns := slices.Clone(v.Dimensions)
	for _, f := range v.Source.Fields {
		if v.Dimension(f.Name) < 0 {
			columns = append(columns, view.Dimension{Name: f.Name, Type: f.Type})
		}
	}
	return (&filterParser{view: v, columns: columns, rows: true}).parse(text)
}

// parseOwnFilter reads a condition that the caller's rights limit, or that limits them: over rows as parseRowFilter, and over dimensions alone, as the fields of a
// source may tell of a row what no view shows.
func parseOwnFilter(text string, v *view.View) (*filter, error) {
	return (&filterParser{view: v, columns: v.Dimensions, rows: true, limited: true}).parse(text)
}

// rowSQL is the condition that a row passes, over the source's columns; "" where every row does. It is written anew from what was parsed: names
// are those of the view's definition, values are literals made from typed values, and no byte of the query's text is in it as it stood.
func (f *filter) rowSQL(plan *algebra.Plan) string {
	if f.root == nil {
		return ""
	}
	columns := make([]string, len(f.columns))
	for i := range columns {
		if i < len(plan.View.Dimensions) {
			columns[i] = plan.DimensionSQL(i)
		} else {
			columns[i] = `"` + strings.ReplaceAll(f.columns[i].Name, `"`, `""`) + `"`
		}
	}
	return f.root.sql(columns)
}

func (a allOf) sql(columns []string) string { return joinSQL(a, " AND ", columns) }
func (a anyOf) sql(columns []string) string { return joinSQL(a, " OR ", columns) }

func joinSQL(terms []predicate, word string, columns []string) string {
	list := make([]string, len(terms))
	for i, t := range terms {
		list[i] = t.sql(columns)
	}
	return "(" + strings.Join(list, word) + ")"
}

func (n notOf) sql(columns []string) string { return "(NOT " + n.inner.sql(columns) + ")" }

func (c comparison) sql(columns []string) string {
	signs := [...]string{equal: "=", notEqual: "<>", less: "<", lessOrEqual: "<=", greater: ">", greaterOrEqual: ">="}
	return fmt.Sprintf("(%s %s %s)", columns[c.dim], signs[c.op], rowLiteral(c.value))
}

func (o oneOf) sql(columns []string) string {
	literals := make([]string, len(o.values))
	for i, v := range o.values {
		literals[i] = rowLiteral(v)
	}
	return fmt.Sprintf("(%s IN (%s))", columns[o.dim], strings.Join(literals, ", "))
}

func (n nullTest) sql(columns []string) string {
	if n.negate {
		return "(" + columns[n.dim] + " IS NOT NULL)"
	}
	return "(" + columns[n.dim] + " IS NULL)"
}

// sql of a pattern is a regular expression: DuckDB's own LIKE takes a time that is exponential in the number of % once there is a _, and
// cannot be interrupted meanwhile.
func (p pattern) sql(columns []string) string {
	var expr strings.Builder
	expr.WriteString("(?s)")
	for _, r := range p.text {
		switch r {
		case '%':
			expr.WriteString(".*")
		case '_':
			expr.WriteString(".")
		case 0:
			expr.WriteString(`\x{0}`)
		default:
			expr.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return fmt.Sprintf("regexp_full_match(%s, %s)", columns[p.dim], algebra.TextSQL(expr.String()))
}

// rowLiteral is a value as SQL that has the value's type whatever its size: times as microseconds, dates as days, which have no year that a
// text could not say.
func rowLiteral(v algebra.Value) string {
	switch v.Kind() {
	case view.Timestamp:
		return fmt.Sprintf("make_timestamp(%d)", v.Int64())
	case view.Date:
		return fmt.Sprintf("(DATE '1970-01-01' + %d)", v.Int64())
	}
	return v.SQL()
}

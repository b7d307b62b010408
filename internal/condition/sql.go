package condition

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// SQL joins the conditions.
func (a AllOf) SQL(columns []string) string { return joinSQL(a, " AND ", columns) }

// SQL joins the conditions.
func (a AnyOf) SQL(columns []string) string { return joinSQL(a, " OR ", columns) }

func joinSQL(terms []Node, word string, columns []string) string {
	list := make([]string, len(terms))
	for i, t := range terms {
		list[i] = t.SQL(columns)
	}
	return "(" + strings.Join(list, word) + ")"
}

func (n Not) SQL(columns []string) string { return "(NOT " + n.Inner.SQL(columns) + ")" }

// String is the sign in SQL.
func (o Operator) String() string {
	return [...]string{Equal: "=", NotEqual: "<>", Less: "<", LessOrEqual: "<=", Greater: ">", GreaterOrEqual: ">="}[o]
}

func (c Comparison) SQL(columns []string) string {
	return fmt.Sprintf("(%s %s %s)", columns[c.Column], c.Op, Literal(c.Value))
}

func (o OneOf) SQL(columns []string) string {
	literals := make([]string, len(o.Values))
	for i, v := range o.Values {
		literals[i] = Literal(v)
	}
	return fmt.Sprintf("(%s IN (%s))", columns[o.Column], strings.Join(literals, ", "))
}

func (n NullTest) SQL(columns []string) string {
	if n.Negate {
		return "(" + columns[n.Column] + " IS NOT NULL)"
	}
	return "(" + columns[n.Column] + " IS NULL)"
}

// SQL of a pattern is a regular expression: DuckDB's own LIKE takes a time that is exponential in the number of % once there is a _, and
// cannot be interrupted meanwhile.
func (p Pattern) SQL(columns []string) string {
	var expr strings.Builder
	expr.WriteString("(?s)")
	for _, r := range p.Text {
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
	return fmt.Sprintf("regexp_full_match(%s, %s)", columns[p.Column], algebra.TextSQL(expr.String()))
}

// Literal is a value as SQL that has the value's type whatever its size: times as microseconds, dates as days, which have no year that a
// text could not say.
func Literal(v algebra.Value) string {
	switch v.Kind() {
	case view.Timestamp:
		return fmt.Sprintf("make_timestamp(%d)", v.Int64())
	case view.Date:
		return fmt.Sprintf("(DATE '1970-01-01' + %d)", v.Int64())
	}
	return v.SQL()
}

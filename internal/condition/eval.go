package condition

import (
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// Truth is SQL's: comparing with null is neither true nor false. Nor is comparing with a value that stands for many.
type Truth uint8

// The three truths, in their order.
const (
	False Truth = iota
	Unknown
	True
)

func isUnclear(v algebra.Value) bool { return v.IsNull() || v.IsOther() }

func truthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Node is a part of a condition, over the values of its vocabulary's columns. Values are compared by algebra.Compare.
type Node interface {
	// Eval says whether it holds of values, which are as the columns.
	Eval(values []algebra.Value) Truth
	// SQL is the same of a row, as DuckDB reads it, over the columns' SQL.
	SQL(columns []string) string
	// each calls f with each column that is looked at.
	each(f func(column int))
}

// AllOf, AnyOf and Not combine conditions.
type (
	AllOf []Node
	AnyOf []Node
	Not   struct{ Inner Node }
)

func (a AllOf) Eval(values []algebra.Value) Truth {
	least := True
	for _, p := range a {
		if least = min(least, p.Eval(values)); least == False {
			break
		}
	}
	return least
}

func (a AnyOf) Eval(values []algebra.Value) Truth {
	most := False
	for _, p := range a {
		if most = max(most, p.Eval(values)); most == True {
			break
		}
	}
	return most
}

func (n Not) Eval(values []algebra.Value) Truth { return True - n.Inner.Eval(values) }

func (a AllOf) each(f func(int)) {
	for _, n := range a {
		n.each(f)
	}
}

func (a AnyOf) each(f func(int)) {
	for _, n := range a {
		n.each(f)
	}
}

func (n Not) each(f func(int))        { n.Inner.each(f) }
func (c Comparison) each(f func(int)) { f(c.Column) }
func (o OneOf) each(f func(int))      { f(o.Column) }
func (n NullTest) each(f func(int))   { f(n.Column) }
func (p Pattern) each(f func(int))    { f(p.Column) }

// Operator is a comparison of two values.
type Operator uint8

// The comparisons.
const (
	Equal Operator = iota
	NotEqual
	Less
	LessOrEqual
	Greater
	GreaterOrEqual
)

// comparisons are the signs of them.
var comparisons = map[string]Operator{"=": Equal, "!=": NotEqual, "<>": NotEqual, "<": Less, "<=": LessOrEqual, ">": Greater, ">=": GreaterOrEqual}

// Comparison compares a column with a value.
type Comparison struct {
	Column int
	Op     Operator
	Value  algebra.Value
}

func (c Comparison) Eval(values []algebra.Value) Truth {
	if isUnclear(values[c.Column]) {
		return Unknown
	}
	order := algebra.Compare(values[c.Column], c.Value)
	switch c.Op {
	case Equal:
		return truthOf(order == 0)
	case NotEqual:
		return truthOf(order != 0)
	case Less:
		return truthOf(order < 0)
	case LessOrEqual:
		return truthOf(order <= 0)
	case Greater:
		return truthOf(order > 0)
	}
	return truthOf(order >= 0)
}

// OneOf is membership in a list, sorted by algebra.Compare.
type OneOf struct {
	Column int
	Values []algebra.Value
}

func (o OneOf) sorted() OneOf {
	slices.SortFunc(o.Values, algebra.Compare)
	return o
}

func (o OneOf) Eval(values []algebra.Value) Truth {
	if isUnclear(values[o.Column]) {
		return Unknown
	}
	_, found := slices.BinarySearchFunc(o.Values, values[o.Column], algebra.Compare)
	return truthOf(found)
}

// NullTest is `is null`, or `is not null`.
type NullTest struct {
	Column int
	Negate bool
}

func (n NullTest) Eval(values []algebra.Value) Truth {
	return truthOf(values[n.Column].IsNull() != n.Negate)
}

// Pattern is SQL's like: % is any text, _ one letter.
type Pattern struct {
	Column int
	Text   []rune
}

func (p Pattern) Eval(values []algebra.Value) Truth {
	if isUnclear(values[p.Column]) {
		return Unknown
	}
	return truthOf(matches(p.Text, []rune(values[p.Column].Text())))
}

// matches tries the text after the last % one letter further on each failure, so that its time is at most the product of the lengths.
func matches(pattern, text []rune) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == '%':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '_' || pattern[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '%' {
		i++
	}
	return i == len(pattern)
}

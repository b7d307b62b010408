package serving

import (
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// truth is SQL's: comparing with null is neither true nor false. Nor is comparing with a value that stands for many.
type truth uint8

const (
	isFalse truth = iota
	isUnknown
	isTrue
)

func isUnclear(v algebra.Value) bool { return v.IsNull() || v.IsOther() }

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// predicate is a node of a filter, over the values of filter.columns: all dimensions of a view, and perhaps fields.
type predicate interface {
	eval(dims []algebra.Value) truth
	sql(columns []string) string // the same of a row, over the columns' SQL; see filter.rowSQL
}

type (
	allOf []predicate
	anyOf []predicate
	notOf struct{ inner predicate }
)

func (a allOf) eval(dims []algebra.Value) truth {
	least := isTrue
	for _, p := range a {
		if least = min(least, p.eval(dims)); least == isFalse {
			break
		}
	}
	return least
}

func (a anyOf) eval(dims []algebra.Value) truth {
	most := isFalse
	for _, p := range a {
		if most = max(most, p.eval(dims)); most == isTrue {
			break
		}
	}
	return most
}

func (n notOf) eval(dims []algebra.Value) truth { return isTrue - n.inner.eval(dims) }

type operator uint8

const (
	equal operator = iota
	notEqual
	less
	lessOrEqual
	greater
	greaterOrEqual
)

var comparisons = map[string]operator{"=": equal, "!=": notEqual, "<>": notEqual, "<": less, "<=": lessOrEqual, ">": greater, ">=": greaterOrEqual}

type comparison struct {
	dim   int
	op    operator
	value algebra.Value
}

func (c comparison) eval(dims []algebra.Value) truth {
	if isUnclear(dims[c.dim]) {
		return isUnknown
	}
	order := algebra.Compare(dims[c.dim], c.value)
	switch c.op {
	case equal:
		return truthOf(order == 0)
	case notEqual:
		return truthOf(order != 0)
	case less:
		return truthOf(order < 0)
	case lessOrEqual:
		return truthOf(order <= 0)
	case greater:
		return truthOf(order > 0)
	}
	return truthOf(order >= 0)
}

// oneOf is membership in a list, sorted by Compare.
type oneOf struct {
	dim    int
	values []algebra.Value
}

func (o oneOf) sorted() oneOf {
	slices.SortFunc(o.values, algebra.Compare)
	return o
}

func (o oneOf) eval(dims []algebra.Value) truth {
	if isUnclear(dims[o.dim]) {
		return isUnknown
	}
	_, found := slices.BinarySearchFunc(o.values, dims[o.dim], algebra.Compare)
	return truthOf(found)
}

type nullTest struct {
	dim    int
	negate bool
}

func (n nullTest) eval(dims []algebra.Value) truth {
	return truthOf(dims[n.dim].IsNull() != n.negate)
}

// pattern is SQL's like: % is any text, _ one letter.
type pattern struct {
	dim  int
	text []rune
}

func (p pattern) eval(dims []algebra.Value) truth {
	if isUnclear(dims[p.dim]) {
		return isUnknown
	}
	return truthOf(matches(p.text, []rune(dims[p.dim].Text())))
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

package condition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Conditions over arrays are of rows, which DuckDB reads: values of cells have none of them.

// Contains says whether an array has an element.
type Contains struct {
	Column  int
	Element view.Type
	Value   algebra.Value
}

// Eval does not know: see above.
func (c Contains) Eval([]algebra.Value) Truth { return Unknown }

func (c Contains) each(f func(int)) { f(c.Column) }

// SQL looks for a value of the elements' own type.
func (c Contains) SQL(columns []string) string {
	return fmt.Sprintf("list_contains(%s, CAST(%s AS %s))", columns[c.Column], Literal(c.Value), c.Element.SQL())
}

// Length compares how many elements an array has.
type Length struct {
	Column int
	Op     Operator
	Value  algebra.Value
}

// Eval does not know: see above.
func (l Length) Eval([]algebra.Value) Truth { return Unknown }

func (l Length) each(f func(int)) { f(l.Column) }

// SQL compares the length.
func (l Length) SQL(columns []string) string {
	return fmt.Sprintf("(len(%s) %s %s)", columns[l.Column], l.Op, Literal(l.Value))
}

// function reads contains(column, value), or length(column) and a comparison. ok: the name, which was taken, is one of them and a bracket follows.
func (p *parser) function(name token) (n Node, ok bool, err error) {
	length := name.keyword("length") || name.keyword("len")
	if !length && !name.keyword("contains") || !p.acceptSign("(") {
		return nil, false, nil
	}
	n, err = p.ofArray(name, length)
	return n, true, err
}

func (p *parser) ofArray(name token, length bool) (Node, error) {
	t := p.take()
	d := slices.IndexFunc(p.words.Columns, func(c view.Column) bool { return c.Name == t.text })
	switch {
	case t.kind != tokenName:
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where a %s is expected", t, p.words.Noun), Suggestion: fmt.Sprintf("write %s(%s, …)", name.text, p.words.Noun)}
	case d < 0:
		return nil, p.unknown(t)
	case p.words.Columns[d].Type.Kind != view.List:
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s looks at arrays, and %s is %s", name.text, t.text, p.words.Columns[d].Type), Suggestion: "use =, <, >, in or like"}
	}
	if length {
		if err := p.bracket(")", fmt.Sprintf("write: length(%s) > 1", t.text)); err != nil {
			return nil, err
		}
		sign := p.take()
		op, ok := comparisons[sign.text]
		if sign.kind != tokenSign || !ok {
			return nil, &Mistake{At: sign.at, Reason: fmt.Sprintf("%s stands where a comparison is expected", sign), Suggestion: fmt.Sprintf("write: length(%s) > 1", t.text)}
		}
		v, err := p.valueOf(view.Column{Name: "length(" + t.text + ")", Type: view.Type{Kind: view.Int64}})
		return Length{d, op, v}, err
	}
	mend := fmt.Sprintf("write: contains(%s, 'value')", t.text)
	if err := p.bracket(",", mend); err != nil {
		return nil, err
	}
	of := p.words.Columns[d].Type.Element()
	v, err := p.valueOf(view.Column{Name: "an element of " + t.text, Type: of})
	if err != nil {
		return nil, err
	}
	return Contains{d, of, v}, p.bracket(")", mend)
}

// bracket takes a sign that has to come.
func (p *parser) bracket(sign, mend string) error {
	if t := p.peek(); !p.acceptSign(sign) {
		return &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where %s is expected", t, sign), Suggestion: mend}
	}
	return nil
}

// noTest refuses what asks an array as if it were one value.
func noTest(t token, c view.Column) error {
	return &Mistake{At: t.at, Reason: fmt.Sprintf("%s is %s, which is not one value", c.Name, c.Type), Suggestion: strings.ReplaceAll("write contains(x, …), length(x) > 1, or x is null", "x", c.Name)}
}

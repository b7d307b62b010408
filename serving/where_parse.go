package serving

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// filter is a condition over a view's dimensions, or over them and its source's fields (see parseRowFilter).
type filter struct {
	root    predicate        // nil: everything passes
	dims    uint32           // bit i: dimension i is looked at; of a condition over dimensions alone
	columns []view.Dimension // what may be looked at, in the order that predicates number it: the dimensions first
	text    string           // as it was written
}

// passes says whether the condition is true of a cell. What is unknown, because a value is null, does not pass, as in SQL.
func (f *filter) passes(dims []algebra.Value) bool {
	return f.root == nil || f.root.eval(dims) == isTrue
}

// parseFilter reads a condition:
//
//	condition  = and { "or" and } .   and = not { "and" not } .   not = { "not" } primary .
//	primary    = "(" condition ")" | dimension test .
//	test       = ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value
//	           | [ "not" ] "in" "(" value { "," value } ")" | [ "not" ] "like" value | "is" [ "not" ] "null" .
//	value      = 'text' | number | "true" | "false" .
//
// Names that are no plain words are written in double quotes. Nothing of it ever becomes SQL. Mistakes are *filterError.
func parseFilter(text string, v *view.View) (*filter, error) {
	return (&filterParser{view: v, columns: v.Dimensions}).parse(text)
}

// parse reads the whole text.
func (p *filterParser) parse(text string) (*filter, error) {
	var err error
	if p.tokens, err = scanFilter(text); err != nil {
		return nil, err
	}
	if p.peek().kind == tokenEnd {
		return &filter{columns: p.columns, text: text}, nil
	}
	root, err := p.condition(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s is not expected here", t), suggestion: "combine conditions with and or or"}
	}
	return &filter{root: root, dims: p.dims, columns: p.columns, text: text}, nil
}

type filterParser struct {
	tokens  []token
	next    int
	view    *view.View
	columns []view.Dimension // see filter
	rows    bool             // the condition is over rows: the source's fields are among the columns
	limited bool             // though they are not, for a caller who may look at dimensions only
	dims    uint32
	values  int
}

func (p *filterParser) peek() token { return p.tokens[p.next] }

func (p *filterParser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

func (p *filterParser) accept(word string) bool {
	if p.peek().keyword(word) {
		p.next++
		return true
	}
	return false
}

func (p *filterParser) acceptSign(sign string) bool {
	if t := p.peek(); t.kind == tokenSign && t.text == sign {
		p.next++
		return true
	}
	return false
}

func (p *filterParser) condition(depth int) (predicate, error) {
	if depth > maxFilterDepth {
		return nil, &filterError{at: p.peek().at, reason: "the filter is nested too deeply", suggestion: fmt.Sprintf("at most %d levels are allowed", maxFilterDepth)}
	}
	var terms anyOf
	for {
		t, err := p.conjunction(depth)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if !p.accept("or") {
			break
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return terms, nil
}

func (p *filterParser) conjunction(depth int) (predicate, error) {
	var terms allOf
	for {
		t, err := p.negation(depth)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if !p.accept("and") {
			break
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return terms, nil
}

func (p *filterParser) negation(depth int) (predicate, error) {
	negate := false
	for p.accept("not") {
		negate = !negate
	}
	inner, err := p.primary(depth)
	if err != nil || !negate {
		return inner, err
	}
	return notOf{inner}, nil
}

func (p *filterParser) primary(depth int) (predicate, error) {
	if p.acceptSign("(") {
		inner, err := p.condition(depth + 1)
		if err != nil {
			return nil, err
		}
		if t := p.peek(); !p.acceptSign(")") {
			return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where ) is expected", t), suggestion: "close the parenthesis, or combine conditions with and or or"}
		}
		return inner, nil
	}
	t := p.take()
	if t.kind != tokenName {
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where a dimension is expected", t), suggestion: "write dimension = 'value'"}
	}
	d := slices.IndexFunc(p.columns, func(c view.Dimension) bool { return c.Name == t.text })
	if d < 0 {
		return nil, p.noDimension(t)
	}
	if d < len(p.view.Dimensions) {
		p.dims |= 1 << d
	}
	return p.test(d)
}

func (p *filterParser) noDimension(t token) error {
	known := make([]string, len(p.columns))
	for i := range known {
		known[i] = p.columns[i].Name
	}
	e := &filterError{at: t.at, reason: fmt.Sprintf("%q is no dimension of view %s", t.text, p.view.Name), nearest: nearest(t.text, known)}
	e.suggestion = suggestNames(e.nearest, known)
	switch {
	case p.limited:
		e.reason += ", and nothing else may be looked at here"
	case p.rows && p.view.Measure(t.text) >= 0:
		e.reason = fmt.Sprintf("%q is a measure; a filter looks at dimensions and fields only", t.text)
	case p.rows:
		e.reason += ", nor a field of its source"
	case p.view.Measure(t.text) >= 0:
		e.reason = fmt.Sprintf("%q is a measure; a filter looks at dimensions only", t.text)
	case p.view.Source != nil && p.view.Source.Field(t.text) >= 0:
		e.reason = fmt.Sprintf("%q is a field of the source but no dimension of view %s", t.text, p.view.Name)
		e.suggestion += "; or add exact=true, which looks at every field"
	case t.text == "time":
		e.reason, e.suggestion = "time is no dimension", "give the range as from and to"
	}
	return e
}

// test reads what is asked of column d.
func (p *filterParser) test(d int) (predicate, error) {
	t := p.take()
	if t.kind == tokenSign {
		if op, ok := comparisons[t.text]; ok {
			v, err := p.value(d)
			if err != nil {
				return nil, err
			}
			return comparison{d, op, v}, nil
		}
	}
	if t.keyword("is") {
		negate := p.accept("not")
		if n := p.take(); !n.keyword("null") {
			return nil, &filterError{at: n.at, reason: fmt.Sprintf("%s stands where null is expected", n), suggestion: "write: is null, or: is not null"}
		}
		return nullTest{d, negate}, nil
	}
	negate := t.keyword("not")
	if negate {
		t = p.take()
	}
	var inner predicate
	var err error
	switch {
	case t.keyword("in"):
		inner, err = p.membership(d)
	case t.keyword("like"):
		inner, err = p.like(d)
	default:
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where a comparison is expected", t), suggestion: "use =, !=, <, <=, >, >=, in, not in, like, is null or is not null"}
	}
	if err != nil || !negate {
		return inner, err
	}
	return notOf{inner}, nil
}

func (p *filterParser) membership(d int) (predicate, error) {
	if t := p.take(); t.kind != tokenSign || t.text != "(" {
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where ( is expected", t), suggestion: "write: in ('a', 'b')"}
	}
	m := oneOf{dim: d}
	for {
		v, err := p.value(d)
		if err != nil {
			return nil, err
		}
		m.values = append(m.values, v)
		t := p.take()
		if t.kind == tokenSign && t.text == ")" {
			return m.sorted(), nil
		}
		if t.kind != tokenSign || t.text != "," {
			return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where , or ) is expected", t), suggestion: "write: in ('a', 'b')"}
		}
	}
}

func (p *filterParser) like(d int) (predicate, error) {
	if c := p.columns[d]; c.Type.Kind != view.String {
		return nil, &filterError{at: p.peek().at, reason: fmt.Sprintf("like works on text, and %s is %s", c.Name, c.Type), suggestion: "use =, <, > or in"}
	}
	t := p.take()
	if t.kind != tokenText {
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("%s stands where a pattern is expected", t), suggestion: "write: like 'A%'; % is any text, _ one letter"}
	}
	if letters := utf8.RuneCountInString(t.text); p.rows && letters > maxRowPattern {
		return nil, &filterError{at: t.at, reason: fmt.Sprintf("the pattern has %d letters", letters), suggestion: fmt.Sprintf("at most %d are allowed with exact=true", maxRowPattern)}
	}
	return pattern{d, []rune(t.text)}, nil
}

func (p *filterParser) value(d int) (algebra.Value, error) {
	t := p.take()
	if p.values++; p.values > maxFilterValues {
		return algebra.Value{}, &filterError{at: t.at, reason: "the filter has too many values", suggestion: fmt.Sprintf("at most %d are allowed", maxFilterValues)}
	}
	return literal(t, p.columns[d])
}

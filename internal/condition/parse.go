// Package condition reads conditions such as `revenue > 5000 and country in ('France', 'Spain')` over named, typed columns: those of a query's
// where over dimensions, of having over measures, and of alerts. A condition is parsed and typed here and never becomes SQL as it was written.
package condition

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/suggest"
	"github.com/caudal/caudal/internal/view"
)

// Vocabulary is what a condition may look at, and how mistakes speak of it.
type Vocabulary struct {
	Columns    []view.Column
	Noun       string // what a column is called: dimension, measure
	Of         string // whose columns they are, such as "view sales"
	MaxPattern int    // letters of a like pattern at most; 0: as many as the condition has
	// Explain adds to a mistake what is known of a name that is no column here; nil: nothing is.
	Explain func(m *Mistake, name string)
}

// Condition is one that was read. The zero Condition is empty: everything passes.
type Condition struct {
	Root Node   // nil: everything passes
	Text string // as it was written
}

// Passes says whether the condition is true of values, which are as the vocabulary's columns. What is unknown, because a value is null, does not
// pass, as in SQL.
func (c *Condition) Passes(values []algebra.Value) bool {
	return c.Root == nil || c.Root.Eval(values) == True
}

// Columns lists the columns that are looked at, ascending.
func (c *Condition) Columns() []int {
	var list []int
	if c.Root != nil {
		c.Root.each(func(column int) { list = append(list, column) })
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Required are the conditions that have to hold whatever the rest says.
func (c *Condition) Required() []Node {
	switch root := c.Root.(type) {
	case nil:
		return nil
	case AllOf:
		return root
	}
	return []Node{c.Root}
}

// And is the condition that both hold, over the same vocabulary. Its text is that of c.
func (c *Condition) And(other *Condition) *Condition {
	if other.Root == nil {
		return c
	}
	return &Condition{Root: AllOf(append(slices.Clone(other.Required()), c.Required()...)), Text: c.Text}
}

// Parse reads a condition:
//
//	condition  = and { "or" and } .   and = not { "and" not } .   not = { "not" } primary .
//	primary    = "(" condition ")" | column test | array .
//	array      = "contains" "(" column "," value ")" | ( "length" | "len" ) "(" column ")" ( "=" | … ) value | column "is" [ "not" ] "null" .
//	test       = ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value
//	           | [ "not" ] "in" "(" value { "," value } ")" | [ "not" ] "like" value | "is" [ "not" ] "null" .
//	value      = 'text' | number | "true" | "false" .
//
// Names that are no plain words are written in double quotes. Mistakes are *Mistake.
func Parse(text string, words Vocabulary) (*Condition, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, words: words}
	if p.peek().kind == tokenEnd {
		return &Condition{Text: text}, nil
	}
	root, err := p.condition(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s is not expected here", t), Suggestion: "combine conditions with and or or"}
	}
	return &Condition{Root: root, Text: text}, nil
}

type parser struct {
	tokens []token
	next   int
	words  Vocabulary
	values int
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

func (p *parser) accept(word string) bool {
	if p.peek().keyword(word) {
		p.next++
		return true
	}
	return false
}

func (p *parser) acceptSign(sign string) bool {
	if t := p.peek(); t.kind == tokenSign && t.text == sign {
		p.next++
		return true
	}
	return false
}

func (p *parser) condition(depth int) (Node, error) {
	if depth > maxDepth {
		return nil, &Mistake{At: p.peek().at, Reason: "the condition is nested too deeply", Suggestion: fmt.Sprintf("at most %d levels are allowed", maxDepth)}
	}
	var terms AnyOf
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

func (p *parser) conjunction(depth int) (Node, error) {
	var terms AllOf
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

func (p *parser) negation(depth int) (Node, error) {
	negate := false
	for p.accept("not") {
		negate = !negate
	}
	inner, err := p.primary(depth)
	if err != nil || !negate {
		return inner, err
	}
	return Not{inner}, nil
}

func (p *parser) primary(depth int) (Node, error) {
	if p.acceptSign("(") {
		inner, err := p.condition(depth + 1)
		if err != nil {
			return nil, err
		}
		if t := p.peek(); !p.acceptSign(")") {
			return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where ) is expected", t), Suggestion: "close the parenthesis, or combine conditions with and or or"}
		}
		return inner, nil
	}
	t := p.take()
	if t.kind != tokenName {
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where a %s is expected", t, p.words.Noun), Suggestion: fmt.Sprintf("write %s = 'value'", p.words.Noun)}
	}
	if n, ok, err := p.function(t); ok {
		return n, err
	}
	d := slices.IndexFunc(p.words.Columns, func(c view.Column) bool { return c.Name == t.text })
	if d < 0 {
		return nil, p.unknown(t)
	}
	return p.test(d)
}

func (p *parser) unknown(t token) error {
	known := make([]string, len(p.words.Columns))
	for i := range known {
		known[i] = p.words.Columns[i].Name
	}
	m := &Mistake{At: t.at, Reason: fmt.Sprintf("%q is no %s of %s", t.text, p.words.Noun, p.words.Of), Nearest: suggest.Nearest(t.text, known)}
	m.Suggestion = suggest.Names(m.Nearest, known)
	if p.words.Explain != nil {
		p.words.Explain(m, t.text)
	}
	return m
}

// test reads what is asked of column d.
func (p *parser) test(d int) (Node, error) {
	t := p.take()
	if c := p.words.Columns[d]; c.Type.Kind == view.List && !t.keyword("is") {
		return nil, noTest(t, c)
	}
	if t.kind == tokenSign {
		if op, ok := comparisons[t.text]; ok {
			v, err := p.value(d)
			if err != nil {
				return nil, err
			}
			return Comparison{d, op, v}, nil
		}
	}
	if t.keyword("is") {
		negate := p.accept("not")
		if n := p.take(); !n.keyword("null") {
			return nil, &Mistake{At: n.at, Reason: fmt.Sprintf("%s stands where null is expected", n), Suggestion: "write: is null, or: is not null"}
		}
		return NullTest{d, negate}, nil
	}
	negate := t.keyword("not")
	if negate {
		t = p.take()
	}
	var inner Node
	var err error
	switch {
	case t.keyword("in"):
		inner, err = p.membership(d)
	case t.keyword("like"):
		inner, err = p.like(d)
	default:
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where a comparison is expected", t), Suggestion: "use =, !=, <, <=, >, >=, in, not in, like, is null or is not null"}
	}
	if err != nil || !negate {
		return inner, err
	}
	return Not{inner}, nil
}

func (p *parser) membership(d int) (Node, error) {
	if t := p.take(); t.kind != tokenSign || t.text != "(" {
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where ( is expected", t), Suggestion: "write: in ('a', 'b')"}
	}
	m := OneOf{Column: d}
	for {
		v, err := p.value(d)
		if err != nil {
			return nil, err
		}
		m.Values = append(m.Values, v)
		t := p.take()
		if t.kind == tokenSign && t.text == ")" {
			return m.sorted(), nil
		}
		if t.kind != tokenSign || t.text != "," {
			return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where , or ) is expected", t), Suggestion: "write: in ('a', 'b')"}
		}
	}
}

func (p *parser) like(d int) (Node, error) {
	if c := p.words.Columns[d]; c.Type.Kind != view.String {
		return nil, &Mistake{At: p.peek().at, Reason: fmt.Sprintf("like works on text, and %s is %s", c.Name, c.Type), Suggestion: "use =, <, > or in"}
	}
	t := p.take()
	if t.kind != tokenText {
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("%s stands where a pattern is expected", t), Suggestion: "write: like 'A%'; % is any text, _ one letter"}
	}
	if letters := utf8.RuneCountInString(t.text); p.words.MaxPattern > 0 && letters > p.words.MaxPattern {
		return nil, &Mistake{At: t.at, Reason: fmt.Sprintf("the pattern has %d letters", letters), Suggestion: fmt.Sprintf("at most %d are allowed with exact=true", p.words.MaxPattern)}
	}
	return Pattern{d, []rune(t.text)}, nil
}

func (p *parser) value(d int) (algebra.Value, error) { return p.valueOf(p.words.Columns[d]) }

// valueOf reads a value of a column's type.
func (p *parser) valueOf(c view.Column) (algebra.Value, error) {
	t := p.take()
	if p.values++; p.values > maxValues {
		return algebra.Value{}, &Mistake{At: t.at, Reason: "the condition has too many values", Suggestion: fmt.Sprintf("at most %d are allowed", maxValues)}
	}
	return literal(t, c)
}

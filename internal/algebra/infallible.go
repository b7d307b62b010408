package algebra

import (
	"regexp"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// token takes SQL apart as far as infallible understands it.
var token = regexp.MustCompile(`\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?|<=|>=|<>|!=|==|[=<>()]|.`)

// bareColumn is the field that an expression consists of, or nil.
func bareColumn(src *view.Source, expr string) *view.Field {
	name := strings.TrimSpace(expr)
	if len(name) > 2 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	for i := range src.Fields {
		if strings.EqualFold(src.Fields[i].Name, name) {
			return &src.Fields[i]
		}
	}
	return nil
}

// infallible says whether a condition can be evaluated on any event without an error. It understands comparisons of a column with a
// literal or a column of the same type, IS [NOT] NULL, AND, OR, NOT and brackets; for everything else the answer is no, which costs
// time and changes no result.
func infallible(src *view.Source, expr string) bool {
	var tokens []string
	for _, t := range token.FindAllString(expr, -1) {
		if strings.TrimSpace(t) != "" {
			tokens = append(tokens, t)
		}
	}
	c := condition{src: src, rest: tokens}
	return c.or() && len(c.rest) == 0
}

// condition is a recursive-descent recogniser; each method says whether it recognised and consumed its rule.
type condition struct {
	src  *view.Source
	rest []string
}

func (c *condition) peek() string {
	if len(c.rest) == 0 {
		return ""
	}
	return strings.ToUpper(c.rest[0])
}

func (c *condition) accept(word string) bool {
	if c.peek() != word {
		return false
	}
	c.rest = c.rest[1:]
	return true
}

func (c *condition) or() bool {
	for {
		if !c.and() {
			return false
		}
		if !c.accept("OR") {
			return true
		}
	}
}

func (c *condition) and() bool {
	for {
		if !c.term() {
			return false
		}
		if !c.accept("AND") {
			return true
		}
	}
}

func (c *condition) term() bool {
	if c.accept("NOT") {
		return c.term()
	}
	if c.accept("(") {
		return c.or() && c.accept(")")
	}
	left, ok := c.operand()
	if !ok {
		return false
	}
	if c.accept("IS") {
		c.accept("NOT")
		return c.accept("NULL")
	}
	switch c.peek() {
	case "=", "==", "<>", "!=", "<", "<=", ">", ">=":
		c.rest = c.rest[1:]
		right, ok := c.operand()
		return ok && (left.field || right.field) && left.t == right.t
	}
	return left.field && left.t.Kind == view.Bool
}

// operand is a column or a literal. Numbers of up to 18 digits are all of one type here: comparing two of them never overflows.
type operand struct {
	t     view.Type
	field bool
}

func (c *condition) operand() (operand, bool) {
	if len(c.rest) == 0 {
		return operand{}, false
	}
	text := c.rest[0]
	number := view.Type{Kind: view.Int64}
	if text[0] == '\'' {
		c.rest = c.rest[1:]
		return operand{t: view.Type{Kind: view.String}}, true
	}
	if text[0] >= '0' && text[0] <= '9' {
		c.rest = c.rest[1:]
		return operand{t: number}, len(text) <= 9
	}
	f := bareColumn(c.src, text)
	if f == nil {
		return operand{}, false
	}
	c.rest = c.rest[1:]
	t := f.Type
	if t.Kind == view.Double || t.Kind == view.Decimal && t.Precision <= 18 {
		t = number
	}
	return operand{t: t, field: true}, true
}

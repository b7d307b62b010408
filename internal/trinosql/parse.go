package trinosql

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// parser is a precedence climber that types and writes what it reads.
type parser struct {
	columns []view.Column
	tokens  []token
}

func (p *parser) peek() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	return p.tokens[0]
}

func (p *parser) next() token {
	t := p.peek()
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept takes words or symbols if they come next, all of them.
func (p *parser) accept(texts ...string) bool {
	if len(p.tokens) < len(texts) {
		return false
	}
	for i, want := range texts {
		if t := p.tokens[i]; t.kind != word && t.kind != symbol || t.text != want {
			return false
		}
	}
	p.tokens = p.tokens[len(texts):]
	return true
}

func (p *parser) expect(what string) error {
	if p.accept(what) {
		return nil
	}
	return &Error{What: fmt.Sprintf("the translation to Trino expects %q before %q", what, p.peek().text)}
}

// The levels of precedence, loosest first, as DuckDB's grammar has them.
const (
	levelOr = iota + 1
	levelAnd
	levelNot
	levelIs
	levelCompare
	levelBetween
	levelOther // ||
	levelAdd
	levelMultiply
)

// expression reads operators of at least a level.
func (p *parser) expression(least int) (Expr, error) {
	left, err := p.prefix()
	for err == nil {
		before := len(p.tokens)
		if left, err = p.operator(left, least); len(p.tokens) == before {
			break
		}
	}
	return left, err
}

// operator reads one operator behind left, if it is of at least a level.
func (p *parser) operator(left Expr, least int) (Expr, error) {
	for _, o := range []struct {
		text  string
		level int
		make  func(op string, a, b Expr) (Expr, error)
	}{
		{"or", levelOr, junction}, {"and", levelAnd, junction},
		{"=", levelCompare, compare}, {"==", levelCompare, compare}, {"<>", levelCompare, compare}, {"!=", levelCompare, compare},
		{"<=", levelCompare, compare}, {">=", levelCompare, compare}, {"<", levelCompare, compare}, {">", levelCompare, compare},
		{"||", levelOther, concatenate}, {"//", levelMultiply, wholeDivide},
		{"+", levelAdd, add}, {"-", levelAdd, add}, {"*", levelMultiply, multiply}, {"/", levelMultiply, divide}, {"%", levelMultiply, wholeDivide},
	} {
		if o.level >= least && p.accept(o.text) {
			right, err := p.expression(o.level + 1)
			if err != nil {
				return Expr{}, err
			}
			return o.make(o.text, left, right)
		}
	}
	switch {
	case levelIs >= least && p.accept("is"):
		return p.is(left)
	case levelBetween >= least && p.accept("not", "between"):
		e, err := p.between(left)
		return negate(e, err)
	case levelBetween >= least && p.accept("between"):
		return p.between(left)
	case levelBetween >= least && p.accept("not", "in"):
		e, err := p.in(left)
		return negate(e, err)
	case levelBetween >= least && p.accept("in"):
		return p.in(left)
	case levelBetween >= least && p.accept("not", "like"):
		e, err := p.like(left)
		return negate(e, err)
	case levelBetween >= least && p.accept("like"):
		return p.like(left)
	case p.accept("::"):
		return p.castTo(left)
	case p.accept("["):
		return p.elementAt(left)
	}
	return left, nil
}

// prefix reads an operand with what stands before it.
func (p *parser) prefix() (Expr, error) {
	switch t := p.next(); {
	case t.kind == textual:
		return Expr{SQL: sqltext.Text(t.text), Type: view.Type{Kind: view.String}}, nil
	case t.kind == number:
		return literal(t.text)
	case t.kind == quotedName:
		return p.column(t.text)
	case t.kind == symbol && t.text == "(":
		e, err := p.expression(0)
		if err == nil {
			err = p.expect(")")
		}
		e.SQL = "(" + e.SQL + ")"
		return e, err
	case t.kind == symbol && (t.text == "-" || t.text == "+"):
		e, err := p.expression(levelMultiply + 1)
		if err != nil || t.text == "+" {
			return e, err
		}
		return minus(e)
	case t.kind == word:
		return p.named(t.text)
	default:
		return Expr{}, &Error{What: fmt.Sprintf("%q is not known to the translation to Trino", t.text)}
	}
}

// named reads what begins with a word.
func (p *parser) named(name string) (Expr, error) {
	boolean := view.Type{Kind: view.Bool}
	switch {
	case name == "true" || name == "false":
		return Expr{SQL: strings.ToUpper(name), Type: boolean}, nil
	case name == "null":
		return Expr{SQL: "NULL"}, nil
	case name == "not":
		e, err := p.expression(levelNot)
		return negate(e, err)
	case name == "case":
		return p.caseWhen()
	case name == "cast" && p.accept("("):
		e, err := p.expression(0)
		if err == nil {
			err = p.expect("as")
		}
		if err != nil {
			return Expr{}, err
		}
		if e, err = p.castTo(e); err == nil {
			err = p.expect(")")
		}
		return e, err
	case (name == "date" || name == "timestamp") && p.peek().kind == textual:
		return moment(name, p.next().text)
	case p.accept("("):
		return p.call(name)
	}
	return p.column(name)
}

func (p *parser) column(name string) (Expr, error) {
	for _, c := range p.columns {
		if !strings.EqualFold(c.Name, name) {
			continue
		}
		if c.Type.Kind == view.Int128 || c.Type.Kind == view.Array {
			return Expr{}, &Error{What: fmt.Sprintf("column %s is of a type that Trino has not", name)}
		}
		return Expr{SQL: sqltext.Name(c.Name), Type: c.Type}, nil
	}
	return Expr{}, &Error{What: fmt.Sprintf("%q is no column, and not known to the translation to Trino", name)}
}

// literal is a number, of the type that DuckDB gives it.
func literal(s string) (Expr, error) {
	if strings.ContainsAny(s, "eE") {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return Expr{}, &Error{What: s + " is no double"}
		}
		return Expr{SQL: strconv.FormatFloat(x, 'E', -1, 64), Type: view.Type{Kind: view.Double}, never0: x != 0}, nil
	}
	whole, fraction, pointed := strings.Cut(s, ".")
	value, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Expr{}, &Error{What: s + " is no number"}
	}
	e := Expr{SQL: s, never0: value.Sign() != 0}
	switch {
	case !pointed && value.IsInt64():
		e.Type, e.small = view.Type{Kind: view.Int64}, value.Int64() <= 1<<31-1
		if e.small {
			e.SQL = value.String()
		} else {
			e.SQL = "BIGINT '" + value.String() + "'"
		}
	case len(whole) == 0 || whole != "0" && whole[0] == '0' || len(fraction) == 0 || len(whole)+len(fraction) > 38:
		return Expr{}, &Error{What: s + " is a number of which DuckDB and Trino may count other digits", Mend: "write it with one digit before the point at least, no leading zeros, and 38 digits at most"}
	case whole == "0": // DuckDB counts no digit for it
		e.Type = view.Type{Kind: view.Decimal, Precision: uint8(len(fraction) + 1), Scale: uint8(len(fraction))}
		e.SQL = fmt.Sprintf("CAST(%s AS %s)", s, TypeSQL(e.Type))
	default:
		e.Type = view.Type{Kind: view.Decimal, Precision: uint8(len(whole) + len(fraction)), Scale: uint8(len(fraction))}
	}
	return e, nil
}

// moment is a literal DATE or TIMESTAMP.
func moment(name, s string) (Expr, error) {
	t, written := view.Type{Kind: view.Date}, "2006-01-02"
	layouts := []string{"2006-01-02"}
	if name == "timestamp" {
		t.Kind, written, layouts = view.Timestamp, "2006-01-02 15:04:05.000000", []string{"2006-01-02 15:04:05.999999", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, s); err == nil {
			return Expr{SQL: fmt.Sprintf("CAST(%s '%s' AS %s)", strings.ToUpper(name), at.Format(written), TypeSQL(t)), Type: t}, nil
		}
	}
	return Expr{}, &Error{What: fmt.Sprintf("%s '%s' is not known to the translation to Trino", strings.ToUpper(name), s), Mend: "write 2006-01-02, or 2006-01-02 15:04:05"}
}

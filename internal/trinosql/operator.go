package trinosql

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// narrowDigits is up to how many digits DuckDB keeps a decimal in 64 bits: it reports an overflow rather than leave them.
const narrowDigits = 18

func boolean(sql string, of ...Expr) Expr {
	e := Expr{SQL: sql, Type: view.Type{Kind: view.Bool}}
	for _, o := range of {
		e.fallible = e.fallible || o.fallible
	}
	return e
}

// negate is NOT of what was read.
func negate(e Expr, err error) (Expr, error) {
	if err == nil && e.Type.Kind != view.Bool && e.Type.Kind != view.Invalid {
		err = &Error{What: fmt.Sprintf("NOT is of a %s", e.Type), Mend: "write a comparison"}
	}
	if err != nil {
		return Expr{}, err
	}
	return boolean("(NOT "+e.SQL+")", e), nil
}

// steady refuses operands that may fail where DuckDB evaluates all of them, and Trino only as many as decide.
func steady(op string, operands ...Expr) error {
	for _, e := range operands {
		if e.fallible {
			return &Error{What: "an operand of " + op + " may overflow: DuckDB looks at all of them, Trino at as many as decide",
				Mend: "move it out of " + op + ", compute in doubles or wider decimals, or use CASE WHEN"}
		}
	}
	return nil
}

// junction is AND and OR.
func junction(op string, a, b Expr) (Expr, error) {
	op = strings.ToUpper(op)
	for _, e := range []Expr{a, b} {
		if e.Type.Kind != view.Bool && e.Type.Kind != view.Invalid {
			return Expr{}, &Error{What: fmt.Sprintf("%s is of a %s", op, e.Type), Mend: "write a comparison"}
		}
	}
	return boolean("("+a.SQL+" "+op+" "+b.SQL+")", a, b), steady(op, a, b)
}

// binary writes an operator between its operands. Where the left one is null Trino does not look at the right one, which DuckDB reports where
// it fails; so that Trino, too, finds out, it is written into an array first.
func binary(a Expr, op string, b Expr) string {
	sql := "(" + a.SQL + " " + op + " " + b.SQL + ")"
	if b.fallible {
		return "(CASE WHEN ARRAY[" + b.SQL + "] IS NOT NULL THEN " + sql + " END)"
	}
	return sql
}

// compare is a comparison. Doubles that are no numbers, which the engines order otherwise, cannot come about: see divide.
func compare(op string, a, b Expr) (Expr, error) {
	if err := comparable(a, b); err != nil {
		return Expr{}, err
	}
	switch op {
	case "==":
		op = "="
	case "!=":
		op = "<>"
	}
	a, b = bothDouble(a, b)
	return boolean(binary(a, op, b), a, b), nil
}

func comparable(a, b Expr) error {
	switch {
	case a.Type.Kind == view.List || b.Type.Kind == view.List:
		return &Error{What: "arrays with nulls in them are compared otherwise by Trino than by DuckDB", Mend: "compare elements, tags[1] = …, or ask contains(tags, …)"}
	case a.Type == b.Type || a.Type.Kind == view.Invalid || b.Type.Kind == view.Invalid:
	case numeric(a.Type) && numeric(b.Type):
		if exact(a.Type) && exact(b.Type) {
			if x, y := decimalOf(a), decimalOf(b); max(digits(a), digits(b))+int(max(x.Scale, y.Scale)) > 38 {
				return &Error{What: fmt.Sprintf("a %s and a %s have no common type of 38 digits", a.Type, b.Type), Mend: "cast one of them"}
			}
		}
	default:
		return &Error{What: fmt.Sprintf("a %s is compared with a %s", a.Type, b.Type), Mend: "cast one of them; a time is written TIMESTAMP '2006-01-02 15:04:05'"}
	}
	return nil
}

// bothDouble casts the other operand where one is a double.
func bothDouble(a, b Expr) (Expr, Expr) {
	if numeric(a.Type) && numeric(b.Type) && (a.Type.Kind == view.Double || b.Type.Kind == view.Double) {
		return toDouble(a), toDouble(b)
	}
	return a, b
}

func toDouble(e Expr) Expr {
	if e.Type.Kind == view.Double {
		return e
	}
	return Expr{SQL: "CAST(" + e.SQL + " AS DOUBLE)", Type: view.Type{Kind: view.Double}, fallible: e.fallible, never0: e.never0}
}

// toDecimal casts an exact number, which may overflow where the decimal has fewer digits before the point.
func toDecimal(e Expr, precision, scale uint8) Expr {
	t := view.Type{Kind: view.Decimal, Precision: precision, Scale: scale}
	if e.Type == t {
		return e
	}
	return Expr{SQL: "CAST(" + e.SQL + " AS " + TypeSQL(t) + ")", Type: t, fallible: e.fallible || digits(e) > int(precision)-int(scale), never0: e.never0}
}

func numbers(op string, a, b Expr) error {
	if !numeric(a.Type) || !numeric(b.Type) {
		return &Error{What: fmt.Sprintf("%s is of a %s and a %s", op, a.Type, b.Type), Mend: "give it numbers"}
	}
	return nil
}

// whole is an operation on integers, which both engines check for overflow.
func whole(op string, a, b Expr) Expr {
	small := a.small && b.small
	return Expr{SQL: binary(a, op, b), Type: a.Type, small: small, fallible: true}
}

// add is + and -.
func add(op string, a, b Expr) (Expr, error) {
	if err := numbers(op, a, b); err != nil {
		return Expr{}, err
	}
	switch {
	case a.Type.Kind == view.Double || b.Type.Kind == view.Double:
		a, b = bothDouble(a, b)
		return Expr{SQL: binary(a, op, b), Type: a.Type, fallible: a.fallible || b.fallible}, nil
	case a.Type.Kind == view.Int64 && b.Type.Kind == view.Int64:
		return whole(op, a, b), nil
	}
	x, y := decimalOf(a), decimalOf(b)
	scale := max(x.Scale, y.Scale)
	precision := max(x.Precision-x.Scale, y.Precision-y.Scale) + scale + 1
	t := view.Type{Kind: view.Decimal, Precision: precision, Scale: scale}
	capped := true
	switch {
	case precision > narrowDigits && max(x.Precision, y.Precision) <= narrowDigits:
		t.Precision = narrowDigits
	case precision > 38:
		t.Precision = 38
	default:
		capped = false
	}
	if !capped {
		return Expr{SQL: binary(toDecimal(a, x.Precision, x.Scale), op, toDecimal(b, y.Precision, y.Scale)), Type: t, fallible: a.fallible || b.fallible}, nil
	}
	// DuckDB casts both to the type of the sum first, which may overflow by itself
	sum := binary(toDecimal(a, t.Precision, scale), op, toDecimal(b, t.Precision, scale))
	return Expr{SQL: "CAST(" + sum + " AS " + TypeSQL(t) + ")", Type: t, fallible: true}, nil
}

func multiply(op string, a, b Expr) (Expr, error) {
	if err := numbers(op, a, b); err != nil {
		return Expr{}, err
	}
	switch {
	case a.Type.Kind == view.Double || b.Type.Kind == view.Double:
		a, b = bothDouble(a, b)
		return Expr{SQL: binary(a, "*", b), Type: a.Type, fallible: a.fallible || b.fallible}, nil
	case a.Type.Kind == view.Int64 && b.Type.Kind == view.Int64:
		return whole(op, a, b), nil
	}
	x, y := decimalOf(a), decimalOf(b)
	t := view.Type{Kind: view.Decimal, Precision: x.Precision + y.Precision, Scale: x.Scale + y.Scale}
	e := Expr{SQL: binary(toDecimal(a, x.Precision, x.Scale), "*", toDecimal(b, y.Precision, y.Scale)), fallible: a.fallible || b.fallible}
	switch {
	case t.Scale > 38:
		return Expr{}, &Error{What: fmt.Sprintf("the product of a %s and a %s has more than 38 digits behind the point", a.Type, b.Type), Mend: "cast one of them to fewer"}
	case t.Precision > narrowDigits && max(x.Precision, y.Precision) <= narrowDigits && t.Scale < narrowDigits:
		t.Precision, e.fallible = narrowDigits, true
		e.SQL = "CAST(" + e.SQL + " AS " + TypeSQL(t) + ")"
	case t.Precision > 38:
		t.Precision, e.fallible = 38, true
	}
	e.Type = t
	return e, nil
}

// divide is /, which is of doubles in DuckDB. A divisor that may be zero would make what is no number, or infinite: the engines compare
// such doubles otherwise.
func divide(op string, a, b Expr) (Expr, error) {
	if err := numbers(op, a, b); err != nil {
		return Expr{}, err
	}
	if !b.never0 {
		return Expr{}, &Error{What: "the divisor may be zero, which gives an infinite number that Trino compares and orders otherwise than DuckDB",
			Mend: "divide by nullif(…, 0)"}
	}
	a, b = toDouble(a), toDouble(b)
	return Expr{SQL: binary(a, "/", b), Type: a.Type, fallible: a.fallible || b.fallible}, nil
}

// wholeDivide is // and % of integers.
func wholeDivide(op string, a, b Expr) (Expr, error) {
	if a.Type.Kind != view.Int64 || b.Type.Kind != view.Int64 {
		return Expr{}, &Error{What: fmt.Sprintf("%s is of a %s and a %s", op, a.Type, b.Type), Mend: "give it integers"}
	}
	if !b.never0 || strings.HasPrefix(b.SQL, "(-") {
		return Expr{}, &Error{What: "the divisor of " + op + " may be zero or below, of which DuckDB makes null and Trino an error", Mend: "divide by a number that is written out, or by nullif(…, 0)"}
	}
	if op == "//" {
		op = "/"
	}
	e := whole(op, a, b)
	e.fallible = a.fallible || b.fallible
	return e, nil
}

func minus(e Expr) (Expr, error) {
	if !numeric(e.Type) {
		return Expr{}, &Error{What: fmt.Sprintf("- is of a %s", e.Type), Mend: "give it a number"}
	}
	e.SQL = "(- " + e.SQL + ")"
	if e.Type.Kind == view.Int64 && !e.never0 {
		e.fallible = true // -2^63 has no opposite; literals have one
	}
	return e, nil
}

// concatenate is || of texts.
func concatenate(op string, a, b Expr) (Expr, error) {
	if a.Type.Kind != view.String || b.Type.Kind != view.String {
		return Expr{}, &Error{What: fmt.Sprintf("%s is of a %s and a %s", op, a.Type, b.Type), Mend: "cast both to varchar"}
	}
	return Expr{SQL: binary(a, "||", b), Type: a.Type, fallible: a.fallible || b.fallible}, nil
}

// is reads what follows IS.
func (p *parser) is(left Expr) (Expr, error) {
	not := ""
	if p.accept("not") {
		not = "NOT "
	}
	switch {
	case p.accept("null"):
		return boolean("("+left.SQL+" IS "+not+"NULL)", left), nil
	case p.accept("distinct", "from"):
		right, err := p.expression(levelCompare + 1)
		if err == nil {
			err = comparable(left, right)
		}
		left, right = bothDouble(left, right)
		return boolean("("+left.SQL+" IS "+not+"DISTINCT FROM "+right.SQL+")", left, right), err
	}
	return Expr{}, &Error{What: fmt.Sprintf("IS %s%s is not known to the translation to Trino", not, strings.ToUpper(p.peek().text)), Mend: "write IS NULL, or a comparison"}
}

// between reads what follows BETWEEN.
func (p *parser) between(left Expr) (Expr, error) {
	low, err := p.expression(levelOther)
	if err == nil && !p.accept("and") {
		err = &Error{What: "BETWEEN has no AND"}
	}
	if err != nil {
		return Expr{}, err
	}
	high, err := p.expression(levelOther)
	if err != nil {
		return Expr{}, err
	}
	from, err := compare(">=", left, low)
	if err != nil {
		return Expr{}, err
	}
	to, err := compare("<=", left, high)
	if err != nil {
		return Expr{}, err
	}
	return boolean("("+from.SQL+" AND "+to.SQL+")", from, to), steady("BETWEEN", left, low, high)
}

// in reads the list that follows IN.
func (p *parser) in(left Expr) (Expr, error) {
	if err := p.expect("("); err != nil {
		return Expr{}, err
	}
	list, err := p.arguments()
	if err != nil {
		return Expr{}, err
	}
	texts := make([]string, len(list))
	for i, e := range list {
		if err := comparable(left, e); err != nil {
			return Expr{}, err
		}
		if left.Type.Kind == view.Double != (e.Type.Kind == view.Double) {
			return Expr{}, &Error{What: "IN compares doubles with exact numbers", Mend: "cast one side"}
		}
		texts[i] = e.SQL
	}
	return boolean("("+left.SQL+" IN ("+strings.Join(texts, ", ")+"))", append(list, left)...), steady("IN", append(list, left)...)
}

// like reads the pattern that follows LIKE.
func (p *parser) like(left Expr) (Expr, error) {
	pattern, err := p.expression(levelOther)
	if err == nil && p.accept("escape") {
		err = &Error{What: "LIKE with ESCAPE is not known to the translation to Trino", Mend: "use contains or starts_with"}
	}
	if err == nil && (left.Type.Kind != view.String || pattern.Type.Kind != view.String) {
		err = &Error{What: fmt.Sprintf("LIKE is of a %s and a %s", left.Type, pattern.Type), Mend: "cast both to varchar"}
	}
	return boolean(binary(left, "LIKE", pattern), left, pattern), err
}

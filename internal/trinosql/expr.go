// Package trinosql writes the expressions of definitions, which are DuckDB's SQL, in Trino's.
//
// It knows the part of SQL that both engines can be made to give the same meaning: for each node of an expression it knows the type that
// DuckDB gives it, and where Trino would give another, or would be right where DuckDB reports an overflow, it writes the casts that make
// them equal. What has no equal is refused, with what to write instead. It does no I/O.
package trinosql

import (
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// Error is why an expression cannot be written in Trino's SQL.
type Error struct {
	What string // what has no equal
	Mend string // what to write instead; "" where nobody knows
}

// Error says both.
func (e *Error) Error() string {
	if e.Mend == "" {
		return e.What
	}
	return e.What + ": " + e.Mend
}

// Expr is an expression in Trino's SQL.
type Expr struct {
	SQL  string
	Type view.Type // that DuckDB gives it; Invalid: of the literal NULL

	small    bool // DuckDB's INTEGER, of 32 bits, which literals have
	fallible bool // it may fail on some row
	never0   bool // it is never zero
}

// Translate writes an expression over columns in Trino's SQL. Its error is an *Error.
func Translate(columns []view.Column, expr string) (Expr, error) {
	tokens, err := scan(expr)
	if err != nil {
		return Expr{}, err
	}
	p := &parser{columns: columns, tokens: tokens}
	e, err := p.expression(0)
	if err != nil {
		return Expr{}, err
	}
	if t := p.peek(); t.kind != end {
		return Expr{}, &Error{What: fmt.Sprintf("%q is not known to the translation to Trino", t.text)}
	}
	return e, nil
}

// Cast writes the cast that definitions imply: of a measure's or a dimension's expression to its type.
func (e Expr) Cast(to view.Type) (Expr, error) {
	if to.Kind == view.Int128 {
		to = view.Type{Kind: view.Decimal, Precision: 38}
	}
	return cast(e, to, false)
}

// TypeSQL is a type as Trino writes it. 128-bit integers are decimals without a scale.
func TypeSQL(t view.Type) string {
	switch t.Kind {
	case view.Timestamp:
		return "TIMESTAMP(6)"
	case view.Int128:
		return "DECIMAL(38,0)"
	case view.List:
		return "ARRAY(" + TypeSQL(t.Element()) + ")"
	}
	return t.SQL()
}

// cast converts as DuckDB's CAST does.
func cast(e Expr, to view.Type, small bool) (Expr, error) {
	from := e.Type
	sql := TypeSQL(to)
	if small {
		sql = "INTEGER"
	}
	out := Expr{SQL: "CAST(" + e.SQL + " AS " + sql + ")", Type: to, small: small, fallible: e.fallible, never0: e.never0 && to == from}
	narrows := to.Kind == view.Decimal && digits(e) > int(to.Precision)-int(to.Scale)
	switch {
	case from == to && e.small == small:
		return e, nil
	case from.Kind == view.Invalid:
		return out, nil
	case from.Kind == view.Int64 && to.Kind == view.Int64:
		out.fallible = e.fallible || small
		return out, nil
	case exact(from) && exact(to):
		out.fallible = e.fallible || narrows || to.Kind == view.Int64 && (small || digits(e) > 18)
		return out, nil
	case exact(from) && to.Kind == view.Double, from.Kind == view.Timestamp && to.Kind == view.Date, from.Kind == view.Date && to.Kind == view.Timestamp:
		return out, nil
	case to.Kind == view.String && (exact(from) || from.Kind == view.Bool || from.Kind == view.Date):
		return out, nil
	case from.Kind == view.Double && exact(to):
		return Expr{}, &Error{What: fmt.Sprintf("a double is rounded to %s otherwise by Trino than by DuckDB", to), Mend: "compute in decimals, or keep it a double"}
	}
	return Expr{}, &Error{What: fmt.Sprintf("a %s becomes a %s otherwise in Trino than in DuckDB", from, to), Mend: "give the field this type in the source"}
}

// exact says whether a type holds exact numbers.
func exact(t view.Type) bool { return t.Kind == view.Int64 || t.Kind == view.Decimal }

func numeric(t view.Type) bool { return exact(t) || t.Kind == view.Double }

// digits is how many digits DuckDB allows for before the point of an exact number.
func digits(e Expr) int {
	d := decimalOf(e)
	return int(d.Precision) - int(d.Scale)
}

// decimalOf is the decimal that DuckDB makes of an exact number beside a decimal.
func decimalOf(e Expr) view.Type {
	switch {
	case e.Type.Kind == view.Decimal:
		return e.Type
	case e.small:
		return view.Type{Kind: view.Decimal, Precision: 10}
	}
	return view.Type{Kind: view.Decimal, Precision: 19}
}

// unify is the type that DuckDB gives branches that may be the answer, and the branches cast to it.
func unify(of string, branches []Expr) ([]Expr, error) {
	to, small, known := view.Type{}, true, false
	for _, b := range branches {
		switch {
		case b.Type.Kind == view.Invalid:
		case !known:
			to, small, known = b.Type, b.small, true
		case b.Type == to:
			small = small && b.small
		case b.Type.Kind == view.Double && exact(to), exact(b.Type) && to.Kind == view.Double:
			to, small = view.Type{Kind: view.Double}, false
		case exact(b.Type) && exact(to):
			x, y := decimalOf(Expr{Type: to, small: small}), decimalOf(b)
			scale := max(x.Scale, y.Scale)
			to = view.Type{Kind: view.Decimal, Precision: min(38, max(x.Precision-x.Scale, y.Precision-y.Scale)+scale), Scale: scale}
			small = false
		default:
			return nil, &Error{What: fmt.Sprintf("%s is of a %s and a %s", of, to, b.Type), Mend: "cast one of them"}
		}
	}
	if !known {
		return nil, &Error{What: of + " is of nulls only"}
	}
	out := make([]Expr, len(branches))
	for i, b := range branches {
		var err error
		if out[i], err = cast(b, to, small && to.Kind == view.Int64); err != nil {
			return nil, err
		}
	}
	return out, nil
}

package trinosql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// Functions lists the functions that expressions may call in both engines, in the order of the alphabet.
func Functions() []string {
	return []string{"abs", "coalesce", "concat", "contains", "date_trunc", "day", "dayofweek", "hour", "if", "isodow", "left", "len", "length", "list_contains", "lower",
		"minute", "month", "nullif", "quarter", "replace", "second", "split_part", "starts_with", "substr", "substring", "upper", "year"}
}

// arguments reads expressions up to the closing bracket.
func (p *parser) arguments() ([]Expr, error) {
	var list []Expr
	for !p.accept(")") {
		if len(list) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// call reads a function's arguments and writes the call.
func (p *parser) call(name string) (Expr, error) {
	if !slices.Contains(Functions(), name) {
		return Expr{}, &Error{What: fmt.Sprintf("function %s has no translation to Trino", name), Mend: "those that have one are " + strings.Join(Functions(), ", ")}
	}
	args, err := p.arguments()
	if err != nil {
		return Expr{}, err
	}
	if len(args) > 0 && args[0].Type.Kind == view.List {
		return ofArray(name, args)
	}
	switch name {
	case "coalesce":
		return p.coalesce(args)
	case "nullif":
		if len(args) == 2 {
			return nullIf(args[0], args[1])
		}
	case "if":
		if len(args) == 3 && args[0].Type.Kind == view.Bool {
			return choose("IF", []Expr{args[0]}, args[1:])
		}
	case "abs":
		if len(args) == 1 && numeric(args[0].Type) {
			e := args[0]
			e.SQL, e.fallible = "abs("+e.SQL+")", e.fallible || e.Type.Kind == view.Int64
			return e, nil
		}
	case "year", "month", "day", "hour", "minute", "second", "quarter", "dayofweek", "isodow":
		if len(args) == 1 {
			return datePart(name, args[0])
		}
	case "date_trunc":
		if len(args) == 2 {
			return dateTrunc(args[0], args[1])
		}
	default:
		if len(args) > 0 && !slices.ContainsFunc(args[:1], func(e Expr) bool { return e.Type.Kind != view.String }) {
			return ofText(name, args)
		}
	}
	types := make([]string, len(args))
	for i, a := range args {
		types[i] = a.Type.String()
	}
	return Expr{}, &Error{What: fmt.Sprintf("function %s of %s has no translation to Trino", name, strings.Join(types, ", ")), Mend: "cast its arguments"}
}

func (p *parser) coalesce(args []Expr) (Expr, error) {
	args, err := unify("coalesce", args)
	if err != nil {
		return Expr{}, err
	}
	out := Expr{Type: args[0].Type, small: args[0].small}
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i], out.fallible = a.SQL, out.fallible || a.fallible
	}
	if out.SQL = "coalesce(" + strings.Join(texts, ", ") + ")"; len(args) == 1 {
		out.SQL = args[0].SQL // Trino wants two
	}
	return out, nil
}

// nullIf keeps the type of its first argument, as DuckDB does.
func nullIf(a, b Expr) (Expr, error) {
	same, err := compare("=", a, b)
	if err != nil {
		return Expr{}, err
	}
	zero := b.SQL == "0"
	return Expr{SQL: "(CASE WHEN " + same.SQL + " THEN NULL ELSE " + a.SQL + " END)", Type: a.Type, small: a.small, fallible: a.fallible || b.fallible,
		never0: a.never0 || zero && numeric(a.Type)}, nil
}

// choose writes CASE: as many conditions, each with its branch, and a branch for the rest.
func choose(of string, conditions, branches []Expr) (Expr, error) {
	branches, err := unify(of, branches)
	if err != nil {
		return Expr{}, err
	}
	last := len(branches) - 1
	out := Expr{Type: branches[last].Type, small: branches[last].small, fallible: branches[last].fallible}
	var b strings.Builder
	b.WriteString("(CASE")
	for i, c := range conditions {
		fmt.Fprintf(&b, " WHEN %s THEN %s", c.SQL, branches[i].SQL)
		out.fallible = out.fallible || c.fallible || branches[i].fallible
	}
	fmt.Fprintf(&b, " ELSE %s END)", branches[last].SQL)
	out.SQL = b.String()
	return out, nil
}

// caseWhen reads what follows CASE.
func (p *parser) caseWhen() (Expr, error) {
	var subject *Expr
	if p.peek().text != "when" {
		e, err := p.expression(0)
		if err != nil {
			return Expr{}, err
		}
		subject = &e
	}
	var conditions, branches []Expr
	for p.accept("when") {
		condition, err := p.expression(0)
		if err == nil && subject != nil {
			condition, err = compare("=", *subject, condition)
		}
		if err == nil && condition.Type.Kind != view.Bool {
			err = &Error{What: fmt.Sprintf("WHEN is of a %s", condition.Type), Mend: "write a comparison"}
		}
		if err == nil {
			err = p.expect("then")
		}
		if err != nil {
			return Expr{}, err
		}
		branch, err := p.expression(0)
		if err != nil {
			return Expr{}, err
		}
		conditions, branches = append(conditions, condition), append(branches, branch)
	}
	rest := Expr{SQL: "NULL"}
	if p.accept("else") {
		var err error
		if rest, err = p.expression(0); err != nil {
			return Expr{}, err
		}
	}
	if err := p.expect("end"); err != nil {
		return Expr{}, err
	}
	return choose("CASE", conditions, append(branches, rest))
}

// castTo reads a type and casts to it.
func (p *parser) castTo(e Expr) (Expr, error) {
	t := p.next()
	name := t.text
	if t.kind == word && (name == "decimal" || name == "numeric") && p.accept("(") {
		digits, scale := p.next().text, "0"
		if p.accept(",") {
			scale = p.next().text
		}
		if err := p.expect(")"); err != nil {
			return Expr{}, err
		}
		name = "decimal(" + digits + "," + scale + ")"
	}
	switch name {
	case "varchar", "text":
		name = "string"
	case "boolean":
		name = "bool"
	case "long", "int8":
		name = "bigint"
	case "float8":
		name = "double"
	case "integer", "int", "int4":
		return cast(e, view.Type{Kind: view.Int64}, true)
	case "float", "int32":
		return Expr{}, &Error{What: "a cast to " + name + " has no translation to Trino", Mend: "cast to double or bigint"}
	}
	to, err := view.ParseType(name)
	if err != nil {
		return Expr{}, &Error{What: "a cast to " + name + " has no translation to Trino", Mend: "cast to bigint, decimal(p,s), double, varchar, boolean, date or timestamp"}
	}
	return cast(e, to, false)
}

// datePart is a field of a time, an integer in both.
func datePart(name string, e Expr) (Expr, error) {
	of := e.Type.Kind
	clock := name == "hour" || name == "minute" || name == "second"
	if of != view.Timestamp && (of != view.Date || clock) {
		return Expr{}, &Error{What: fmt.Sprintf("%s of a %s has no translation to Trino", name, e.Type), Mend: "give it a timestamp"}
	}
	sql := name + "(" + e.SQL + ")"
	switch name {
	case "dayofweek":
		sql = "(day_of_week(" + e.SQL + ") % 7)" // DuckDB's Sunday is 0
	case "isodow":
		sql = "day_of_week(" + e.SQL + ")"
	}
	return Expr{SQL: sql, Type: view.Type{Kind: view.Int64}, fallible: e.fallible}, nil
}

func dateTrunc(unit, e Expr) (Expr, error) {
	units := []string{"'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'"}
	if !slices.Contains(units, unit.SQL) || e.Type.Kind != view.Timestamp && e.Type.Kind != view.Date {
		return Expr{}, &Error{What: fmt.Sprintf("date_trunc of %s and a %s has no translation to Trino", unit.SQL, e.Type), Mend: "the units are " + strings.Join(units, ", ")}
	}
	at := view.Type{Kind: view.Timestamp}
	e, err := cast(e, at, false)
	return Expr{SQL: "date_trunc(" + unit.SQL + ", " + e.SQL + ")", Type: at, fallible: e.fallible}, err
}

// ofText is a function whose first argument is a text.
func ofText(name string, args []Expr) (Expr, error) {
	out := Expr{Type: view.Type{Kind: view.String}}
	texts := make([]string, len(args))
	allTexts := true
	for i, a := range args {
		texts[i], out.fallible, allTexts = a.SQL, out.fallible || a.fallible, allTexts && a.Type.Kind == view.String
	}
	if err := steady("function "+name, args[1:]...); err != nil {
		return Expr{}, err
	}
	positive := func(e Expr) bool {
		n, err := strconv.ParseInt(e.SQL, 10, 32)
		return err == nil && n > 0
	}
	switch {
	case name == "concat" && allTexts:
		for i := range texts {
			texts[i] = "coalesce(" + texts[i] + ", '')" // DuckDB leaves nulls out
		}
		out.SQL = "concat(" + strings.Join(append(texts, "''"), ", ") + ")"
	case name == "lower" && len(args) == 1:
		out.SQL = "lower(" + texts[0] + ")"
	case name == "upper" && len(args) == 1:
		out.SQL = "replace(upper(" + texts[0] + "), 'ß', 'ẞ')" // the one letter of long standing that Trino leaves
	case (name == "length" || name == "len") && len(args) == 1:
		out.SQL, out.Type.Kind = "length("+texts[0]+")", view.Int64
	case name == "starts_with" && len(args) == 2 && allTexts:
		out.SQL, out.Type.Kind = "starts_with("+texts[0]+", "+texts[1]+")", view.Bool
	case name == "contains" && len(args) == 2 && allTexts:
		out.SQL, out.Type.Kind = "(strpos("+texts[0]+", "+texts[1]+") > 0)", view.Bool
	case name == "replace" && len(args) == 3 && allTexts && len(texts[1]) > 2 && texts[1][0] == '\'':
		out.SQL = "replace(" + strings.Join(texts, ", ") + ")"
	case name == "split_part" && len(args) == 3 && len(texts[1]) > 2 && texts[1][0] == '\'' && positive(args[2]):
		// beyond the last part DuckDB finds an empty one
		out.SQL = fmt.Sprintf("(CASE WHEN %[1]s IS NOT NULL THEN coalesce(split_part(%[1]s, %[2]s, %[3]s), '') END)", texts[0], texts[1], texts[2])
	case name == "left" && len(args) == 2 && positive(args[1]):
		out.SQL = "substr(" + texts[0] + ", 1, " + texts[1] + ")"
	case (name == "substr" || name == "substring") && len(args) >= 2 && len(args) <= 3 && !slices.ContainsFunc(args[1:], func(e Expr) bool { return !positive(e) }):
		out.SQL = "substr(" + strings.Join(texts, ", ") + ")"
	default:
		return Expr{}, &Error{What: fmt.Sprintf("function %s with these arguments has no translation to Trino", name), Mend: "give it texts, and positions above zero that are written out"}
	}
	return out, nil
}

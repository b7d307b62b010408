package trinosql

import (
	"fmt"
	"strconv"

	"github.com/caudal/caudal/internal/view"
)

// ofArray is a function whose first argument is a column of arrays.
func ofArray(name string, args []Expr) (Expr, error) {
	of := args[0].Type.Element()
	switch {
	case (name == "length" || name == "len") && len(args) == 1:
		return Expr{SQL: "cardinality(" + args[0].SQL + ")", Type: view.Type{Kind: view.Int64}, fallible: args[0].fallible}, nil
	case (name == "contains" || name == "list_contains") && len(args) == 2 && args[1].Type == of && of.Kind != view.Double:
		// where it is not among them and one of them is null, Trino does not know, and DuckDB says no
		return Expr{SQL: fmt.Sprintf("(CASE WHEN %[1]s IS NOT NULL AND %[2]s IS NOT NULL THEN coalesce(contains(%[1]s, %[2]s), FALSE) END)", args[0].SQL, args[1].SQL),
			Type: view.Type{Kind: view.Bool}, fallible: args[0].fallible || args[1].fallible}, nil
	case name == "contains" || name == "list_contains":
		return Expr{}, &Error{What: fmt.Sprintf("%s of an %s with another type than its elements' has no translation to Trino", name, args[0].Type), Mend: fmt.Sprintf("cast what is looked for to %s", of)}
	}
	return Expr{}, &Error{What: fmt.Sprintf("function %s of an %s has no translation to Trino", name, args[0].Type), Mend: "those of arrays that have one are contains, len, length, list_contains, and an element by its place, tags[1]"}
}

// elementAt reads the place of an element behind an array's opening bracket. An element that is not there is null in both engines.
func (p *parser) elementAt(array Expr) (Expr, error) {
	if array.Type.Kind != view.List {
		return Expr{}, &Error{What: fmt.Sprintf("an element of a %s has no translation to Trino", array.Type), Mend: "write substr for a character of a text"}
	}
	t := p.next()
	n, err := strconv.ParseInt(t.text, 10, 31)
	if t.kind != number || err != nil || n < 1 {
		return Expr{}, &Error{What: "a place in an array that is no number from 1 has no translation to Trino", Mend: "write it out, e.g. tags[1]"}
	}
	if err := p.expect("]"); err != nil {
		return Expr{}, err
	}
	return Expr{SQL: fmt.Sprintf("element_at(%s, %d)", array.SQL, n), Type: array.Type.Element(), fallible: array.fallible}, nil
}

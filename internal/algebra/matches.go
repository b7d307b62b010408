package algebra

import "github.com/caudal/caudal/internal/view"

// Matches is a condition over a source's columns as SQL that is true for the rows that meet it, and false for the others, those on which it
// fails or is null among them.
func Matches(src *view.Source, condition string) string {
	condition = "(" + condition + "\n)" // the line break keeps a comment from reaching the bracket
	if infallible(src, condition) {
		return "coalesce(" + condition + ", FALSE)"
	}
	var d duckDB
	return "coalesce(" + d.tried(d.try(condition)) + ", FALSE)"
}

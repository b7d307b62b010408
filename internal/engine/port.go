package engine

import (
	"errors"
	"fmt"

	"github.com/caudal/caudal/internal/trinosql"
	"github.com/caudal/caudal/internal/view"
)

var _ view.Porter = (*Checker)(nil)

// Port says what Trino would compute otherwise; see view.Porter. That the translation gives an expression the type that DuckDB gives it is
// looked at, too: a rule of types that DuckDB changed would be found here and not in an answer.
func (c *Checker) Port(cols []view.Column, expr string, of, to view.Type) (problem, mend string) {
	e, err := trinosql.Translate(cols, expr)
	if err == nil && e.Type != of {
		return fmt.Sprintf("its type is %s to DuckDB and %s to the translation", of, e.Type), fmt.Sprintf("cast it, e.g. CAST(… AS %s)", of.SQL())
	}
	if err == nil {
		_, err = e.Cast(to)
	}
	var refused *trinosql.Error
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &refused):
		return refused.What, refused.Mend
	}
	return err.Error(), ""
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// CheckCondition binds a condition over a source's columns as a view's filter is bound, with a database of its own. Its error says what is wrong
// with it: it must parse, be of one event alone, and be true or false.
func CheckCondition(ctx context.Context, src *view.Source, condition string) (err error) {
	db, err := Open(Options{Threads: 1, MemoryLimit: parseMemory})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	checker, err := NewChecker(ctx, db)
	if err != nil {
		return err
	}
	defer checker.Close()
	columns := make([]view.Column, len(src.Fields))
	for i, f := range src.Fields {
		columns[i] = view.Column{Name: f.Name, Type: f.Type}
	}
	checked, err := checker.Check(columns, []string{condition})
	if err != nil {
		return err
	}
	switch c := checked[0]; {
	case c.Err != "":
		mend := ""
		if len(c.Candidates) > 0 {
			mend = "; did you mean " + strings.Join(c.Candidates, ", ") + "?"
		}
		return fmt.Errorf("condition %q: %s%s", condition, c.Err, mend)
	case c.Volatile:
		return fmt.Errorf("condition %q: its result is not a function of the event alone; use the event's own fields", condition)
	case c.Type.Kind != view.Bool:
		return fmt.Errorf("condition %q is of type %s and must be true or false", condition, c.Type)
	}
	return nil
}

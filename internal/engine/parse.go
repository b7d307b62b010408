package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// parseMemory bounds the database that expressions are checked in: it holds no rows.
const parseMemory = "256MB"

// Parse is view.Parse with a Checker of its own. Its error is view.Problems where the definitions are wrong.
func Parse(ctx context.Context, files []view.File, getenv func(string) (string, bool)) (*view.Project, error) {
	db, err := Open(Options{Threads: 1, MemoryLimit: parseMemory})
	if err != nil {
		return nil, fmt.Errorf("start the SQL engine: %w", err)
	}
	checker, err := NewChecker(ctx, db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the SQL engine: %w", err), db.Close())
	}
	project, problems := view.Parse(files, getenv, checker)
	checker.Close()
	if err := db.Close(); err != nil {
		return nil, fmt.Errorf("stop the SQL engine: %w", err)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return project, nil
}

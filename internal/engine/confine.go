package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/caudal/caudal/internal/sqltext"
)

// Confine lets the statements of the whole database read these files and touch nothing else of the machine but its own folder for
// spilling, from now on and for good: for SQL that somebody else's words went into, however well they were parsed.
func (c *Conn) Confine(ctx context.Context, files []string) error {
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = sqltext.Text(f)
	}
	sql := "SET GLOBAL TimeZone = 'UTC'; SET allowed_paths = [" + strings.Join(quoted, ", ") + "]; SET enable_external_access = false; SET lock_configuration = true"
	if err := c.Exec(ctx, sql); err != nil {
		return fmt.Errorf("confine the SQL engine to %d files: %w", len(files), err)
	}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	c.db.locked = true
	return nil
}

// OutOfMemory says whether a statement failed because it needs more than Options.MemoryLimit, or more room to spill than MaxTempSize.
func OutOfMemory(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == mapping.ErrorTypeOutOfMemory
}

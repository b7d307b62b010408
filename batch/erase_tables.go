package batch

import (
	"context"
	"slices"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
)

// compactor works on the tables of the project's sources.
func (r *Runner) compactor() (*table.Compactor, error) {
	return table.New(table.Config{Project: r.cfg.Project, Lake: r.cfg.Lake, Engine: r.cfg.Engine, Logger: r.cfg.Logger, TempDir: r.cfg.TempDir, Owner: r.cfg.Owner,
		LockTTL: r.cfg.LockTTL, Clock: r.cfg.Clock})
}

// reviseTables takes the records of the open erasures out of the versions of tables.
func (x *erasing) reviseTables(ctx context.Context) error {
	c, err := x.runner.compactor()
	if err != nil {
		return err
	}
	return x.open(func(e *lake.Erasure) error {
		erased, err := c.Erase(ctx, e, x.runner.step)
		if e.Number == x.report.Erasure {
			x.report.Tables = slices.DeleteFunc(erased, func(t table.Erased) bool { return t.Files == 0 })
		}
		return err
	})
}

// inTables counts the rows of an erasure that tables hold.
func (x *erasing) inTables(ctx context.Context, e *lake.Erasure) (rows int64, err error) {
	c, err := x.runner.compactor()
	if err != nil {
		return 0, err
	}
	found, err := c.FindErased(ctx, e)
	for _, t := range found {
		rows += t.Rows
	}
	return rows, err
}

// lookAtTables notes what an erasure would take out of tables.
func (x *erasing) lookAtTables(ctx context.Context, e *lake.Erasure) error {
	c, err := x.runner.compactor()
	if err != nil {
		return err
	}
	found, err := c.FindErased(ctx, e)
	x.report.Tables = slices.DeleteFunc(found, func(t table.Erased) bool { return t.Files == 0 })
	return err
}

package batch

import (
	"context"
	"fmt"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// calculator is who computes the cells of views from segments: DuckDB in this process, or a Trino cluster. What comes before and after is the
// same for both.
type calculator interface {
	// loads says what planLoads may put together: the weight of the segments of [from, to), and how much one load may weigh.
	loads() (weigh func(from, to int64) int64, limit int64)
	// load makes the rows of some spans of time ready, and checks the segments that hold them.
	load(ctx context.Context, l *load) error
	// cells is a query of DuckDB with the columns of algebra.Plan.BatchSQL, good until the next call.
	cells(ctx context.Context, q *cellsQuery) (string, error)
	// events counts the events that the answers of some spans have to add up to, in another way than cells does.
	events(ctx context.Context, j *job, spans [][2]int64) (int64, error)
	close() error
}

// cellsQuery says which cells are asked for.
type cellsQuery struct {
	job    *job
	grain  view.Grain
	spans  [][2]int64 // µs UTC, of the rows
	mark   string     // the column of job.repeats that says what is left out
	starts []int64    // of all buckets of a calendar grain in the spans, µs UTC
}

func (c *computation) newCalculator() (calculator, error) {
	if c.runner.cfg.Project.Batch.Engine == view.EngineTrino {
		return newTrinoCalculator(c)
	}
	return duckCalculator{c}, nil
}

// duckCalculator computes in this process.
type duckCalculator struct{ *computation }

func (d duckCalculator) loads() (weigh func(from, to int64) int64, limit int64) {
	return d.rowsBetween, d.runner.cfg.RowsPerLoad
}

func (d duckCalculator) cells(ctx context.Context, q *cellsQuery) (string, error) {
	if err := d.hold(ctx); err != nil {
		return "", err
	}
	statements, cells := q.job.plan.StagedSQL(algebra.BatchOptions{From: d.rowsOf(q.job, q.spans, q.mark), Grain: q.grain, Starts: q.starts})
	for _, statement := range statements {
		if err := d.conn.Exec(ctx, statement); err != nil {
			return "", err
		}
	}
	return cells, nil
}

func (d duckCalculator) events(ctx context.Context, j *job, spans [][2]int64) (int64, error) {
	n := int64(0)
	sql := fmt.Sprintf("SELECT count(*) FROM %s WHERE NOT _duplicate AND %s", d.rowsOf(j, spans, "now"), j.plan.FilterSQL())
	if n, counted := d.counted[sql]; counted {
		return n, nil
	}
	err := d.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		n = rows.Row(0).Int64(0)
		return nil
	})
	if err == nil {
		d.counted[sql] = n
	}
	return n, err
}

func (duckCalculator) close() error { return nil }

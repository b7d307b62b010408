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
	// cells calls take with queries of DuckDB with the columns of algebra.Plan.BatchSQL, each good during the call. Together they are the cells.
	cells(ctx context.Context, q *cellsQuery, take func(cells string) error) error
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

func (d duckCalculator) cells(ctx context.Context, q *cellsQuery, take func(cells string) error) error {
	for _, part := range d.slicesOf(q) {
		if err := d.show(ctx, part.spans); err != nil {
			return err
		}
		o := algebra.BatchOptions{From: d.rowsOf(q.job, q.mark), Grain: q.grain, Starts: q.starts, Few: d.fewBuckets(q, part.spans), Large: part.rows > d.rowsPerSlice()}
		cells, err := q.job.plan.StagedSQL(o, stages{ctx, d.conn})
		if err != nil {
			return err
		}
		if err := take(cells); err != nil {
			return err
		}
	}
	return nil
}

// stages are run on a connection.
type stages struct {
	ctx  context.Context
	conn *engine.Conn
}

// Exec runs a statement.
func (s stages) Exec(sql string) error { return s.conn.Exec(s.ctx, sql) }

// Number answers a query for one integer.
func (s stages) Number(sql string) (n int64, err error) {
	err = s.conn.Query(s.ctx, sql, func(rows *engine.Chunk) error {
		n = rows.Row(0).Int64(0)
		return nil
	})
	return n, err
}

func (d duckCalculator) events(ctx context.Context, j *job, spans [][2]int64) (int64, error) {
	sql := fmt.Sprintf("SELECT count(*) FROM %s WHERE NOT _duplicate AND %s", d.rowsOf(j, "now"), j.plan.FilterSQL())
	asked := fmt.Sprint(spans, sql)
	if n, counted := d.counted[asked]; counted {
		return n, nil
	}
	if err := d.show(ctx, spans); err != nil {
		return 0, err
	}
	n, err := stages{ctx, d.conn}.Number(sql)
	if err == nil {
		d.counted[asked] = n
	}
	return n, err
}

func (duckCalculator) close() error { return nil }

package batch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// resultTable holds what a view answers for the periods of one unit.
const resultTable = "result_rows"

// view computes a job's periods of the load, unit by unit, and puts their files into the lake.
func (c *computation) view(ctx context.Context, j *job, periods []period) error {
	for _, of := range byUnit(periods) {
		if err := c.runner.step("before-compute"); err != nil {
			return err
		}
		if err := c.unit(ctx, j, of); err != nil {
			return fmt.Errorf("compute %s %s to %s: %w", of[0].unit, of[0].name, of[len(of)-1].name, err)
		}
	}
	return nil
}

func (c *computation) unit(ctx context.Context, j *job, periods []period) error {
	columns := make([]string, 0, 16)
	for _, col := range j.plan.ViewColumns() {
		columns = append(columns, col.Name+" "+col.SQL)
	}
	starts := make([]int64, len(periods))
	for i, p := range periods {
		starts[i] = p.from
	}
	if err := c.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (_period BIGINT, %s)", resultTable, strings.Join(columns, ", "))); err != nil {
		return err
	}
	for _, grain := range grainsOf(j.view, periods[0].unit) {
		of := cellsQuery{job: j, grain: grain, spans: ranges(periods), mark: "now"}
		if grain.Unit != view.Fixed {
			for _, p := range periods {
				for at := grain.Floor(p.from, j.view.Location); at < p.to; at = grain.Next(at, j.view.Location) {
					of.starts = append(of.starts, at)
				}
			}
		}
		began := time.Now()
		if err := c.engine.cells(ctx, &of, func(cells string) error {
			return c.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT %s, %s, b.* FROM (%s) AS b", resultTable, sqltext.LastStart("b._bucket", starts), sqltext.Text(grain.Name), cells))
		}); err != nil {
			return fmt.Errorf("grain %s: %w", grain.Name, err)
		}
		if err := c.priors(ctx, of, periods); err != nil {
			return err
		}
		c.runner.cfg.Logger.Debug("batch computed", "view", j.view.Name, "grain", grain.Name, "periods", len(periods), "seconds", time.Since(began).Seconds())
	}
	if err := c.checkUnit(ctx, j, ranges(periods), periods[0].unit); err != nil {
		return err
	}
	return c.writeFiles(ctx, j, periods)
}

// rowsOf is the relation of the rows that are shown below a job's cuts, without the repeats that are marked. Slots become lives and partitions again.
func (c *computation) rowsOf(j *job, mark string) string {
	condition := "TRUE"
	cases := make([]string, 0, len(j.cuts))
	for p, highest := range c.cuts {
		if cut := j.cuts[p].Offset; cut < highest || c.straddles(p, cut) {
			cases = append(cases, fmt.Sprintf("WHEN %d THEN r._offset < %d", p, cut))
		}
	}
	if len(cases) > 0 {
		slices.Sort(cases)
		condition = "CASE r._partition " + strings.Join(cases, " ") + " ELSE TRUE END"
	}
	return fmt.Sprintf("(SELECT r.* REPLACE (r._partition %% %d AS _partition), CAST(%d - r._partition // %d AS BIGINT) AS _incarnation FROM ",
		slotsPerLife, j.topic.Incarnation, slotsPerLife) + rowsView + " AS r" + j.repeats.without(mark) + " WHERE " + condition + ")"
}

// straddles says whether some chunk of a partition holds offsets on both sides of a cut, or beyond it.
func (c *computation) straddles(partition int, cut int64) bool {
	chunks := c.chunks[partition]
	return len(chunks) > 0 && chunks[len(chunks)-1].Next > cut
}

// writeFiles writes a Parquet file for each period that has rows, and puts them into the lake.
func (c *computation) writeFiles(ctx context.Context, j *job, periods []period) error {
	rows := map[int64]int64{}
	err := c.conn.Query(ctx, "SELECT _period, count(*) FROM "+resultTable+" GROUP BY 1", func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			rows[chunk.Row(i).Int64(0)] = chunk.Row(i).Int64(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	order := []string{"_grain", "_set", "_bucket"}
	for i := range j.view.Dimensions {
		order = append(order, fmt.Sprintf("d%d", i))
	}
	// Clustered by period, each file reads its part of the table only.
	sorted := resultTable + "_sorted"
	if err := c.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s AS SELECT * FROM %s ORDER BY _period", sorted, resultTable)); err != nil {
		return err
	}
	puts := viewPuts{computation: c, job: j, slots: make(chan struct{}, parallelPuts)}
	for i, p := range periods {
		if rows[p.from] == 0 {
			continue
		}
		path := filepath.Join(c.work.Path, fmt.Sprintf("%s-%s-%d.parquet", j.view.Name, p.unit, i))
		err := c.conn.Exec(ctx, fmt.Sprintf("COPY (SELECT * EXCLUDE (_period) FROM %s WHERE _period = %d ORDER BY %s) TO %s (FORMAT parquet, COMPRESSION zstd)",
			sorted, p.from, strings.Join(order, ", "), sqltext.Text(path)))
		if err != nil {
			return fmt.Errorf("write %s %s: %w", p.unit, p.name, err)
		}
		puts.put(ctx, p, rows[p.from], path)
	}
	return puts.wait()
}

// viewPuts puts the files of a view into the lake, some at a time.
type viewPuts struct {
	computation *computation
	job         *job
	slots       chan struct{}
	wg          sync.WaitGroup
	mu          sync.Mutex
	err         error
}

func (v *viewPuts) put(ctx context.Context, p period, rows int64, path string) {
	v.slots <- struct{}{}
	v.wg.Go(func() {
		defer func() { <-v.slots }()
		file, err := v.computation.putView(ctx, v.job, p, path)
		v.mu.Lock()
		defer v.mu.Unlock()
		if err != nil {
			if v.err == nil {
				v.err = fmt.Errorf("put %s %s: %w", p.unit, p.name, err)
			}
			return
		}
		v.job.files = append(v.job.files, lake.ViewFile{Key: file.Key, Unit: p.unit, Period: p.name, Rows: rows, Bytes: file.Bytes, SHA256: file.SHA256})
	})
}

func (v *viewPuts) wait() error {
	v.wg.Wait()
	return v.err
}

func (c *computation) putView(ctx context.Context, j *job, p period, path string) (lake.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return lake.File{}, err
	}
	file, err := c.runner.cfg.Lake.PutFile(ctx, c.runner.cfg.Lake.ViewKey(j.view.Name, j.view.Hash, j.options.RunID, p.unit, p.name), data)
	if err != nil {
		return lake.File{}, err
	}
	return file, os.Remove(path)
}

package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// erasedTable holds the rows below the highest cuts of any job that open erasures take out, duplicates among them. Those of erasures that
// are done are in no segment any more.
const erasedTable = "erased_rows"

// findErased looks for the rows that open erasures take out. Each segment below their bounds is read for it, until they are done.
func (c *computation) findErased(ctx context.Context) error {
	began, read := time.Now(), 0
	create := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (_partition INTEGER, _offset BIGINT, event_us BIGINT, _duplicate BOOLEAN, _late BOOLEAN, erasure INTEGER)", erasedTable)
	open, err := c.runner.cfg.Lake.OpenErasures(ctx, c.jobs[0].topic.Name)
	if err != nil || len(open) == 0 {
		return err
	}
	if err := c.conn.Exec(ctx, create); err != nil {
		return err
	}
	c.erasing = true
	for _, e := range open {
		n, err := c.scanErased(ctx, e)
		if err != nil {
			return fmt.Errorf("look for the records of erasure %d: %w", e.Number, err)
		}
		read += n
	}
	c.runner.cfg.Logger.Debug("erased records found", "source", c.jobs[0].view.Source.Name, "segments", read, "seconds", time.Since(began).Seconds())
	return nil
}

// scanErased adds the rows of one erasure, those apart that one before it takes out already, and says how many segments it read.
func (c *computation) scanErased(ctx context.Context, e lake.OpenErasure) (int, error) {
	l := c.runner.cfg.Lake
	byOrigin := map[origin][]*lake.ChunkFile{}
	for slot, chunks := range c.chunks {
		t, p := c.jobs[0].unslot(slot)
		for i := range chunks {
			for k := range chunks[i].Files {
				if f := &chunks[i].Files[k]; !f.Dead && f.First < min(c.cuts[slot], e.Bound(t, p)) {
					o := originOf(slot, &chunks[i])
					byOrigin[o] = append(byOrigin[o], f)
				}
			}
		}
	}
	read := 0
	for _, o := range slices.SortedFunc(maps.Keys(byOrigin), compareOrigins) {
		of, err := l.Source(ctx, o.definition)
		if err != nil {
			return read, err
		}
		paths, err := c.fetch(ctx, byOrigin[o])
		if err != nil {
			return read, err
		}
		sql := fmt.Sprintf("INSERT INTO %[1]s SELECT _partition, _offset, _event_time_us, _duplicate, _late, %[2]d FROM (SELECT * REPLACE (%[4]s AS _partition) FROM (%[3]s)) AS e ANTI JOIN %[1]s AS x ON e._partition = x._partition AND e._offset = x._offset",
			erasedTable, e.Number, e.Read(topicAt(c.jobs[0].topic, o.life), of, paths), slotOf(o.life, lake.ColumnPartition))
		if err := c.conn.Exec(ctx, sql); err != nil {
			return read, err
		}
		read += len(paths)
	}
	return read, nil
}

// takeErased takes the rows of open erasures out of a job's counts.
func (c *computation) takeErased(ctx context.Context, j *job) error {
	if !c.erasing {
		return nil
	}
	sql := fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE _duplicate), count(*) FILTER (WHERE _late AND NOT _duplicate) FROM %s WHERE %s",
		erasedTable, lake.Below(offsetsOf(j.cuts), "_partition", "_offset"))
	return c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		row := rows.Row(0)
		j.counts.events -= row.Int64(0)
		j.counts.erased += row.Int64(0)
		j.counts.duplicates -= row.Int64(1)
		j.counts.late -= row.Int64(2)
		return nil
	})
}

// erasedRows is a query over the events that open erasures take out of a job, in the columns of its table of what is left out. The snapshot
// before has left out those of the erasures that it counts below its cuts; others were batch's or the speed layer's to count.
func (j *job) erasedRows(erasing bool, now, before string) string {
	if !erasing {
		return "SELECT 0::INTEGER, 0::BIGINT, 0::BIGINT, FALSE, FALSE, TRUE WHERE FALSE"
	}
	return fmt.Sprintf("SELECT _partition, _offset, event_us, %s AS now, %s AND erasure <= %d AS before, TRUE FROM %s WHERE NOT _duplicate AND now",
		now, before, j.current.Erasures, erasedTable)
}

// keptIDs are the conditions that an id counts below the cuts of now and of before.
func (j *job) keptIDs(erasing bool, now, before string) (string, string) {
	if !erasing {
		return now, before
	}
	return "(" + now + " AND erasure IS NULL)", fmt.Sprintf("(%s AND (erasure IS NULL OR erasure > %d))", before, j.current.Erasures)
}

// cause says why other events of a bucket are left out than before.
type cause uint8

const (
	byRepeats cause = 1 << iota
	byErasure
)

// sourceOf returns the source of a project by its name, or nil.
func sourceOf(p *view.Project, name string) *view.Source {
	for _, src := range p.Sources {
		if src.Name == name {
			return src
		}
	}
	return nil
}

package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// repeats is what is left out of a job. `batch_dedup: full` leaves out, of all events of one id that are no duplicates within the horizon,
// every one but the first by (record timestamp, partition, offset). Which one is the first is a function of the records below the cut, so that
// a later cut may keep another: `now` says what is left out below this job's cuts, `before` what the snapshot before left out. Open erasures
// leave out what they name, and of what they name no event is the first of its id.
type repeats struct {
	table    string                     // _partition, _offset, event_us, now, before, erased
	priors   string                     // answers of the buckets that moved, as they are with what was left out before; columns of a view file
	middles  string                     // of those that both causes moved, as they are with the repeats of before and the erasures of now
	now      int64                      // repeats
	any      bool                       // something is left out, or was before
	moved    bool                       // some row is left out now and was not before, or the other way round
	affected map[string]map[int64]cause // buckets by grain
}

// idsTable holds the events whose id occurs more than once below the highest cuts of any job.
const idsTable = "repeated_ids"

// findRepeats scans the id column of the whole lake, and adds the periods of old events that are left out, or no longer, to the plans.
func (c *computation) findRepeats(ctx context.Context) error {
	if !c.jobs[0].view.Source.FullDedup {
		if c.erasing {
			for i, j := range c.jobs {
				j.do(func() error { return c.jobRepeats(ctx, j, i) })
			}
		}
		return nil
	}
	began := time.Now()
	scan, err := c.scanIDs(ctx)
	if err != nil {
		return fmt.Errorf("look for repeats in the whole lake: %w", err)
	}
	erased := "NULL::INTEGER AS erasure FROM all_ids AS i"
	if c.erasing {
		erased = "x.erasure FROM all_ids AS i LEFT JOIN " + erasedTable + " AS x ON i.p = x._partition AND i.o = x._offset"
	}
	sql := fmt.Sprintf("CREATE OR REPLACE TEMP VIEW all_ids AS %s; CREATE OR REPLACE TEMP TABLE %s AS SELECT i.*, %s WHERE id IN (SELECT id FROM all_ids GROUP BY id HAVING count(*) > 1)",
		scan, idsTable, erased)
	if err := c.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("look for repeats in the whole lake: %w", err)
	}
	for i, j := range c.jobs {
		j.do(func() error { return c.jobRepeats(ctx, j, i) })
	}
	c.runner.cfg.Logger.Debug("repeats found", "source", c.jobs[0].view.Source.Name, "seconds", time.Since(began).Seconds())
	return nil
}

// scanIDs is a query over the ids of all events below the highest cuts that are no duplicates within the horizon.
func (c *computation) scanIDs(ctx context.Context) (string, error) {
	src := c.jobs[0].view.Source
	byOrigin := map[origin][]*lake.ChunkFile{}
	for p, chunks := range c.chunks {
		for i := range chunks {
			for k := range chunks[i].Files {
				if file := &chunks[i].Files[k]; !file.Dead && file.First < c.cuts[p] {
					o := originOf(p, &chunks[i])
					byOrigin[o] = append(byOrigin[o], file)
				}
			}
		}
	}
	scans := []string{lake.ReadIDs(src, src, nil, nil)}
	for _, o := range slices.SortedFunc(maps.Keys(byOrigin), compareOrigins) {
		definition, of := o.definition, src
		if definition != src.Hash() {
			var err error
			if of, err = c.runner.cfg.Lake.Source(ctx, definition); err != nil {
				return "", err
			}
		}
		paths, err := c.fetch(ctx, byOrigin[o])
		if err != nil {
			return "", err
		}
		scans = append(scans, fmt.Sprintf("SELECT * REPLACE (%s AS p) FROM (%s)", slotOf(o.life, "p"), lake.ReadIDs(src, of, paths, inLife(o.life, c.cuts))))
	}
	return strings.Join(scans, " UNION ALL "), nil
}

// jobRepeats fills in what a job leaves out.
func (c *computation) jobRepeats(ctx context.Context, j *job, number int) error {
	r := &repeats{table: fmt.Sprintf("repeats_%d", number), priors: fmt.Sprintf("priors_%d", number), middles: fmt.Sprintf("middles_%d", number),
		affected: map[string]map[int64]cause{}}
	now, before := map[int]int64{}, map[int]int64{}
	for p, cut := range j.cuts {
		now[p] = cut.Offset
	}
	if j.current.Run != lake.FirstRun { // S0 answers nothing, so it has left out nothing
		before = offsetsOf(j.was)
	}
	columns := make([]string, 0, 16)
	for _, col := range j.plan.ViewColumns() {
		columns = append(columns, col.Name+" "+col.SQL)
	}
	sql := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (_partition INTEGER, _offset BIGINT, event_us BIGINT, now BOOLEAN, before BOOLEAN, erased BOOLEAN); INSERT INTO %s %s",
		r.table, r.table, j.erasedRows(c.erasing, lake.Below(now, "_partition", "_offset"), lake.Below(before, "_partition", "_offset")))
	if j.view.Source.FullDedup {
		a, b := j.keptIDs(c.erasing, lake.Below(now, "p", "o"), lake.Below(before, "p", "o"))
		sql += fmt.Sprintf(`; INSERT INTO %s SELECT * FROM (SELECT p AS _partition, o AS _offset, event_us,
			%[2]s AND row_number() OVER (PARTITION BY id, %[2]s ORDER BY ts, p, o) > 1 AS now,
			%[3]s AND row_number() OVER (PARTITION BY id, %[3]s ORDER BY ts, p, o) > 1 AS before, FALSE AS erased FROM %s) WHERE now OR before`, r.table, a, b, idsTable)
	}
	for _, table := range []string{r.priors, r.middles} {
		sql += fmt.Sprintf("; CREATE OR REPLACE TEMP TABLE %s (%s)", table, strings.Join(columns, ", "))
	}
	if err := c.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("find what %s leaves out: %w", j.view.Name, err)
	}
	j.repeats = r
	err := c.conn.Query(ctx, "SELECT count(*) FILTER (WHERE now AND NOT erased), count(*), count(*) FILTER (WHERE now <> before) FROM "+r.table, func(rows *engine.Chunk) error {
		row := rows.Row(0)
		r.now, r.any, r.moved = row.Int64(0), row.Int64(1) > 0, row.Int64(2) > 0
		return nil
	})
	if err != nil || !r.moved {
		return err
	}
	return c.spread(ctx, j)
}

// spread notes the buckets of which other events are left out than before, and plans their periods.
func (c *computation) spread(ctx context.Context, j *job) error {
	r := j.repeats
	dates := map[string]bool{}
	compared := comparedGrains(j.view)
	slot := 15 * time.Minute // midnights of all zones are multiples of it
	for _, g := range compared {
		r.affected[g.grain.Name] = map[int64]cause{}
		if g.grain.Unit == view.Fixed {
			slot = min(slot, g.grain.Size)
		}
	}
	sql := fmt.Sprintf("SELECT DISTINCT CAST(floor(event_us / %d) AS BIGINT) * %d, erased FROM %s WHERE now <> before", slot.Microseconds(), slot.Microseconds(), r.table)
	err := c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			at, why := rows.Row(i).Int64(0), byRepeats
			if rows.Row(i).Int64(1) != 0 {
				why = byErasure
			}
			dates[time.UnixMicro(at).UTC().Format(time.DateOnly)] = true
			for _, g := range compared {
				r.affected[g.grain.Name][g.grain.Floor(at, j.view.Location)] |= why
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	more, err := periodsOf(j.view, dates)
	if err != nil {
		return err
	}
	j.addPeriods(more)
	return nil
}

// without is the part of a query that leaves rows out: of table r, those that are marked by a column.
func (r *repeats) without(mark string) string {
	if r == nil || !r.any {
		return ""
	}
	return fmt.Sprintf(" ANTI JOIN (SELECT _partition, _offset FROM %s WHERE %s) AS x ON r._partition = x._partition AND r._offset = x._offset", r.table, mark)
}

// priors computes what the buckets of a grain of which other events are left out than before would answer with what was left out before, so
// that the ledger can tell what each cause alone changed.
func (c *computation) priors(ctx context.Context, of cellsQuery, periods []period) error {
	j, grain := of.job, of.grain
	if j.repeats == nil {
		return nil
	}
	var moved, twice [][2]int64
	for _, bucket := range slices.Sorted(maps.Keys(j.repeats.affected[grain.Name])) {
		if slices.ContainsFunc(periods, func(p period) bool { return bucket >= p.from && bucket < p.to }) {
			span := [2]int64{bucket, grain.Next(bucket, j.view.Location)}
			moved = append(moved, span)
			if j.repeats.affected[grain.Name][bucket] == byRepeats|byErasure {
				twice = append(twice, span)
			}
		}
	}
	for _, w := range []struct {
		table, mark string
		spans       [][2]int64
	}{{j.repeats.priors, "before", moved}, {j.repeats.middles, "CASE WHEN erased THEN now ELSE before END", twice}} {
		if len(w.spans) == 0 {
			continue
		}
		of.spans, of.mark = w.spans, w.mark
		if err := c.engine.cells(ctx, &of, func(cells string) error {
			return c.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT %s, b.* FROM (%s) AS b", w.table, sqltext.Text(grain.Name), cells))
		}); err != nil {
			return fmt.Errorf("grain %s with what was left out before: %w", grain.Name, err)
		}
	}
	return nil
}

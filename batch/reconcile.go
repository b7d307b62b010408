package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// comparison sets what the layers answered before a publish beside what they answer after it: the old snapshot merged with the epochs
// that the cut closed against the new snapshot, at one grain, each combination of dimension values.
type comparison struct {
	job    *job
	conn   *engine.Conn
	plan   *algebra.Plan
	grain  view.Grain
	unit   string
	full   uint32 // the grouping set of all dimensions
	ledger *Ledger
}

// cell is one answer before the publish.
type cell struct {
	bucket int64
	dims   []algebra.Value
	exact  []algebra.Value // of the old snapshot, by measure; null where it had no such cell
	batch  *algebra.State
	merged *algebra.State
	speed  int64 // events that the speed layer saw
}

// periodsAtOnce bounds the cells in memory.
const periodsAtOnce = 32

// reconcile writes the ledger of a job whose files are computed. What it finds stops no publish: the new answers come from the log alone.
func (c *computation) reconcile(ctx context.Context, j *job) error {
	if err := c.runner.step("before-reconcile"); err != nil {
		return err
	}
	l := &Ledger{View: j.view.Name, Definition: j.view.Hash, Run: j.options.RunID, Parent: j.current.ID, From: j.current.Offsets(),
		To: map[int]int64{}, Entries: []Entry{}}
	for p, cut := range j.cuts {
		l.To[p] = cut.Offset
	}
	cmp := &comparison{job: j, conn: c.conn, plan: j.plan, full: j.plan.Sets()[0], ledger: l}
	cmp.unit, cmp.grain = comparedGrain(j.view)
	l.Grain = cmp.grain.Name
	var err error
	if l.Reason, err = cmp.untiled(ctx); err != nil {
		l.Reason = err.Error()
	}
	if l.Comparable = l.Reason == ""; l.Comparable {
		var periods []period
		for _, p := range j.periods {
			if p.unit == cmp.unit {
				periods = append(periods, p)
			}
		}
		for some := range slices.Chunk(periods, periodsAtOnce) {
			if err := cmp.compare(ctx, some); errors.Is(err, errSpeed) && ctx.Err() == nil {
				l.incomparable(err.Error())
				break
			} else if err != nil {
				return err
			}
		}
	}
	if !l.Comparable {
		j.report.Note = "speed was not compared with batch: " + l.Reason
	}
	data, err := l.encode()
	if err != nil {
		return err
	}
	file, err := c.runner.cfg.Lake.PutFile(ctx, c.runner.cfg.Lake.RunKey(j.view.Name, j.view.Hash, j.options.RunID, "ledger.json"), data)
	if err != nil {
		return err
	}
	j.ledger = []lake.ViewFile{{Key: file.Key, Unit: "ledger", Rows: int64(len(l.Entries)), Bytes: file.Bytes, SHA256: file.SHA256}}
	j.report.Changed, j.report.Unexplained, j.report.Comparable = l.Changed, l.Unexplained, l.Comparable
	if l.Unexplained > 0 {
		c.runner.cfg.Logger.Error("speed and batch disagree about the same records", "view", j.view.Name, "answers", l.Unexplained, "ledger", file.Key)
	}
	return nil
}

// comparedGrain is the coarsest grain of the shortest files that the view has: few cells, and every record is in one of them.
func comparedGrain(v *view.View) (string, view.Grain) {
	for _, u := range units {
		if grains := grainsOf(v, u.name); len(grains) > 0 {
			return u.name, grains[len(grains)-1]
		}
	}
	panic("BUG: a view without grains")
}

// untiled says why the speed layer's epochs do not cover exactly the records between the two cuts; "" if they do.
func (c *comparison) untiled(ctx context.Context) (string, error) {
	for _, p := range slices.Sorted(maps.Keys(c.job.cuts)) {
		from, to := c.from(p), c.job.cuts[p].Offset
		if chunks := c.job.chunks[p]; c.job.current.Run == firstRun && len(chunks) > 0 && chunks[0].First < from {
			return fmt.Sprintf("partition %d: the lake begins at offset %d, before the first snapshot's boundary %d", p, chunks[0].First, from), nil
		}
		if from == to {
			continue
		}
		m, ok, err := c.job.runner.cfg.Live.Peek(ctx, c.job.group(p))
		switch {
		case err != nil:
			return "", err
		case !ok:
			return fmt.Sprintf("partition %d: the speed layer holds nothing", p), nil
		case !m.Holds(from) || !m.Holds(to):
			return fmt.Sprintf("partition %d: the speed layer has the epochs %v, which do not tile the offsets from %d to %d", p, m.Starts, from, to), nil
		}
	}
	return "", nil
}

func (c *comparison) from(partition int) int64 {
	if cut, ok := c.job.current.Cuts[partition]; ok {
		return cut.Offset
	}
	return c.job.starts[partition]
}

// compare looks at the cells of some periods.
func (c *comparison) compare(ctx context.Context, periods []period) error {
	cells := map[string]*cell{}
	if err := c.old(ctx, periods, cells); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(c.job.cuts)) {
		if c.from(p) == c.job.cuts[p].Offset {
			continue
		}
		if err := c.speed(ctx, p, periods, cells); err != nil {
			return err
		}
	}
	after := c.plan.New()
	var a, b []byte
	err := c.rows(ctx, c.job.files, periods, func(bucket int64, key []byte, row algebra.Row, events int) error {
		before := cells[string(key)]
		if before == nil {
			before = c.empty(bucket, row)
		}
		delete(cells, string(key))
		if err := c.plan.ReadState(row, events, after); err != nil {
			return err
		}
		a, b = c.plan.Append(a[:0], before.merged), c.plan.Append(b[:0], after)
		c.judge(before, c.exacts(row, events), bytes.Equal(a, b))
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(cells)) {
		// Answers that the new snapshot has not at all.
		c.judge(cells[key], make([]algebra.Value, len(c.job.view.Measures)), false)
	}
	return nil
}

// judge notes the measures of a cell whose answers changed.
func (c *comparison) judge(before *cell, after []algebra.Value, sameState bool) {
	c.ledger.Cells++
	for i := range c.job.view.Measures {
		m := &c.job.view.Measures[i]
		if m.Agg == view.Derived {
			continue
		}
		was := c.plan.Combine(before.exact[i], before.batch, before.merged, i, before.speed)
		if same(was, after[i]) {
			continue
		}
		e := Entry{Time: time.UnixMicro(before.bucket).UTC(), Dimensions: map[string]algebra.Value{}, Measure: m.Name, Before: was.Value, After: after[i],
			Class: Unexplained}
		for k, d := range before.dims {
			e.Dimensions[c.job.view.Dimensions[k].Name] = d
		}
		if d := number(after[i]) - number(was.Value); !math.IsNaN(d) && !math.IsInf(d, 0) {
			e.Difference = d
		}
		if sameState && !was.Exact {
			e.Class = SketchError
		}
		c.ledger.add(e)
	}
}

// same says whether an answer stayed what it was; sums of doubles up to the order in which they were added.
func same(was algebra.Answer, now algebra.Value) bool {
	if was.Value.IsNull() || now.IsNull() {
		return was.Value.IsNull() == now.IsNull()
	}
	if !was.Exact && was.Bound == 0 {
		a, b := number(was.Value), number(now)
		return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
	}
	return algebra.Compare(was.Value, now) == 0
}

func number(v algebra.Value) float64 {
	switch v.Kind() {
	case view.Int64, view.Decimal, view.Int128, view.Double:
		return v.Float64()
	}
	return 0
}

// old reads the cells of the snapshot before.
func (c *comparison) old(ctx context.Context, periods []period, cells map[string]*cell) error {
	return c.rows(ctx, c.job.current.Files, periods, func(bucket int64, key []byte, row algebra.Row, events int) error {
		cell := c.empty(bucket, row)
		cell.exact = c.exacts(row, events)
		c.plan.MergeRow(cell.batch, row, events)
		c.plan.MergeRow(cell.merged, row, events)
		cells[string(key)] = cell
		return nil
	})
}

func (c *comparison) empty(bucket int64, row algebra.Row) *cell {
	cell := &cell{bucket: bucket, exact: make([]algebra.Value, len(c.job.view.Measures)), batch: c.plan.New(), merged: c.plan.New()}
	if row != nil {
		cell.dims = slices.Clone(c.plan.ReadKey(row, firstDimension, nil))
	}
	return cell
}

// errSpeed says that the speed layer could not be read, which is a reason to compare nothing and not to publish nothing.
var errSpeed = errors.New("speed layer cannot be read")

// speed merges the cells of the closed epochs of a partition into cells.
func (c *comparison) speed(ctx context.Context, partition int, periods []period, cells map[string]*cell) error {
	v := c.from(partition)
	loc := c.job.view.Location
	reply, err := c.job.runner.cfg.Live.Read(ctx, c.job.group(partition), live.ReadRequest{
		V: v, Grain: c.grain.Name, MinChunk: c.grain.Chunk(c.grain.Floor(periods[0].from, loc)), MaxChunk: c.grain.Chunk(periods[len(periods)-1].to - 1),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errSpeed, err)
	}
	if reply.Served != live.ServedWhole {
		return fmt.Errorf("%w: partition %d from offset %d: %s %s", errSpeed, partition, v, reply.Served, reply.Lost)
	}
	state := c.plan.New()
	for _, chunk := range reply.Chunks {
		if chunk.ID.Start >= c.job.cuts[partition].Offset {
			continue // younger than the cut
		}
		for i, field := range chunk.Cells.Fields {
			bucket, dims, err := live.SplitField(field)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(periods, func(p period) bool { return bucket >= p.from && bucket < p.to }) {
				continue
			}
			if err := c.plan.Decode(chunk.Cells.Values[i], state); err != nil {
				return err
			}
			key := string(field)
			if cells[key] == nil {
				values, err := algebra.DecodeKey(dims)
				if err != nil {
					return err
				}
				cells[key] = c.empty(bucket, nil)
				cells[key].dims = values
			}
			c.plan.Merge(cells[key].merged, state)
			cells[key].speed += state.Events()
		}
	}
	return nil
}

// firstDimension is the first dimension's column in a view file, after _grain, _set and _bucket.
const firstDimension = 3

// rows calls f for each cell of some periods in view files: its bucket, its name, its row, and the column of `_events` in it.
func (c *comparison) rows(ctx context.Context, files []lake.ViewFile, periods []period, f func(bucket int64, key []byte, row algebra.Row, events int) error) error {
	wanted := map[string]bool{}
	for _, p := range periods {
		wanted[p.name] = true
	}
	var paths []string
	for _, file := range files {
		if file.Unit == c.unit && wanted[file.Period] {
			path, err := c.job.runner.cfg.Lake.Fetch(ctx, file.Key, file.SHA256)
			if err != nil {
				return err
			}
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	sql := fmt.Sprintf("SELECT * FROM read_parquet(%s, hive_partitioning = false) WHERE _grain = %s AND _set = %d", listOf(paths), quoteText(c.grain.Name), c.full)
	var key []byte
	return c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			row := rows.Row(i)
			bucket := row.Int64(firstDimension - 1)
			key = live.AppendField(key[:0], bucket, c.plan.AppendRowKey(nil, row, firstDimension))
			if err := f(bucket, key, row, firstDimension+len(c.job.view.Dimensions)); err != nil {
				return err
			}
		}
		return nil
	})
}

// exacts reads the exact answers of a row, by measure.
func (c *comparison) exacts(row algebra.Row, events int) []algebra.Value {
	values := make([]algebra.Value, len(c.job.view.Measures))
	col := events + len(c.plan.StateColumns())
	for i := range c.job.view.Measures {
		if c.job.view.Measures[i].Agg != view.Derived {
			values[i] = algebra.ReadValue(row, col, c.plan.ExactType(i))
			col++
		}
	}
	return values
}

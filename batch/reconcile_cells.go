package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/sqltext"
)

// before collects what the layers held before the publish, by the cell's name.
func (c *comparison) before(ctx context.Context, periods []period) (map[string]*cell, error) {
	cells := map[string]*cell{}
	c.limits = limited{}
	err := c.rows(ctx, c.job.current.Files, periods, func(r *storedRow) error {
		cell := c.empty(r.bucket, r.total, r.dims())
		cell.exact = c.plan.ReadExacts(r.row, r.events)
		c.plan.MergeRow(cell.batch, r.row, r.events)
		c.plan.MergeRow(cell.merged, r.row, r.events)
		cells[r.name] = cell
		if c.totals && !c.stored {
			sum := c.find(cells, totalName(r.bucket), r.bucket, true, nil)
			c.plan.MergeRow(sum.batch, r.row, r.events)
			c.plan.MergeRow(sum.merged, r.row, r.events)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(c.job.cuts)) {
		if !c.job.spoke(p) || c.unread[p] != "" {
			continue
		}
		if err := c.speed(ctx, p, periods, cells); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

func (c *comparison) empty(bucket int64, total bool, dims []algebra.Value) *cell {
	return &cell{place: place{grain: c.grain.Name, bucket: bucket, total: total, dims: dims}, batch: c.plan.New(), merged: c.plan.New()}
}

// find returns the cell of that name, which is made if there is none.
func (c *comparison) find(cells map[string]*cell, name string, bucket int64, total bool, dims []algebra.Value) *cell {
	if cells[name] == nil {
		cells[name] = c.empty(bucket, total, dims)
	}
	return cells[name]
}

// totalName names the total of a bucket apart from every combination of dimension values.
func totalName(bucket int64) string { return fmt.Sprintf("total %d", bucket) }

// speedError says that a partition's speed state could not be read, which is a reason to compare less and not to publish nothing.
type speedError struct {
	partition int
	reason    string
}

// Error is why.
func (e *speedError) Error() string { return "the speed layer cannot be read: " + e.reason }

// speed merges the cells of the closed epochs of a partition into cells.
func (c *comparison) speed(ctx context.Context, partition int, periods []period, cells map[string]*cell) error {
	v := c.job.from(partition)
	loc := c.job.view.Location
	reply, err := c.job.runner.cfg.Live.Read(ctx, c.job.group(partition), live.ReadRequest{
		V: v, Grain: c.grain.Name, MinChunk: c.grain.Chunk(c.grain.Floor(periods[0].from, loc)), MaxChunk: c.grain.Chunk(periods[len(periods)-1].to - 1),
	})
	if err != nil {
		return &speedError{partition, err.Error()}
	}
	if reply.Served != live.ServedWhole {
		return &speedError{partition, fmt.Sprintf("from offset %d: %s %s", v, reply.Served, reply.Lost)}
	}
	if reason := c.job.untiledBy(reply.Meta, partition); reason != "" {
		return &speedError{partition, reason} // Redis was lost since untiled looked, and is being rebuilt
	}
	if reply.Meta.Counts.Deferred > 0 {
		if err := c.readLacking(ctx, partition, reply.Meta); err != nil {
			return err
		}
	}
	state := c.plan.New()
	for _, chunk := range reply.Chunks {
		if newest(partition) && chunk.ID.Start >= c.job.cuts[partition].Offset {
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
			name := string(field)
			if cells[name] == nil {
				values, err := algebra.DecodeKey(dims)
				if err != nil {
					return err
				}
				cells[name] = c.empty(bucket, false, values)
			}
			c.limits.add(bucket, cells[name].dims, state.Events())
			into := []*cell{cells[name]}
			if c.totals {
				into = append(into, c.find(cells, totalName(bucket), bucket, true, nil))
			}
			for _, cell := range into {
				c.plan.Merge(cell.merged, state)
				cell.speed += state.Events()
			}
		}
	}
	return nil
}

// moved are the outcomes of the cells of which other events are left out than before, by the cell's name; nil where there are none.
type moved struct{ priors, middles map[string]outcome }

// priors reads what the buckets of which other events are left out than before would answer with what was left out before.
func (c *comparison) priors(ctx context.Context, periods []period) (*moved, error) {
	if c.job.repeats == nil || len(c.job.repeats.affected[c.grain.Name]) == 0 {
		return nil, nil
	}
	m := &moved{}
	var err error
	if m.priors, err = c.outcomes(ctx, c.job.repeats.priors, periods); err != nil {
		return nil, err
	}
	m.middles, err = c.outcomes(ctx, c.job.repeats.middles, periods)
	return m, err
}

// outcomes reads a table that has the columns of a view file.
func (c *comparison) outcomes(ctx context.Context, table string, periods []period) (map[string]outcome, error) {
	read := map[string]outcome{}
	sums := map[int64]*algebra.State{}
	from, to := periods[0].from, periods[len(periods)-1].to
	sql := fmt.Sprintf("SELECT * FROM %s WHERE _grain = %s AND _bucket >= %d AND _bucket < %d AND _set IN (%d, 0)", table, sqltext.Text(c.grain.Name), from, to, c.full)
	err := c.query(ctx, sql, func(r *storedRow) error {
		o := outcome{exact: c.plan.ReadExacts(r.row, r.events), events: r.row.Int64(r.events), state: c.plan.New()}
		c.plan.MergeRow(o.state, r.row, r.events)
		read[r.name] = o
		if c.totals && !c.stored {
			if sums[r.bucket] == nil {
				sums[r.bucket] = c.plan.New()
			}
			c.plan.Merge(sums[r.bucket], o.state)
		}
		return nil
	})
	for bucket, sum := range sums {
		read[totalName(bucket)] = c.final(sum)
	}
	return read, err
}

// prior is what a cell was before each cause that moved its bucket, in the order in which they act; none where the same events are left out.
func (c *comparison) prior(m *moved, of *cell, name string) []prior {
	if m == nil {
		return nil
	}
	read := func(from map[string]outcome) outcome {
		if o, ok := from[name]; ok {
			return o
		}
		return c.nothing()
	}
	switch c.job.repeats.affected[c.grain.Name][of.bucket] {
	case byErasure:
		return []prior{{read(m.priors), ledger.Erasure}}
	case byRepeats:
		return []prior{{read(m.priors), ledger.BatchDedup}}
	case byErasure | byRepeats:
		return []prior{{read(m.priors), ledger.Erasure}, {read(m.middles), ledger.BatchDedup}}
	}
	return nil
}

// final is an outcome that only its state tells.
func (c *comparison) final(state *algebra.State) outcome {
	o := outcome{exact: make([]algebra.Value, len(c.job.view.Measures)), events: state.Events(), state: state}
	for i := range o.exact {
		o.exact[i] = c.plan.Final(state, i).Value
	}
	return o
}

// nothing is the outcome where there are no records.
func (c *comparison) nothing() outcome {
	return outcome{exact: make([]algebra.Value, len(c.job.view.Measures)), state: c.plan.New()}
}

// outcome reads a row of the new files. It holds until the next one.
func (c *comparison) outcome(r *storedRow) (outcome, error) {
	o := outcome{exact: c.plan.ReadExacts(r.row, r.events), events: r.row.Int64(r.events)}
	if c.estimates || c.totals && !c.stored {
		o.state = c.scratch
		if err := c.plan.ReadState(r.row, r.events, o.state); err != nil {
			return o, err
		}
	}
	return o, nil
}

// firstDimension is the first dimension's column in a view file, after _grain, _set and _bucket.
const firstDimension = 3

// storedRow is a row of a view file. It holds until the next one.
type storedRow struct {
	row    algebra.Row
	plan   *algebra.Plan
	bucket int64
	total  bool
	name   string // of the cell: that of the speed layer, or of a total
	events int    // column of `_events`
}

func (r *storedRow) dims() []algebra.Value {
	if r.total {
		return nil
	}
	return slices.Clone(r.plan.ReadKey(r.row, firstDimension, nil))
}

// rows calls f for each cell of some periods in view files.
func (c *comparison) rows(ctx context.Context, files []lake.ViewFile, periods []period, f func(*storedRow) error) error {
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
	return c.query(ctx, fmt.Sprintf("SELECT * FROM read_parquet(%s, hive_partitioning = false) WHERE _grain = %s AND _set IN (%d, 0)", lake.PathList(paths), sqltext.Text(c.grain.Name), c.full), f)
}

// query calls f for each row of a query that has the columns of view files.
func (c *comparison) query(ctx context.Context, sql string, f func(*storedRow) error) error {
	r := &storedRow{plan: c.plan, events: firstDimension + len(c.job.view.Dimensions)}
	var key []byte
	return c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			row := rows.Row(i)
			r.row, r.bucket = row, row.Int64(firstDimension-1)
			if r.total = c.totals && row.Int64(1) == 0; r.total {
				r.name = totalName(r.bucket)
			} else {
				key = live.AppendField(key[:0], r.bucket, c.plan.AppendRowKey(nil, row, firstDimension))
				r.name = string(key)
			}
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	})
}

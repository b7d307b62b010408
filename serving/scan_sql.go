package serving

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// repeatsTable holds the records that `batch_dedup: full` leaves out.
const repeatsTable = "repeats"

// read runs the scan on a database that can read the segments and nothing else.
func (l *lakeScan) read(ctx context.Context, conn *engine.Conn, plan *algebra.Plan, cs *cells) error {
	sources, err := l.confine(ctx, conn)
	if err != nil {
		return err
	}
	narrow, err := l.narrowed()
	if err != nil {
		return err
	}
	if l.window != nil {
		if err := l.findRows(ctx, conn, plan, narrow, cs, sources); err != nil {
			return err
		}
	}
	all := make([]algebra.Value, len(l.q.view.Dimensions))
	var dims []algebra.Value
	return conn.Query(ctx, l.sql(plan, narrow, sources), func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			dims = narrow.ReadKey(row, 1, dims[:0])
			for k, d := range l.q.dims {
				all[d] = dims[k]
			}
			c, next, err := cs.addScanned(row.Int64(0), all, row, 1+len(dims), narrow)
			if err != nil {
				return err
			}
			if l.window != nil {
				l.bounds(c, row, next)
				cs.last = max(cs.last, c.end)
			}
		}
		return nil
	})
}

// confine lets a database read the segments and nothing else, and makes the table of repeats where there is to be one. It returns the definitions
// that the segments were written with.
func (l *lakeScan) confine(ctx context.Context, conn *engine.Conn) (map[string]*view.Source, error) {
	var paths []string
	for _, f := range slices.Concat(l.files, l.ids) {
		paths = append(paths, f.path)
	}
	if err := conn.Confine(ctx, paths); err != nil {
		return nil, err
	}
	sources, err := l.sources(ctx)
	if err != nil {
		return nil, err
	}
	if len(l.ids) > 0 {
		if err := conn.Exec(ctx, l.repeatsSQL(sources)); err != nil {
			return nil, fmt.Errorf("look for repeats in the whole lake: %w", err)
		}
	}
	return sources, nil
}

// sources are the definitions that the segments were written with, by hash.
func (l *lakeScan) sources(ctx context.Context) (map[string]*view.Source, error) {
	of := map[string]*view.Source{l.source.Hash(): l.source}
	for _, f := range slices.Concat(l.files, l.ids) {
		if of[f.definition] != nil {
			continue
		}
		src, err := l.server.cfg.Lake.Source(ctx, f.definition)
		if err != nil {
			return nil, err
		}
		of[f.definition] = src
	}
	return of, nil
}

// narrowed is the view with the dimensions and the stored measures that are needed, and no others, so that no more columns are read.
func (l *lakeScan) narrowed() (*algebra.Plan, error) {
	v := *l.q.view
	v.Dimensions, v.Measures = nil, nil
	for _, d := range l.q.dims {
		v.Dimensions = append(v.Dimensions, l.q.view.Dimensions[d])
	}
	for _, m := range l.q.stored {
		v.Measures = append(v.Measures, l.q.view.Measures[m])
	}
	return algebra.Compile(&v)
}

// sql is the whole query: `_bucket`, the dimensions, `_events`, `_late`, `_errors`, and the exact answer of each measure. What else batch
// computes, the mergeable states, is not asked for, and so DuckDB leaves it out.
func (l *lakeScan) sql(plan, narrow *algebra.Plan, sources map[string]*view.Source) string {
	v := narrow.View
	columns := []string{"_bucket"}
	for i := range v.Dimensions {
		columns = append(columns, fmt.Sprintf("d%d", i))
	}
	columns = append(columns, "_events", "_late", "_errors")
	for i := range v.Measures {
		columns = append(columns, narrow.ExactColumns(i)...)
	}
	options := l.bucketed(l.rowsSQL(plan, sources), narrow)
	if w := l.window; w != nil {
		options.From, options.Bucketed = l.inRows(options, narrow), true
		if w.Session != nil {
			columns = append(columns, narrow.TimesColumns()...)
		}
	}
	return fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(columns, ", "), narrow.BatchSQL(options))
}

// bucketed says which rows are added up, and into which buckets: of the grain that is asked for.
func (l *lakeScan) bucketed(rows string, narrow *algebra.Plan) algebra.BatchOptions {
	v := narrow.View
	options := algebra.BatchOptions{From: rows, Sets: []uint32{1<<len(v.Dimensions) - 1}}
	if g := l.q.grain; g != nil {
		options.Grain = *g
		if g.Unit == view.Day && v.Location == time.UTC {
			options.Grain.Unit = view.Fixed // needs no table of its boundaries
		}
		options.Starts = l.starts(*g)
	}
	return options
}

// rowsSQL is the relation of the rows that lie in the range and pass the filter.
func (l *lakeScan) rowsSQL(plan *algebra.Plan, sources map[string]*view.Source) string {
	condition := []string{"TRUE"}
	// Compared as times, so that row groups of other times are skipped.
	if l.q.from != beginning {
		condition = append(condition, lake.ColumnEventTime+" >= "+sqltext.Instant(l.q.from))
	}
	if l.q.to != forever {
		condition = append(condition, lake.ColumnEventTime+" < "+sqltext.Instant(l.q.to))
	}
	var parts []string
	byKind := pathsByKind(l.files)
	for _, k := range slices.SortedFunc(maps.Keys(byKind), compareKinds) {
		of, paths := sources[k.definition], byKind[k]
		rows := lake.Kept(lake.ReadSegments(l.source, of, paths, strings.Join(condition, " AND ")), l.erasures, l.topicOf(k), of, paths, lake.ColumnPartition, lake.ColumnOffset)
		parts = append(parts, fmt.Sprintf("SELECT *, CAST(%d AS BIGINT) AS _incarnation FROM (%s)", k.life, rows))
	}
	rows := "SELECT r.* FROM (" + strings.Join(parts, " UNION ALL ") + ") AS r"
	if len(l.ids) > 0 {
		rows += " ANTI JOIN " + repeatsTable + " AS x ON r._incarnation = x.life AND r._partition = x.p AND r._offset = x.o"
	}
	if filter := l.q.filter.rowSQL(plan); filter != "" {
		rows += " WHERE " + filter
	}
	return "(" + rows + ")"
}

// repeatsSQL makes the table of repeats: of all events of one id that are no duplicates within the horizon, every one but the first by (record
// timestamp, life of the topic from the newest on, partition, offset), as batch leaves them out.
func (l *lakeScan) repeatsSQL(sources map[string]*view.Source) string {
	var parts []string
	byKind := pathsByKind(l.ids)
	for _, k := range slices.SortedFunc(maps.Keys(byKind), compareKinds) {
		of, paths := sources[k.definition], byKind[k]
		ids := lake.Kept(lake.ReadIDs(l.source, of, paths, l.below[k.life]), l.erasures, l.topicOf(k), of, paths, "p", "o")
		parts = append(parts, fmt.Sprintf("SELECT *, CAST(%d AS BIGINT) AS life FROM (%s)", k.life, ids))
	}
	return fmt.Sprintf(`CREATE TEMP VIEW all_ids AS %s;
		CREATE TEMP TABLE %s AS SELECT life, p, o FROM (SELECT life, p, o, row_number() OVER (PARTITION BY id ORDER BY ts, life DESC, p, o) AS n FROM all_ids
		WHERE id IN (SELECT id FROM all_ids GROUP BY id HAVING count(*) > 1)) WHERE n > 1`, strings.Join(parts, " UNION ALL "), repeatsTable)
}

// starts are those of all buckets that rows of the files may fall into, in order.
func (l *lakeScan) starts(g view.Grain) (starts []int64) {
	loc := l.q.view.Location
	last := int64(beginning)
	for _, date := range l.dates {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			panic(fmt.Sprintf("BUG: date %q was read before: %v", date, err))
		}
		end := day.AddDate(0, 0, 1).UnixMicro()
		for at := g.Floor(day.UnixMicro(), loc); at < end; at = g.Next(at, loc) {
			if at > last {
				starts, last = append(starts, at), at
			}
		}
	}
	return starts
}

func pathsByKind(files []segment) map[segmentKind][]string {
	paths := map[segmentKind][]string{}
	for _, f := range files {
		paths[f.segmentKind] = append(paths[f.segmentKind], f.path)
	}
	for _, list := range paths {
		slices.Sort(list)
	}
	return paths
}

// addScanned adds one row of a scan: the only one of its cell. Its counts are in three columns from first on, and then the exact answers; next is the
// column after them.
func (cs *cells) addScanned(bucket int64, all []algebra.Value, row algebra.Row, first int, narrow *algebra.Plan) (c *cell, next int, err error) {
	if c, err = cs.find(bucket, all); err != nil {
		return nil, 0, err
	}
	c.counts.add(counts{row.Int64(first), row.Int64(first + 1), row.Int64(first + 2)})
	c.rows++
	c.exact = make([]algebra.Value, len(narrow.View.Measures))
	col := first + 3
	for i := range c.exact {
		c.exact[i] = narrow.ReadExact(row, col, i)
		col += len(narrow.ExactColumns(i))
	}
	return c, col, nil
}

// topicOf is the life of the topic that segments are of.
func (l *lakeScan) topicOf(k segmentKind) lake.Topic {
	return lake.Topic{Name: l.source.Topic, Incarnation: k.life}
}

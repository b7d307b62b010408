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

// segmentScan is how the segments of one origin are read where they are.
type segmentScan struct {
	origin origin
	of     *view.Source // that they were written with
	files  []*lake.ChunkFile
}

// rowGroup is a part of a segment: so many rows whose event times lie in [from, to], µs UTC.
type rowGroup struct {
	file           *lake.ChunkFile
	from, to, rows int64
}

// rowGroups reads from their footers what parts the segments of a scan have. One that does not say which times it holds is of any.
func (c *computation) rowGroups(ctx context.Context, files []*lake.ChunkFile, paths []string) (groups []rowGroup, err error) {
	of := map[string]*lake.ChunkFile{}
	for i, path := range paths {
		of[path] = files[i]
	}
	sql := fmt.Sprintf("SELECT file_name, row_group_num_rows, epoch_us(TRY_CAST(stats_min_value AS TIMESTAMPTZ)), epoch_us(TRY_CAST(stats_max_value AS TIMESTAMPTZ)) FROM parquet_metadata(%s) WHERE path_in_schema = %s",
		lake.PathList(paths), sqltext.Text(lake.ColumnEventTime))
	err = c.conn.Query(ctx, sql, func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			row := rows.Row(i)
			file := of[string(row.Bytes(0))]
			if file == nil {
				return fmt.Errorf("the engine read %s, which nobody asked for", row.Bytes(0))
			}
			date, err := time.Parse(time.DateOnly, file.Date)
			if err != nil {
				return fmt.Errorf("%w: the date of segment %s is %q", lake.ErrCorrupt, file.Key, file.Date)
			}
			g := rowGroup{file: file, from: date.UnixMicro(), to: date.UnixMicro() + microsPerDay - 1, rows: row.Int64(1)}
			if !row.Null(2) && !row.Null(3) {
				g.from, g.to = row.Int64(2), row.Int64(3)
			}
			groups = append(groups, g)
		}
		return nil
	})
	return groups, err
}

// show makes rowsView the rows of some spans of time, of the segments that hold any, and sees to it that these are still those that were checked, and
// still there: another process may share the folder that they were fetched to, and what nobody has asked for of late may go from it.
func (c *computation) show(ctx context.Context, spans [][2]int64) error {
	holds := map[*lake.ChunkFile]bool{}
	for i := range c.groups {
		g := &c.groups[i]
		if _, ok := firstIn(spans, g.from, g.to); ok {
			holds[g.file] = true
		}
	}
	src := c.jobs[0].view.Source
	selects := []string{"SELECT * FROM " + keptTable + " WHERE " + within("_event_time_us", spans)}
	for i := range c.scans {
		scan := &c.scans[i]
		var files []*lake.ChunkFile
		for _, f := range scan.files {
			if holds[f] {
				files = append(files, f)
			}
		}
		if len(files) == 0 {
			continue
		}
		paths, err := c.fetch(ctx, files)
		if err != nil {
			return err
		}
		selects = append(selects, fmt.Sprintf("SELECT * REPLACE (%s AS %s) FROM (%s)", slotOf(scan.origin.life, lake.ColumnPartition), lake.ColumnPartition,
			lake.ReadSegments(src, scan.of, paths, duringSpans(spans))))
	}
	if err := c.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS %s", rowsView, strings.Join(selects, " UNION ALL "))); err != nil {
		return fmt.Errorf("read segments: %w", err)
	}
	return nil
}

// rowsPerSlice is how many rows are computed at once, of buckets that have no more: a fourth of what bytesPerRow would take, since stages come one after the
// other.
func (c *computation) rowsPerSlice() int64 { return 4 * c.runner.cfg.RowsPerLoad }

// slice is a part of some spans of time whose cells are computed at once: buckets of a grain.
type slice struct {
	spans [][2]int64 // µs UTC
	rows  int64      // about so many
}

// slicesOf divides spans of time between the buckets of a grain, so that a slice has about rowsPerSlice rows, by where row groups begin. The tables that rows are
// grouped in stay small, and no answer changes: no cell is of two buckets.
func (c *computation) slicesOf(q *cellsQuery) []slice {
	begin := map[int64]int64{} // rows of the row groups that begin in a bucket
	for i := range c.groups {
		g := &c.groups[i]
		if from, ok := firstIn(q.spans, g.from, g.to); ok {
			begin[q.grain.Floor(from, q.job.view.Location)] += g.rows
		}
	}
	var parts []slice
	last := slice{spans: q.spans}
	for _, at := range slices.Sorted(maps.Keys(begin)) {
		if last.rows > 0 && last.rows+begin[at] > c.rowsPerSlice() {
			before, after := cut(last.spans, at)
			parts = append(parts, slice{before, last.rows})
			last = slice{spans: after}
		}
		last.rows += begin[at]
	}
	return append(parts, last)
}

// maxFewBuckets is how many buckets of a fixed grain are told apart by comparisons.
const maxFewBuckets = 16

// fewBuckets are the starts of the buckets of a fixed grain that the rows of some spans lie in by what their row groups say, where they are few; else nil.
func (c *computation) fewBuckets(q *cellsQuery, spans [][2]int64) []int64 {
	if q.grain.Unit != view.Fixed {
		return nil
	}
	seen := map[int64]bool{}
	for i := range c.groups {
		g := &c.groups[i]
		for _, s := range spans {
			for at := q.grain.Floor(max(g.from, s[0]), q.job.view.Location); at <= g.to && at < s[1]; at = q.grain.Next(at, q.job.view.Location) {
				if seen[at] = true; len(seen) > maxFewBuckets {
					return nil
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// firstIn is the first time of [from, to] that lies in a span, and whether there is one.
func firstIn(spans [][2]int64, from, to int64) (first int64, ok bool) {
	for _, s := range spans {
		if from < s[1] && to >= s[0] {
			return max(from, s[0]), true
		}
	}
	return 0, false
}

// cut divides spans at a time.
func cut(spans [][2]int64, at int64) (before, after [][2]int64) {
	for _, s := range spans {
		if s[0] < at {
			before = append(before, [2]int64{s[0], min(s[1], at)})
		}
		if s[1] > at {
			after = append(after, [2]int64{max(s[0], at), s[1]})
		}
	}
	return before, after
}

package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// This file is how DuckDB reads segments: whoever computes from them, a batch run or one query, reads the same rows in the same way.

// Source returns the source whose definition the lake keeps under a hash: what a chunk was written with.
func (l *Lake) Source(ctx context.Context, definition string) (*view.Source, error) {
	body, err := l.Definition(ctx, definition)
	if err != nil {
		return nil, err
	}
	src, err := view.ParseSource(body)
	if err != nil {
		return nil, fmt.Errorf("read definition %s of a source: %w", definition, err)
	}
	return src, nil
}

// RowColumns are the columns of the rows that ReadSegments reads, with their types: the source's, and those that both layers compute with.
func RowColumns(src *view.Source) []string {
	var cols []string
	for _, f := range src.Fields {
		cols = append(cols, sqltext.Name(f.Name)+" "+f.Type.SQL())
	}
	return append(cols, ColumnPartition+" INTEGER", ColumnOffset+" BIGINT", "_event_time_us BIGINT", ColumnDuplicate+" BOOLEAN", ColumnLate+" BOOLEAN")
}

// ReadSegments is a query over local segments that were written with the definition of, perhaps another one than src; see Columns for what a
// row of it is under src. Its columns are RowColumns(src), named so; condition is over the columns of the segments.
func ReadSegments(src, of *view.Source, paths []string, condition string) string {
	cols, fits := readFields(src, of)
	cols = append(cols, ColumnPartition, ColumnOffset, "epoch_us("+ColumnEventTime+") AS _event_time_us", ColumnDuplicate, ColumnLate)
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false) WHERE %s AND %s", strings.Join(cols, ", "), PathList(paths), fits, condition)
}

// readFields are Columns, with their names.
func readFields(src, of *view.Source) (cols []string, fits string) {
	cols, fits = Columns(src, of)
	for i := range cols {
		cols[i] += " AS " + sqltext.Name(src.Fields[i].Name)
	}
	return cols, fits
}

// ReadIDs is a query over the ids of the events below the offsets that are no duplicates within the horizon, of local segments that were
// written with the definition of. Its columns are id, ts (of the record, µs), p, o and event_us. Where that definition has no such id
// its rows are none; so they are without paths.
func ReadIDs(src, of *view.Source, paths []string, below map[int]int64) string {
	at := src.Field(src.EventID)
	sql := src.Fields[at].Type.SQL()
	if len(paths) == 0 || of.Holder(&src.Fields[at]) < 0 {
		return fmt.Sprintf("SELECT CAST(NULL AS %s) AS id, CAST(0 AS BIGINT) AS ts, CAST(0 AS INTEGER) AS p, CAST(0 AS BIGINT) AS o, CAST(0 AS BIGINT) AS event_us WHERE FALSE", sql)
	}
	cols, fits := Columns(src, of)
	return fmt.Sprintf("SELECT CAST(%s AS %s) AS id, epoch_us(%s) AS ts, %s AS p, %s AS o, epoch_us(%s) AS event_us FROM read_parquet(%s, hive_partitioning = false) WHERE %s AND NOT %s AND %s IS NOT NULL AND %s",
		cols[at], sql, ColumnTimestamp, ColumnPartition, ColumnOffset, ColumnEventTime, PathList(paths), fits, ColumnDuplicate, cols[at],
		Below(below, ColumnPartition, ColumnOffset))
}

// Below is the condition that a record lies below the offset of its partition; partition and offset are the names of columns.
func Below(offsets map[int]int64, partition, offset string) string {
	if len(offsets) == 0 {
		return "FALSE"
	}
	var b strings.Builder
	b.WriteString("CASE " + partition)
	for _, p := range slices.Sorted(maps.Keys(offsets)) {
		fmt.Fprintf(&b, " WHEN %d THEN %s < %d", p, offset, offsets[p])
	}
	b.WriteString(" ELSE FALSE END")
	return b.String()
}

// PathList is a list of paths in SQL, as read_parquet takes it.
func PathList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = sqltext.Text(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

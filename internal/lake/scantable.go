package lake

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// The columns of ReadTable beside the source's: times in µs UTC, as BIGINT.
const (
	TableIncarnation = "_incarnation"    // int32: life of the topic
	TableTimestamp   = "_timestamp_us"   // of the record
	TableEventTime   = "_event_time_us"  //
	TableIngestedAt  = "_ingested_at_us" // when the archive had it: what was known at a time is what was ingested before
)

// TableColumns are the columns of the rows that ReadTable reads, with their types.
func TableColumns(src *view.Source) []string {
	var cols []string
	for _, f := range src.Fields {
		cols = append(cols, sqltext.Name(f.Name)+" "+f.Type.SQL())
	}
	return append(cols, TableIncarnation+" INTEGER", ColumnPartition+" INTEGER", ColumnOffset+" BIGINT", TableTimestamp+" BIGINT", TableEventTime+" BIGINT",
		TableIngestedAt+" BIGINT", ColumnLate+" BOOLEAN")
}

// ReadTable is a query over local files of a table, or segments, of one life of a topic that were written with the definition of. Its columns
// are TableColumns(src), named so: timestamps of fields are plain and mean UTC. condition is over the columns of the files. Duplicates, which
// only segments hold, are left out.
func ReadTable(src, of *view.Source, incarnation int, paths []string, condition string) string {
	cols, fits := readFields(src, of)
	cols = append(cols, fmt.Sprintf("CAST(%d AS INTEGER) AS %s", incarnation, TableIncarnation), ColumnPartition, ColumnOffset,
		"epoch_us("+ColumnTimestamp+") AS "+TableTimestamp, "epoch_us("+ColumnEventTime+") AS "+TableEventTime, "epoch_us("+ColumnIngestedAt+") AS "+TableIngestedAt,
		ColumnLate)
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false) WHERE NOT %s AND %s AND %s", strings.Join(cols, ", "), PathList(paths), ColumnDuplicate, fits, condition)
}

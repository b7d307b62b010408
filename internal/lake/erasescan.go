package lake

import (
	"context"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// OpenErasure is an erasure whose records segments may still hold, with the source whose columns its condition is over.
type OpenErasure struct {
	*Erasure
	source *view.Source
}

// OpenErasureOf is an erasure with the source that its definition names.
func OpenErasureOf(e *Erasure, source *view.Source) OpenErasure { return OpenErasure{e, source} }

// OpenErasures returns the erasures of a topic that whoever reads its segments has to apply; mostly there are none. They are to be read after the
// chunks: an erasure that was done in between has emptied the files that the reader is about to fetch, and it begins again.
func (l *Lake) OpenErasures(ctx context.Context, topic string) ([]OpenErasure, error) {
	all, err := l.Erasures(ctx, topic)
	if err != nil {
		return nil, err
	}
	var open []OpenErasure
	for i := range all {
		if e := &all[i]; e.Open() && !e.DeadOnly {
			source, err := l.Source(ctx, e.Definition)
			if err != nil {
				return nil, fmt.Errorf("erasure %d: %w", e.Number, err)
			}
			open = append(open, OpenErasure{e, source})
		}
	}
	return open, nil
}

// Read is a query over the rows of local segments of a life of the topic, written with the definition of, that the erasure takes out. Its
// columns are _partition, _offset, _event_time_us, _duplicate and _late.
func (e OpenErasure) Read(t Topic, of *view.Source, paths []string) string {
	bound := "TRUE"
	if t == e.Topic {
		bound = Below(e.Below, ColumnPartition, ColumnOffset)
	}
	return fmt.Sprintf("SELECT %s, %s, _event_time_us, %s, %s FROM (%s) WHERE %s",
		ColumnPartition, ColumnOffset, ColumnDuplicate, ColumnLate, ReadSegments(e.source, of, paths, bound), algebra.Matches(e.source, e.Where))
}

// Kept is a query over the same local segments, such as ReadSegments or ReadIDs, without the records that erasures take out: how whoever answers
// from segments reads them. partition and offset are columns of the query.
func Kept(query string, open []OpenErasure, t Topic, of *view.Source, paths []string, partition, offset string) string {
	if len(open) == 0 {
		return query
	}
	erased := make([]string, len(open))
	for i, e := range open {
		erased[i] = e.Read(t, of, paths)
	}
	return fmt.Sprintf("SELECT r.* FROM (%s) AS r ANTI JOIN (%s) AS x ON r.%s = x.%s AND r.%s = x.%s", query, strings.Join(erased, " UNION ALL "),
		partition, ColumnPartition, offset, ColumnOffset)
}

// ReadWhole is a query over one local segment for whoever writes it again: in the order of the log, _partition, _offset, the record's timestamp
// and the event's time in µs, _duplicate, _late, and then the fields of the source that it was written with.
func ReadWhole(of *view.Source, path string) string {
	cols := []string{ColumnPartition, ColumnOffset, "epoch_us(" + ColumnTimestamp + ")", "epoch_us(" + ColumnEventTime + ")", ColumnDuplicate, ColumnLate}
	for _, field := range of.Fields {
		cols = append(cols, field.Type.Times(sqltext.Name(field.Name), PlainTime))
	}
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false) ORDER BY %s", strings.Join(cols, ", "), PathList([]string{path}), ColumnOffset)
}

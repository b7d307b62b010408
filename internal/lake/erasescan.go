package lake

import (
	"context"
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// ReadErased is a query over the rows of local segments of a life of the topic, written with the definition of, that an open erasure takes
// out. source is the one whose definition the erasure names. Its columns are _partition, _offset, _event_time_us, _duplicate and _late.
func (e *Erasure) ReadErased(t Topic, source, of *view.Source, paths []string) string {
	where := "FALSE"
	if e.Where != "" {
		where = algebra.Matches(source, e.Where)
	}
	bound := "TRUE"
	if t == e.Topic {
		bound = Below(e.Below, ColumnPartition, ColumnOffset)
	}
	return fmt.Sprintf("SELECT %s, %s, _event_time_us, %s, %s FROM (%s) WHERE %s",
		ColumnPartition, ColumnOffset, ColumnDuplicate, ColumnLate, ReadSegments(source, of, paths, bound), where)
}

// ReadKept is ReadSegments without the records that erasures took out: what everybody reads segments by who answers from them. Erasures that
// are done have left none there, so that mostly it is ReadSegments itself.
func (l *Lake) ReadKept(ctx context.Context, t Topic, src, of *view.Source, paths []string, condition string) (string, error) {
	all, err := l.Erasures(ctx, t.Name)
	if err != nil {
		return "", err
	}
	rows := ReadSegments(src, of, paths, condition)
	var erased []string
	for i := range all {
		e := &all[i]
		if !e.Open() || e.Where == "" {
			continue
		}
		source, err := l.Source(ctx, e.Definition)
		if err != nil {
			return "", err
		}
		erased = append(erased, e.ReadErased(t, source, of, paths))
	}
	if len(erased) == 0 {
		return rows, nil
	}
	return fmt.Sprintf("SELECT r.* FROM (%s) AS r ANTI JOIN (%s) AS x ON r.%[3]s = x.%[3]s AND r.%[4]s = x.%[4]s", rows, strings.Join(erased, " UNION ALL "),
		ColumnPartition, ColumnOffset), nil
}

// ReadWhole is a query over one local segment for whoever writes it again: in the order of the log, _partition, _offset, the record's timestamp
// and the event's time in µs, _duplicate, _late, and then the fields of the source that it was written with.
func ReadWhole(of *view.Source, path string) string {
	cols := []string{ColumnPartition, ColumnOffset, "epoch_us(" + ColumnTimestamp + ")", "epoch_us(" + ColumnEventTime + ")", ColumnDuplicate, ColumnLate}
	for _, field := range of.Fields {
		name := quoteName(field.Name)
		if field.Type.Kind == view.Timestamp {
			name = "make_timestamp(epoch_us(" + name + "))" // segments say UTC
		}
		cols = append(cols, name)
	}
	return fmt.Sprintf("SELECT %s FROM read_parquet(%s, hive_partitioning = false) ORDER BY %s", strings.Join(cols, ", "), PathList([]string{path}), ColumnOffset)
}

package training

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// evaluated writes expressions over a source's rows as SQL: null where one fails, as in the layers.
func evaluated(src *view.Source, columns []view.TrainingColumn) ([]string, error) {
	v := &view.View{Source: src}
	for _, c := range columns {
		v.Dimensions = append(v.Dimensions, view.Dimension{Name: c.Name, Expr: c.Expr, Type: c.Type})
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(columns))
	for i := range out {
		out[i] = plan.DimensionSQL(i)
	}
	return out, nil
}

// matching is a condition that holds where all of some do.
func matching(src *view.Source, conditions []string) string {
	out := []string{"TRUE"}
	for _, c := range conditions {
		out = append(out, algebra.Matches(src, c))
	}
	return strings.Join(out, " AND ")
}

// The columns of a set's own in labelsTable, beside k<i> for each key and c<i> for each column of a label.
const (
	labelsTable = "labels"
	timeColumn  = "_time"  // the row's, µs UTC
	knownColumn = "_known" // when the row was known, µs UTC
)

// places are the columns of where an event's record stands in the log.
func places() []string {
	return []string{lake.TableIncarnation, lake.ColumnPartition, lake.ColumnOffset}
}

// labelsSQL is a query over the rows of a training set, in their order. Those without a time are among them, last.
func labelsSQL(set *view.Training, events string) (string, error) {
	l := &set.Labels
	cols, err := evaluated(l.Source, slices.Concat(set.Keys, l.Columns))
	if err != nil {
		return "", err
	}
	for i := range cols {
		if i < len(set.Keys) {
			cols[i] += fmt.Sprintf(" AS k%d", i)
		} else {
			cols[i] += fmt.Sprintf(" AS c%d", i-len(set.Keys))
		}
	}
	place := strings.Join(places(), ", ")
	time, known := lake.TableEventTime, lake.TableTimestamp
	if l.Time != "" {
		own, err := evaluated(l.Source, []view.TrainingColumn{{Name: "time", Expr: l.Time, Type: view.Type{Kind: view.Timestamp}}})
		if err != nil {
			return "", err
		}
		time = "epoch_us(CASE WHEN isfinite(" + own[0] + ") THEN " + own[0] + " END)"
		known = time
	}
	return fmt.Sprintf("SELECT %s AS %s, %s AS %s, %s, %s FROM (%s) WHERE %s ORDER BY %s NULLS LAST, %s",
		time, timeColumn, known, knownColumn, strings.Join(cols, ", "), place, events, matching(l.Source, l.Where), timeColumn, place), nil
}

// stream is the events of one source by one entity, with the features that look at them.
type stream struct {
	source   *view.Source
	key      int // of the set's
	by       string
	features []int   // of the set's
	values   []value // that the events carry, each once
	uses     []int   // the value of each feature
}

// value is what features take of an event: an expression under a condition.
type value struct {
	expr  view.TrainingColumn
	where []string
}

// streamsOf groups the features of a set.
func streamsOf(set *view.Training) []*stream {
	var streams []*stream
	for i := range set.Features {
		f := &set.Features[i]
		at := slices.IndexFunc(streams, func(s *stream) bool { return s.source == f.Source && s.key == f.Key && s.by == f.By })
		if at < 0 {
			streams = append(streams, &stream{source: f.Source, key: f.Key, by: f.By})
			at = len(streams) - 1
		}
		s := streams[at]
		v := value{expr: view.TrainingColumn{Expr: f.Measure.Expr, Type: f.Measure.Input}, where: f.Where}
		if f.Measure.Agg == view.Count {
			v.expr = view.TrainingColumn{Expr: "TRUE", Type: view.Type{Kind: view.Bool}}
		}
		use := slices.IndexFunc(s.values, func(o value) bool { return o.expr == v.expr && slices.Equal(o.where, v.where) })
		if use < 0 {
			s.values = append(s.values, v)
			use = len(s.values) - 1
		}
		s.features, s.uses = append(s.features, i), append(s.uses, use)
	}
	return streams
}

// The columns of a stream, in order: the entity, the time, when it was known, the row of the set or -1 for an event, and then its values.
const (
	streamKey = iota
	streamTime
	streamKnown
	streamRow
	streamValues
)

// sql is a query over the events of the stream and the rows of the set, entity by entity, in the order of time, events before rows. Events
// that no feature takes anything of, or of entities that no row is of, are left out.
func (s *stream) sql(set *view.Training, events string) (string, error) {
	columns := []view.TrainingColumn{{Name: "key", Expr: s.by, Type: set.Keys[s.key].Type}}
	var conditions []string
	for _, v := range s.values {
		columns = append(columns, v.expr)
		conditions = append(conditions, matching(s.source, v.where))
	}
	exprs, err := evaluated(s.source, columns)
	if err != nil {
		return "", err
	}
	var inner, outer, none, taken []string
	for i := range s.values {
		inner = append(inner, fmt.Sprintf("%s AS _x%d, %s AS _w%d", exprs[i+1], i, conditions[i], i))
		outer = append(outer, fmt.Sprintf("CASE WHEN _w%d THEN _x%d END AS _v%d", i, i, i))
		none = append(none, "NULL")
		taken = append(taken, fmt.Sprintf("_v%d IS NOT NULL", i))
	}
	place := strings.Join(places(), ", ")
	its := "%s AS _at, %s AS _known, %s AS _row, " + place + ", %s"
	history := fmt.Sprintf("SELECT _key, "+its+" FROM (SELECT *, %s AS _key, %s FROM (%s))", lake.TableEventTime, lake.TableTimestamp, "CAST(-1 AS BIGINT)",
		strings.Join(outer, ", "), exprs[0], strings.Join(inner, ", "), events)
	rows := fmt.Sprintf("SELECT k%d AS _key, "+its+" FROM %s WHERE _key IS NOT NULL", s.key, timeColumn, knownColumn, "rowid", strings.Join(none, ", "), labelsTable)
	return fmt.Sprintf("SELECT _key, _at, _known, _row, %s FROM (SELECT * FROM (%s) WHERE _key IN (SELECT k%d FROM %s) AND (%s) UNION ALL %s) ORDER BY _key, _at, _row >= 0, %s",
		strings.Join(names("_v", len(s.values)), ", "), history, s.key, labelsTable, strings.Join(taken, " OR "), rows, place), nil
}

// names are numbered names of columns.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

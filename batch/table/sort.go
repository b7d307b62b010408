package table

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// rowOrder is the order of a table's rows.
const rowOrder = lake.TableEventTime + ", " + lake.ColumnPartition + ", " + lake.ColumnOffset

// sort writes what a unit sorts as one run: files of about Config.FileBytes that follow upon one another in time.
func (w *work) sort(ctx context.Context, u *unit) error {
	rows, err := w.rowsOf(ctx, u)
	if err != nil {
		return err
	}
	slices, err := w.slices(ctx, u, rows)
	if err != nil {
		return err
	}
	for _, s := range slices {
		path := filepath.Join(w.dir.Path, fmt.Sprintf("%s-%d-%d.parquet", u.date, u.incarnation, s.From))
		query := fmt.Sprintf("SELECT * FROM (%s) WHERE %s >= %d AND %s < %d", rows, lake.TableEventTime, s.From, lake.TableEventTime, s.To)
		if len(slices) == 1 {
			query = rows
		}
		f, err := writeFile(ctx, w.conn, w.in.source, query, path)
		if err != nil {
			return err
		}
		if f.Rows != s.rows {
			return fmt.Errorf("%w: a file of %d rows was written of %d", lake.ErrCorrupt, f.Rows, s.rows)
		}
		w.expected += s.rows
		w.done += s.rows
		f.Incarnation, f.Date, f.Run = u.incarnation, u.date, w.in.tag.Sequence()+1
		w.options.Progress(Step{Phase: "sort", Source: w.in.source.Name, Done: w.done, Total: w.total, Note: u.date})
		w.puts.put(func() (lake.TableFile, error) {
			t := lake.Topic{Name: w.in.topic.Name, Incarnation: u.incarnation}
			return f, putFile(ctx, w.compactor.cfg.Lake, t, path, &f)
		})
	}
	return nil
}

// slice is a span of event times and how many rows lie in it.
type slice struct {
	Span
	rows int64
}

// slices cuts a unit at whole seconds into spans of about as many rows as a file is to hold; a second is not cut. It has none where nothing is left.
func (w *work) slices(ctx context.Context, u *unit, rows string) ([]slice, error) {
	var seconds []slice
	total := int64(0)
	sql := fmt.Sprintf("SELECT s, count(*) FROM (SELECT %[1]s - ((%[1]s %% 1000000) + 1000000) %% 1000000 AS s FROM (%[2]s)) GROUP BY s ORDER BY s", lake.TableEventTime, rows)
	err := w.conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			seconds = append(seconds, slice{Span{row.Int64(0), row.Int64(0) + 1e6}, row.Int64(1)})
			total += row.Int64(1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cutSlices(seconds, total, rowsPerFile(u, w.compactor.cfg.FileBytes)), nil
}

// rowsPerFile is how many of a unit's rows make a file of so many bytes, by what they take where they are.
func rowsPerFile(u *unit, bytes int64) int64 {
	if u.bytes() <= 0 {
		return math.MaxInt64
	}
	return max(1, int64(float64(bytes)*float64(u.rows())/float64(u.bytes())))
}

// cutSlices joins seconds to slices of about equal numbers of rows, as few as hold at most `limit` each.
func cutSlices(seconds []slice, total, limit int64) []slice {
	var out []slice
	files := (total-1)/limit + 1 // no overflow where the limit is none
	each := total/max(1, files) + 1
	for _, s := range seconds {
		if n := len(out); n > 0 && out[n-1].rows+s.rows <= each {
			out[n-1].To, out[n-1].rows = s.To, out[n-1].rows+s.rows
			continue
		}
		out = append(out, s)
	}
	return out
}

// writeFile writes the rows of a query, in lake.TableColumns of the source, as a file of a table, and says what it holds, read back from it.
// The bytes are a function of the rows, the source's definition and the engine's version.
func writeFile(ctx context.Context, conn *engine.Conn, src *view.Source, rows, path string) (lake.TableFile, error) {
	f := lake.TableFile{Definition: src.Hash(), Offsets: map[int][2]int64{}, First: math.MaxInt64, Last: math.MinInt64}
	// The encodings of version 2 take a tenth less, but floating-point numbers would be split into streams of bytes, which not every reader knows.
	encodings := "V2"
	if hasDouble(src) {
		encodings = "V1"
	}
	sql := fmt.Sprintf("COPY (SELECT %s FROM (%s) ORDER BY %s) TO %s (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION %s, KV_METADATA {'caudal.definition': %s})",
		strings.Join(columnsOf(src), ", "), rows, rowOrder, sqltext.Text(path), encodings, sqltext.Text(src.Hash()))
	if err := conn.Exec(ctx, sql); err != nil {
		return f, err
	}
	sql = fmt.Sprintf("SELECT %s, count(*), min(%[2]s), max(%[2]s), epoch_us(min(%[3]s)), epoch_us(max(%[3]s)) FROM read_parquet(%[4]s, hive_partitioning = false) GROUP BY 1",
		lake.ColumnPartition, lake.ColumnOffset, lake.ColumnEventTime, lake.PathList([]string{path}))
	err := conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			f.Offsets[int(row.Int64(0))] = [2]int64{row.Int64(2), row.Int64(3)}
			f.Rows += row.Int64(1)
			f.First, f.Last = min(f.First, row.Int64(4)), max(f.Last, row.Int64(5))
		}
		return nil
	})
	return f, err
}

// putFile puts a file that writeFile wrote into the lake, and removes it here.
func putFile(ctx context.Context, l *lake.Lake, t lake.Topic, path string, f *lake.TableFile) error {
	put, err := l.PutLocal(ctx, path, func(sha256 string) string { return l.TableFileKey(t, f.Date, sha256) })
	if err != nil {
		return err
	}
	f.Key, f.Bytes, f.SHA256 = put.Key, put.Bytes, put.SHA256
	return os.Remove(path)
}

package training

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// build makes one training set: the rows' table, then features stream by stream, then all of it in files.
type build struct {
	set      *view.Training
	as       As
	events   map[string]string // by source: a query with lake.TableColumns
	progress func(phase string, done, total int64)
	db       *engine.DB
	conn     *engine.Conn
	pageRows int64 // how many rows of a stream are in memory at once
	fileRows int64 // how many rows a file of the set holds
	rows     int64 // of the set
	untimed  int64 // events that would be rows, but have no time
}

const (
	defaultPageRows = 250_000
	defaultFileRows = 1_000_000
)

func newBuild(set *view.Training, as As, events map[string]string, options engine.Options, progress func(string, int64, int64)) (*build, error) {
	b := &build{set: set, as: as, events: events, progress: progress, pageRows: defaultPageRows, fileRows: defaultFileRows}
	var err error
	if b.db, err = engine.Open(options); err != nil {
		return nil, err
	}
	if b.conn, err = b.db.Connect(); err == nil {
		// Tables are read in the order that they were filled in.
		err = b.conn.Exec(context.Background(), "SET preserve_insertion_order = true")
	}
	if err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	return b, nil
}

func (b *build) close() error { return b.db.Close() }

// run computes the set and writes its files into a folder.
func (b *build) run(ctx context.Context, dir string) ([]string, error) {
	if err := b.labels(ctx); err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	streams := streamsOf(b.set)
	for i, s := range streams {
		if err := b.stream(ctx, s, i); err != nil {
			return nil, fmt.Errorf("features of the events of %s by %s: %w", s.source.Name, s.by, err)
		}
	}
	return b.write(ctx, streams, dir)
}

// labels makes the table of the rows.
func (b *build) labels(ctx context.Context) error {
	sql, err := labelsSQL(b.set, b.events[b.set.Labels.Source.Name])
	if err != nil {
		return err
	}
	b.progress("read the labels", 0, 0)
	if err := b.conn.Exec(ctx, "CREATE TABLE "+labelsTable+" AS "+sql); err != nil {
		return err
	}
	if b.untimed, err = b.count(ctx, labelsTable+" WHERE "+timeColumn+" IS NULL"); err != nil {
		return err
	}
	if b.untimed > 0 { // they are last, so that the others keep their numbers
		if err := b.conn.Exec(ctx, "DELETE FROM "+labelsTable+" WHERE "+timeColumn+" IS NULL"); err != nil {
			return err
		}
	}
	b.rows, err = b.count(ctx, labelsTable)
	return err
}

func (b *build) count(ctx context.Context, from string) (n int64, err error) {
	err = b.conn.Query(ctx, "SELECT count(*) FROM "+from, func(c *engine.Chunk) error {
		n = c.Row(0).Int64(0)
		return nil
	})
	return n, err
}

// stream computes the features of a stream into a table of their own, by the number of the row.
func (b *build) stream(ctx context.Context, s *stream, number int) error {
	sql, err := s.sql(b.set, b.events[s.source.Name])
	if err != nil {
		return err
	}
	phase := fmt.Sprintf("features of %s by %s", s.source.Name, b.set.Keys[s.key].Name)
	b.progress(phase, 0, 0)
	if err := b.conn.Exec(ctx, "CREATE TABLE sorted AS "+sql); err != nil {
		return err
	}
	total, err := b.count(ctx, "sorted")
	if err != nil {
		return err
	}
	features := make([]view.Feature, len(s.features))
	for i, f := range s.features {
		features[i] = b.set.Features[f]
	}
	sweep, err := newSweep(features, s.uses, len(s.values), b.as)
	if err != nil {
		return err
	}
	results, err := newResults(b.conn, features, number)
	if err != nil {
		return err
	}
	if err := results.create(ctx); err != nil {
		return err
	}
	reader := &streamReader{sweep: sweep, results: results, key: b.set.Keys[s.key].Type, features: make([]algebra.Value, len(features))}
	for from := int64(0); from < total; from += b.pageRows {
		page := fmt.Sprintf("SELECT * FROM sorted WHERE rowid >= %d AND rowid < %d", from, from+b.pageRows)
		if err := b.conn.Query(ctx, page, reader.read); err != nil {
			return err
		}
		if err := results.flush(ctx); err != nil {
			return err
		}
		b.progress(phase, min(from+b.pageRows, total), total)
	}
	return b.conn.Exec(ctx, "DROP TABLE sorted")
}

// write joins the features to the rows and writes the files, in the order of the rows.
func (b *build) write(ctx context.Context, streams []*stream, dir string) ([]string, error) {
	columns := []string{"make_timestamptz(" + timeColumn + `) AS "time"`}
	for i, k := range b.set.Keys {
		columns = append(columns, published(fmt.Sprintf("k%d", i), k.Type)+" AS "+sqltext.Name(k.Name))
	}
	for i, c := range b.set.Labels.Columns {
		columns = append(columns, published(fmt.Sprintf("c%d", i), c.Type)+" AS "+sqltext.Name(c.Name))
	}
	features, joins := make([]string, len(b.set.Features)), ""
	for k, s := range streams {
		joins += fmt.Sprintf(" LEFT JOIN %[1]s ON %[1]s._row = l.rowid", resultsTable(k))
		for i, f := range s.features {
			m := &b.set.Features[f].Measure
			column := fmt.Sprintf("%s.f%d", resultsTable(k), i)
			if m.Agg == view.Count || m.Agg == view.CountDistinct {
				column = "coalesce(" + column + ", 0)" // of a row without the entity
			}
			features[f] = published(column, m.Type) + " AS " + sqltext.Name(b.set.Features[f].Name)
		}
	}
	sql := fmt.Sprintf("CREATE TABLE joined AS SELECT %s, %s, %s FROM %s AS l%s ORDER BY l.rowid",
		strings.Join(columns, ", "), strings.Join(features, ", "), strings.Join(places(), ", "), labelsTable, joins)
	b.progress("join", 0, 0)
	if err := b.conn.Exec(ctx, sql); err != nil {
		return nil, fmt.Errorf("join the features to their rows: %w", err)
	}
	var files []string
	for from := int64(0); from < b.rows || from == 0; from += b.fileRows {
		name := fmt.Sprintf("part-%05d.parquet", len(files))
		sql := fmt.Sprintf("COPY (SELECT * FROM joined WHERE rowid >= %d AND rowid < %d ORDER BY rowid) TO %s (FORMAT parquet, COMPRESSION zstd)",
			from, from+b.fileRows, sqltext.Text(filepath.Join(dir, name)))
		if err := b.conn.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		files = append(files, name)
		b.progress("write", min(from+b.fileRows, b.rows), b.rows)
	}
	return files, nil
}

// published is a column as files have it: timestamps say that they are UTC.
func published(column string, t view.Type) string {
	if t.Kind == view.Timestamp {
		return "timezone('UTC', " + column + ")"
	}
	return column
}

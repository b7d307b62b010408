package batch

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/trinosql"
	"github.com/caudal/caudal/internal/view"
)

// trinoScan is how Trino reads some segments that one definition wrote in one life of a topic: by their paths, so that it reads what commits
// list and nothing that merely lies in a folder.
type trinoScan struct {
	table   string
	life    int      // of the topic, how many ago
	columns []string // of the scan
	pins    string   // the condition that a row is of one of the segments
	fits    string   // and that it is an event to the definition that is computed
}

// query is the scan of the rows of some spans of time, which ends in its condition.
func (s *trinoScan) query(spans [][2]int64) string {
	times := make([]string, len(spans))
	for i, span := range spans {
		times[i] = fmt.Sprintf("(%[1]s >= %[2]s AND %[1]s < %[3]s)", lake.ColumnEventTime, trinoTime(span[0]), trinoTime(span[1]))
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s AND (%s)", strings.Join(s.columns, ", "), s.table, s.pins, s.fits, strings.Join(times, " OR "))
}

// trinoTime is an instant, µs since the epoch, as Trino writes it.
func trinoTime(us int64) string {
	return "TIMESTAMP '" + time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000") + "'"
}

// load checks the segments of a load against what their commits say, and prepares the scans of them.
func (t *trinoCalculator) load(ctx context.Context, l *load) error {
	began := time.Now()
	t.scans = nil
	src, read := t.jobs[0].view.Source, 0
	byOrigin := t.segmentsOf(l)
	for _, o := range slices.SortedFunc(maps.Keys(byOrigin), compareOrigins) {
		files, of := byOrigin[o], src
		if o.definition != src.Hash() {
			var err error
			if of, err = t.runner.cfg.Lake.Source(ctx, o.definition); err != nil {
				return err
			}
		}
		if !t.cfg.VerifyBySizeAndRow {
			if err := t.verify(ctx, files); err != nil {
				return err
			}
		}
		folder, _, _ := strings.Cut(files[0].Key, "/dt=")
		table, err := t.table(ctx, folder, o.definition, of)
		if err != nil {
			return err
		}
		s := trinoScan{table: table, life: o.life, pins: t.pins(files)}
		s.columns, s.fits = trinoColumns(src, of)
		if err := t.countSegments(ctx, &s, files); err != nil {
			return err
		}
		t.scans = append(t.scans, s)
		read += len(files)
	}
	t.runner.cfg.Logger.Debug("segments checked for Trino", "source", src.Name, "segments", read, "seconds", time.Since(began).Seconds())
	return nil
}

// verify reads segments and compares their SHA-256 with that of their commits. Objects are never written twice, so that what is read now
// is what Trino reads a moment later.
func (t *trinoCalculator) verify(ctx context.Context, files []*lake.ChunkFile) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallelPuts)
	var wg sync.WaitGroup
	for _, f := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := t.runner.cfg.Lake.Verify(ctx, f.Key, f.SHA256); err != nil {
				cancel(refuse(reasonSegment, "segment %s: %w", f.Key, err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Names of the columns that Hive takes from the folders. Fields of sources have no names that begin with _.
const (
	datePart = "_dt"
	slotPart = "_p"
)

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// table makes the table over a folder of segments, unless it is there, and returns its name. Its partitions are those that the names of
// folders can have, so that nobody has to tell Trino of new ones.
func (t *trinoCalculator) table(ctx context.Context, folder, definition string, of *view.Source) (string, error) {
	location := t.cfg.Location + "/" + folder
	sum := sha256.Sum256([]byte(location + "\x00" + definition))
	topic := notInName.ReplaceAllString(strings.ToLower(strings.TrimPrefix(folder, "lake/")), "_")
	schema := sqltext.Name(t.cfg.Catalog) + "." + sqltext.Name(t.cfg.Schema)
	name := schema + "." + sqltext.Name(topic[:min(len(topic), 80)]+"_"+hex.EncodeToString(sum[:4]))
	if t.made[name] {
		return name, nil
	}
	columns := make([]string, 0, len(of.Fields)+8)
	for _, f := range of.Fields {
		columns = append(columns, sqltext.Name(f.Name)+" "+trinosql.TypeSQL(f.Type))
	}
	at := trinosql.TypeSQL(view.Type{Kind: view.Timestamp})
	columns = append(columns, lake.ColumnPartition+" INTEGER", lake.ColumnOffset+" BIGINT", lake.ColumnTimestamp+" "+at, lake.ColumnEventTime+" "+at,
		lake.ColumnIngestedAt+" "+at, lake.ColumnDuplicate+" BOOLEAN", lake.ColumnLate+" BOOLEAN",
		datePart+" VARCHAR WITH (partition_projection_type = 'DATE', partition_projection_format = 'yyyy-MM-dd', partition_projection_range = ARRAY['1900-01-01', '2199-12-31'])",
		slotPart+" VARCHAR WITH (partition_projection_type = 'INTEGER', partition_projection_range = ARRAY['0', '99999'], partition_projection_digits = 3)")
	for _, statement := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + schema,
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s) WITH (format = 'PARQUET', external_location = %s, partitioned_by = ARRAY['%s', '%s'], partition_projection_enabled = true, partition_projection_location_template = %s)",
			name, strings.Join(columns, ", "), sqltext.Text(location), datePart, slotPart, sqltext.Text(fmt.Sprintf("%s/dt=${%s}/p=${%s}", location, datePart, slotPart))),
	} {
		if err := t.client.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("make the table over %s: %w", location, err)
		}
	}
	t.made[name] = true
	return name, nil
}

// trinoColumns are the columns of lake.RowColumns(src) of segments that were written with the definition of, and the condition that a row is an
// event to src.
func trinoColumns(src, of *view.Source) (columns []string, fits string) {
	syntax := lake.Syntax{Type: trinosql.TypeSQL, Plain: func(_ view.Type, column string) string { return column }, Instant: trinoTime,
		Full: func(column string) string { return "none_match(" + column + ", x -> x IS NULL)" }}
	columns, fits = lake.ColumnsIn(syntax, src, of)
	for i := range columns {
		columns[i] += " AS " + sqltext.Name(src.Fields[i].Name)
	}
	return append(columns, lake.ColumnPartition, lake.ColumnOffset, trinosql.Micros(lake.ColumnEventTime)+" AS _event_time_us", lake.ColumnDuplicate, lake.ColumnLate), fits
}

// noRows is a scan that finds nothing.
func noRows(src *view.Source) string {
	var columns []string
	for _, f := range src.Fields {
		columns = append(columns, "CAST(NULL AS "+trinosql.TypeSQL(f.Type)+") AS "+sqltext.Name(f.Name))
	}
	return fmt.Sprintf("SELECT %s, CAST(0 AS INTEGER) AS %s, CAST(0 AS BIGINT) AS %s, CAST(0 AS BIGINT) AS _event_time_us, FALSE AS %s, FALSE AS %s FROM (VALUES 0) AS t(nothing) WHERE FALSE",
		strings.Join(columns, ", "), lake.ColumnPartition, lake.ColumnOffset, lake.ColumnDuplicate, lake.ColumnLate)
}

// pins is the condition that a row is of one of some segments: their paths, and the folders, by which Trino finds them.
func (t *trinoCalculator) pins(files []*lake.ChunkFile) string {
	paths, dates, partitions := make([]string, len(files)), map[string]bool{}, map[string]bool{}
	for i, f := range files {
		_, rest, _ := strings.Cut(f.Key, "/dt=")
		parts := strings.Split(rest, "/")
		dates[sqltext.Text(parts[0])] = true
		partitions[sqltext.Text(strings.TrimPrefix(parts[1], "p="))] = true
		paths[i] = sqltext.Text(t.cfg.Location + "/" + f.Key)
	}
	list := func(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), ", ") }
	return fmt.Sprintf(`%s IN (%s) AND %s IN (%s) AND "$path" IN (%s)`, datePart, list(dates), slotPart, list(partitions), strings.Join(paths, ", "))
}

// countSegments checks that Trino finds each segment, with the bytes and the rows that its commit says.
func (t *trinoCalculator) countSegments(ctx context.Context, s *trinoScan, files []*lake.ChunkFile) error {
	want := map[string]*lake.ChunkFile{}
	for _, f := range files {
		want[t.cfg.Location+"/"+f.Key] = f
	}
	seen := 0
	query := fmt.Sprintf(`SELECT "$path", CAST("$file_size" AS VARCHAR), CAST(count(*) AS VARCHAR) FROM %s WHERE %s GROUP BY "$path", "$file_size"`, s.table, s.pins)
	err := t.client.Query(ctx, query, func(row []sql.NullString) error {
		f := want[row[0].String]
		if f == nil {
			return fmt.Errorf("trino read %s, which nobody asked for", row[0].String)
		}
		if row[1].String != strconv.FormatInt(f.Bytes, 10) || row[2].String != strconv.FormatInt(f.Rows, 10) {
			return refuse(reasonSegment, "segment %s has %s bytes and %s rows to Trino, its chunk says %d and %d", f.Key, row[1].String, row[2].String, f.Bytes, f.Rows)
		}
		seen++
		return nil
	})
	if err == nil && seen != len(files) {
		err = refuse(reasonSegment, "Trino finds %d of %d segments below %s: is batch.trino.location (%s) the root of this lake?", seen, len(files), s.table, t.cfg.Location)
	}
	return err
}

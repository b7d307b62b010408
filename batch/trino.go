package batch

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/trino"
	"github.com/caudal/caudal/internal/view"
)

// trinoCalculator has a Trino cluster compute the cells. What comes back is bounded by cells and not by events; DuckDB reads the exact answers
// off it, checks it and writes the files, as it does with its own.
type trinoCalculator struct {
	*computation
	client *trino.Client
	cfg    view.Trino
	made   map[string]bool        // tables that are there
	scans  []trinoScan            // of the load
	plans  map[*job]*algebra.Plan // in Trino's SQL
}

// Bounds of what one query may name, since all of it stands in its text: Trino takes a million bytes (query.max-length).
const (
	maxTrinoSegments = 5000
	maxTrinoLeftOut  = 20_000
)

// cellsTable holds the texts that Trino answered, textRows of them are handed to DuckDB at once.
const (
	cellsTable = "trino_cells"
	textRows   = 10_000
)

func newTrinoCalculator(c *computation) (*trinoCalculator, error) {
	t := &trinoCalculator{computation: c, cfg: c.runner.cfg.Project.Batch.Trino, made: map[string]bool{}, plans: map[*job]*algebra.Plan{}}
	var err error
	t.client, err = trino.Open(trino.Config{
		URL: t.cfg.URL, User: t.cfg.User, Password: t.cfg.Password, TLS: c.runner.cfg.TrinoTLS, Catalog: t.cfg.Catalog, Schema: t.cfg.Schema,
		// of the partitions that a scan may look into, some are of days on which a partition had no events
		Session: map[string]string{t.cfg.Catalog + ".ignore_absent_partitions": "true"},
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *trinoCalculator) close() error { return t.client.Close() }

// loads weighs segments by their number: what a query names.
func (t *trinoCalculator) loads() (weigh func(from, to int64) int64, limit int64) {
	return func(from, to int64) int64 {
		n := int64(0)
		t.segments(from, to, func(int, *lake.Chunk, *lake.ChunkFile) { n++ })
		return n
	}, maxTrinoSegments
}

// plan is a job's plan in Trino's SQL.
func (t *trinoCalculator) plan(j *job) (*algebra.Plan, error) {
	if p := t.plans[j]; p != nil {
		return p, nil
	}
	p, err := j.plan.ForTrino()
	if err != nil {
		return nil, fmt.Errorf("batch.engine is trino: %w", err)
	}
	t.plans[j] = p
	return p, nil
}

// cells has Trino compute, and keeps the texts that it answers in a table.
func (t *trinoCalculator) cells(ctx context.Context, q *cellsQuery, take func(cells string) error) error {
	plan, err := t.plan(q.job)
	if err != nil {
		return err
	}
	from, err := t.from(ctx, q.job, q.spans, q.mark)
	if err != nil {
		return err
	}
	names, text := plan.CellsColumns(), view.Type{Kind: view.String}
	columns, definitions := make([]view.Column, len(names)), []string{"n BIGINT"}
	for i, c := range names {
		columns[i] = view.Column{Name: c.Name, Type: text}
		definitions = append(definitions, c.Name+" VARCHAR")
	}
	if err := t.conn.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (%s)", cellsTable, strings.Join(definitions, ", "))); err != nil {
		return err
	}
	if err := t.runner.step("before-trino"); err != nil {
		return err
	}
	var rows [][]algebra.Value
	err = t.client.Query(ctx, plan.CellsSQL(algebra.CellsOptions{From: from, Grain: q.grain, Starts: q.starts}), func(row []sql.NullString) error {
		values := make([]algebra.Value, len(row))
		for i, s := range row {
			if s.Valid {
				values[i] = algebra.StringValue(s.String)
			}
		}
		if rows = append(rows, values); len(rows) < textRows {
			return nil
		}
		full := rows
		rows = rows[:0]
		return t.conn.AppendValues(cellsTable, columns, full)
	})
	if err == nil {
		err = t.conn.AppendValues(cellsTable, columns, rows)
	}
	if err != nil {
		return err
	}
	return take(q.job.plan.AnswersSQL(cellsTable))
}

// events counts what the answers have to add up to, by a query of its own.
func (t *trinoCalculator) events(ctx context.Context, j *job, spans [][2]int64) (int64, error) {
	plan, err := t.plan(j)
	if err != nil {
		return 0, err
	}
	from, err := t.from(ctx, j, spans, "now")
	if err != nil {
		return 0, err
	}
	return t.number(ctx, fmt.Sprintf("SELECT CAST(count(*) AS VARCHAR) FROM %s WHERE NOT _duplicate AND %s", from, plan.FilterSQL()))
}

// number is the answer of a query for one.
func (t *trinoCalculator) number(ctx context.Context, query string) (int64, error) {
	n, rows := int64(0), 0
	err := t.client.Query(ctx, query, func(row []sql.NullString) error {
		rows++
		var err error
		n, err = strconv.ParseInt(row[0].String, 10, 64)
		return err
	})
	if err == nil && rows != 1 {
		err = fmt.Errorf("trino answered %d rows to a question for one number", rows)
	}
	return n, err
}

// from is the relation of a job's rows as algebra.CellsOptions wants it: below its cuts, in some spans of time, without what is marked.
func (t *trinoCalculator) from(ctx context.Context, j *job, spans [][2]int64, mark string) (string, error) {
	leftOut, err := t.leftOut(ctx, j, mark)
	if err != nil {
		return "", err
	}
	var scans []string
	for i := range t.scans {
		s := &t.scans[i]
		query := s.query(spans) + " AND " + lake.Below(inLife(s.life, offsetsOf(j.cuts)), lake.ColumnPartition, lake.ColumnOffset)
		for partition, offsets := range leftOut[s.life] {
			query += fmt.Sprintf(" AND NOT (%s = %d AND %s IN (%s))", lake.ColumnPartition, partition, lake.ColumnOffset, strings.Join(offsets, ", "))
		}
		scans = append(scans, fmt.Sprintf("SELECT *, CAST(%d AS BIGINT) AS _incarnation FROM (%s)", j.topic.Incarnation-s.life, query))
	}
	if len(scans) == 0 { // of a period whose records have all gone
		scans = append(scans, "SELECT *, CAST(0 AS BIGINT) AS _incarnation FROM ("+noRows(j.view.Source)+")")
	}
	return "(" + strings.Join(scans, " UNION ALL ") + ")", nil
}

// leftOut are the offsets that a mark of job.repeats takes out, by life and partition.
func (t *trinoCalculator) leftOut(ctx context.Context, j *job, mark string) (map[int]map[int][]string, error) {
	if j.repeats == nil || !j.repeats.any {
		return nil, nil
	}
	out, n := map[int]map[int][]string{}, 0
	err := t.conn.Query(ctx, fmt.Sprintf("SELECT _partition, _offset FROM %s WHERE %s ORDER BY ALL", j.repeats.table, mark), func(rows *engine.Chunk) error {
		for i := range rows.Len() {
			slot, offset := int(rows.Row(i).Int64(0)), rows.Row(i).Int64(1)
			life, partition := slot/slotsPerLife, slot%slotsPerLife
			if out[life] == nil {
				out[life] = map[int][]string{}
			}
			out[life][partition] = append(out[life][partition], strconv.FormatInt(offset, 10))
		}
		if n += rows.Len(); n > maxTrinoLeftOut {
			return fmt.Errorf("an erasure that is not done takes more than %d records out, which is more than a query of Trino can name: run `caudal erase` to its end first", maxTrinoLeftOut)
		}
		return nil
	})
	return out, err
}

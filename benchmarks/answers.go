package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/serving"
)

// precision is what the third measure of a view may differ by: distinct counts and percentiles of sketches.
type precision struct {
	relative float64 // of the exact number
	beyond   float64 // share of cells that may lie outside
}

var (
	exact       = precision{relative: 1e-9}
	approximate = precision{relative: 3 * 1.04 / 64, beyond: 0.01} // three standard errors of 4,096 registers; one cell in 370 lies outside
)

// truth holds the views as plain SQL over the segments has them.
type truth struct{ conn *engine.Conn }

// viewSQL are the columns of each view: bucket in µs, dimension, count, sum, and the third measure.
var viewSQL = map[string]string{
	"by_country": "epoch_us(date_trunc('minute', ts)) AS t, country AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, count(DISTINCT user_id)::DOUBLE AS third",
	"by_product": "epoch_us(date_trunc('hour', ts)) AS t, product AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, NULL::DOUBLE AS third",
	"by_user":    "epoch_us(date_trunc('minute', ts)) AS t, user_id AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, NULL::DOUBLE AS third",
	"spread":     "epoch_us(date_trunc('day', ts)) AS t, country AS k, count(*) AS events, NULL AS revenue, quantile_disc((quantity * unit_price)::DOUBLE, 0.95) AS third",
}

// newTruth computes each view twice: of every event, and of each event id once.
func newTruth(ctx context.Context, conn *engine.Conn, segments []string) (*truth, error) {
	for view, columns := range viewSQL {
		for name, where := range map[string]string{"every": "true", "once": "NOT _duplicate"} {
			sql := fmt.Sprintf("CREATE TABLE %s_%s AS SELECT %s FROM read_parquet(%s) WHERE %s GROUP BY 1, 2", view, name, columns, lake.PathList(segments), where)
			if err := conn.Exec(ctx, sql); err != nil {
				return nil, fmt.Errorf("compute what %s should be: %w", view, err)
			}
		}
	}
	return &truth{conn}, nil
}

// compare holds what was written to a folder to the truth, cell by cell. Counts and sums are to be equal. What a system does not answer is null.
func (t *truth) compare(ctx context.Context, views []string, dedup bool, out string, how precision) (string, error) {
	name := "every"
	if dedup {
		name = "once"
	}
	var cells, beyond int64
	for _, view := range views {
		var files []string
		for _, pattern := range []string{"part-*", "rows.csv"} {
			found, err := filepath.Glob(filepath.Join(out, view, pattern))
			if err != nil {
				return "", err
			}
			for _, path := range found {
				files = append(files, sqltext.Text(path))
			}
		}
		if len(files) == 0 {
			return "", fmt.Errorf("%s: there are no answers in %s", view, out)
		}
		sql := fmt.Sprintf(`SELECT count(*), count(*) FILTER (WHERE a.k IS NULL OR b.k IS NULL OR a.events <> b.events OR a.revenue <> b.revenue),
			count(*) FILTER (WHERE abs(a.third - b.third) > b.third * %g) FROM read_csv([%s], header = false, nullstr = '',
			columns = {'t': 'BIGINT', 'k': 'VARCHAR', 'events': 'BIGINT', 'revenue': 'DECIMAL(38, 2)', 'third': 'DOUBLE'}) a
			FULL JOIN %s_%s b USING (t, k)`, how.relative, strings.Join(files, ", "), view, name)
		err := t.conn.Query(ctx, sql, func(c *engine.Chunk) error {
			row := c.Row(0)
			cells += row.Int64(0)
			beyond += row.Int64(2)
			if wrong := row.Int64(1); wrong > 0 {
				return fmt.Errorf("%s: %d of %d cells have another count or sum than plain SQL", view, wrong, row.Int64(0))
			}
			if far := row.Int64(2); float64(far) > how.beyond*float64(row.Int64(0)) {
				return fmt.Errorf("%s: the third measure of %d of %d cells is further from that of plain SQL than %.2g of it", view, far, row.Int64(0), how.relative)
			}
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	if how == exact {
		return fmt.Sprintf("%d cells equal", cells), nil
	}
	return fmt.Sprintf("%d cells equal; sketches within %.1f %%, %d of them further", cells, 100*how.relative, beyond), nil
}

// writeAnswers asks for all cells of the views as anybody would, and writes them to a folder as the scripts of the peers do.
func (s *stage) writeAnswers(ctx context.Context, views []string, out string) (err error) {
	server, err := serving.New(serving.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, CacheDir: out})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, v := range s.project.Views {
		name := v.Name
		if !slices.Contains(views, name) {
			continue
		}
		q := serving.Query{View: name, Dimensions: []string{v.Dimensions[0].Name}, Grain: v.Grains[0].Name, Limit: 1_000_000}
		var lines bytes.Buffer
		if q.Grain != "1m" {
			err = appendAnswers(ctx, server, q, &lines)
		}
		first, last := newEvents(1).first, s.lastEvent()
		for at := time.UnixMicro(first).UTC().Truncate(time.Minute); err == nil && q.Grain == "1m" && at.UnixMicro() <= last; at = at.Add(time.Minute) { // an answer has no more than a million rows
			q.From, q.To = at.Format(time.RFC3339), at.Add(time.Minute).Format(time.RFC3339)
			err = appendAnswers(ctx, server, q, &lines)
		}
		if err == nil {
			err = os.Mkdir(filepath.Join(out, name), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(out, name, "rows.csv"), lines.Bytes(), 0o644)
		}
		if err != nil {
			return fmt.Errorf("write the answers of %s: %w", name, err)
		}
	}
	return nil
}

// lastEvent is the time of the last of the stage's events, µs UTC, or later.
func (s *stage) lastEvent() int64 {
	e := newEvents(1)
	for _, end := range s.ends {
		e.first += end * e.step
	}
	return e.first
}

// appendAnswers writes the rows of an answer as lines of CSV.
func appendAnswers(ctx context.Context, server *serving.Server, q serving.Query, lines *bytes.Buffer) error {
	result, err := server.Query(ctx, q)
	if err != nil {
		return err
	}
	for _, row := range result.Rows {
		fmt.Fprintf(lines, "%d,%s", row[0].Int64(), row[1].Text())
		cells := make([]string, 3)
		for i, m := range row[2:] {
			if len(row) == 3 {
				i = 2 // a percentile, which stands by itself
			}
			cells[i] = m.String()
		}
		lines.WriteString("," + strings.Join(cells, ","))
		lines.WriteByte('\n')
	}
	return nil
}

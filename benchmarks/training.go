package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caudal/caudal/batch/training"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

const limitTraining = "training set by a hand-written ASOF join over prefix sums"

// trainingProject has a set whose features an ASOF join over prefix sums can compute too: counts and sums of whole numbers.
func trainingProject(ctx context.Context) (*view.Project, error) {
	return engine.Parse(ctx, []view.File{
		{Path: "caudal.yaml", Data: []byte("project: p\nsources:\n  payments:\n    event_time: {field: stamp, format: unix_us}\n" +
			"    fields: {stamp: timestamp, customer: int64, cents: int64, fraud: bool}\n")},
		{Path: "training/fraud.yaml", Data: []byte(`training: fraud
labels: {source: payments, columns: [fraud, cents]}
keys: [customer]
features:
  - {name: n_1h, source: payments, agg: count, window: 1h}
  - {name: sum_1h, source: payments, agg: sum, type: int64, expr: cents, window: 1h}
  - {name: n_1d, source: payments, agg: count, window: 1d}
  - {name: sum_1d, source: payments, agg: sum, type: int64, expr: cents, window: 1d}
  - {name: n_30d, source: payments, agg: count, window: 30d}
  - {name: sum_30d, source: payments, agg: sum, type: int64, expr: cents, window: 30d}
`)},
	}, func(string) (string, bool) { return "", false })
}

// trainingSet measures rows a second of a training set against an ASOF join that a person would write in DuckDB for the same features, and
// compares the two to the last cell.
func trainingSet(ctx context.Context, n int) (_ []row, err error) {
	project, err := trainingProject(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "caudal-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	options := engine.Options{MemoryLimit: "2GB"}
	db, conn, err := openEngine(options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	store, err := lake.Open(ctx, filepath.Join(dir, "lake"), lake.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	l := lake.New(store)
	events := filepath.Join(dir, "events.parquet")
	if err := publishPayments(ctx, conn, l, project.Sources[0], events, n); err != nil {
		return nil, err
	}

	began := time.Now()
	report, err := training.Export(ctx, training.Config{Lake: l, Training: project.Trainings[0], Out: filepath.Join(dir, "set"), Engine: options, Code: "bench"})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	known := training.Config{Lake: l, Training: project.Trainings[0], As: training.Known, Out: filepath.Join(dir, "known"), Engine: options, Code: "bench"}
	began = time.Now()
	if _, err := training.Export(ctx, known); err != nil {
		return nil, err
	}
	tookKnown := time.Since(began)
	joined := filepath.Join(dir, "joined.parquet")
	began = time.Now()
	if err := conn.Exec(ctx, asofJoin(events, joined)); err != nil {
		return nil, err
	}
	tookJoin := time.Since(began)
	if err := sameRows(ctx, conn, filepath.Join(report.Dir, "*.parquet"), joined, n); err != nil {
		return nil, err
	}
	rate := func(d time.Duration) float64 { return float64(n) / d.Seconds() }
	return []row{
		{Name: limitTraining, Value: rate(tookJoin), Unit: "rows/s"},
		{Name: "training set, as happened", Value: rate(took), Unit: "rows/s", Limit: limitTraining},
		{Name: "training set, as known", Value: rate(tookKnown), Unit: "rows/s", Limit: limitTraining},
	}, nil
}

// publishPayments makes n payments of n/200 customers over 90 days, some late, a version of their table; the file stays for the join.
func publishPayments(ctx context.Context, conn *engine.Conn, l *lake.Lake, src *view.Source, path string, n int) error {
	const start, span = 1_767_225_600_000_000, 90 * 86_400_000_000
	sql := fmt.Sprintf(`COPY (SELECT make_timestamptz(t) AS stamp, (hash(i) %% %d)::BIGINT AS customer, (hash(i + 7) %% 20000)::BIGINT AS cents, hash(i + 9) %% 100 = 0 AS fraud,
		0::INTEGER AS _partition, i::BIGINT AS _offset, make_timestamptz(%d + i * %d) AS _timestamp, make_timestamptz(t) AS _event_time, make_timestamptz(0) AS _ingested_at,
		false AS _duplicate, false AS _late FROM (SELECT i, (%d + i * %d - (hash(i + 3) %% 600000000)::BIGINT) AS t FROM range(%d) r(i)) ORDER BY t, i) TO '%s' (FORMAT parquet, COMPRESSION zstd)`,
		max(n/200, 1), start, span/n, start, span/n, n, path)
	if err := conn.Exec(ctx, sql); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	topic := lake.Topic{Name: src.Topic, Incarnation: 1}
	file, err := l.PutFile(ctx, l.TableFileKey(topic, "2026-01-01", lake.Sum(data)), data)
	if err == nil {
		err = l.PutDefinition(ctx, src.Hash(), src.Canonical())
	}
	if err != nil {
		return err
	}
	_, _, err = l.PublishTable(ctx, lake.TableVersion{
		Source: src.Name, Topic: topic, Definition: src.Hash(), Created: time.UnixMicro(start), Dedup: "none", Rows: int64(n), Bytes: file.Bytes,
		Lives: []lake.TableLife{{Incarnation: 1, Offsets: map[int][2]int64{0: {0, int64(n)}}}},
		Files: []lake.TableFile{{Key: file.Key, Incarnation: 1, Date: "2026-01-01", Rows: int64(n), Bytes: file.Bytes, SHA256: file.SHA256, Definition: src.Hash(),
			First: start - 600_000_000, Last: start + span, Offsets: map[int][2]int64{0: {0, int64(n) - 1}}}},
	}, lake.Tag{})
	return err
}

// asofJoin is what a person would write: sums from the beginning on, and the difference of two of them for each window.
func asofJoin(events, out string) string {
	var selected, joins bytes.Buffer
	for _, w := range []struct {
		name    string
		seconds int64
	}{{"1h", 3600}, {"1d", 86_400}, {"30d", 30 * 86_400}} {
		fmt.Fprintf(&selected, ", coalesce(z.n, 0) - coalesce(w%[1]s.n, 0) AS n_%[1]s, CASE WHEN coalesce(z.n, 0) > coalesce(w%[1]s.n, 0) THEN z.s - coalesce(w%[1]s.s, 0) END AS sum_%[1]s", w.name)
		fmt.Fprintf(&joins, " ASOF LEFT JOIN prefix w%[1]s ON e.customer = w%[1]s.customer AND e.t - %[2]d > w%[1]s.t", w.name, w.seconds*1_000_000)
	}
	return fmt.Sprintf(`CREATE OR REPLACE TABLE e AS SELECT customer, cents, fraud, epoch_us(_event_time) AS t, _offset AS o FROM '%s';
		CREATE OR REPLACE TABLE prefix AS SELECT customer, t, max(n) AS n, max_by(s, n) AS s FROM
			(SELECT customer, t, count(*) OVER w AS n, sum(cents) OVER w AS s FROM e WINDOW w AS (PARTITION BY customer ORDER BY t, o ROWS UNBOUNDED PRECEDING)) GROUP BY customer, t;
		COPY (SELECT e.t, e.o, e.customer, e.fraud, e.cents%s FROM e ASOF LEFT JOIN prefix z ON e.customer = z.customer AND e.t > z.t%s ORDER BY e.t, e.o) TO '%s' (FORMAT parquet, COMPRESSION zstd)`,
		events, selected.String(), joins.String(), out)
}

// sameRows fails where the two sets differ in a cell.
func sameRows(ctx context.Context, conn *engine.Conn, set, joined string, n int) error {
	const cells = "n_1h, sum_1h::HUGEINT AS sum_1h, n_1d, sum_1d::HUGEINT AS sum_1d, n_30d, sum_30d::HUGEINT AS sum_30d"
	sql := fmt.Sprintf(`SELECT count(*) FROM (SELECT _offset AS o, customer, %[1]s FROM '%[2]s' INTERSECT SELECT o, customer, %[1]s FROM '%[3]s')`, cells, set, joined)
	var alike int64
	err := conn.Query(ctx, sql, func(c *engine.Chunk) error {
		alike = c.Row(0).Int64(0)
		return nil
	})
	if err == nil && alike != int64(n) {
		err = fmt.Errorf("%d of %d rows of the training set are those of the join", alike, n)
	}
	return err
}

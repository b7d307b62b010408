package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// testView has every kind of grain and of measure, a filter, and a time zone whose days are not those of UTC.
func testView(t testing.TB, src *view.Source) *view.View {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	text, number := view.Type{Kind: view.String}, view.Type{Kind: view.Int64}
	price, sum := view.Type{Kind: view.Decimal, Precision: 12, Scale: 2}, view.Type{Kind: view.Decimal, Precision: 18, Scale: 2}
	v := &view.View{
		Name: "revenue", Source: src, Where: "price >= 1", Timezone: "Europe/Berlin", Location: berlin,
		Dimensions: []view.Dimension{{Name: "country", Expr: "country", Type: text}},
		Grains: []view.Grain{
			{Name: "1h", Unit: view.Fixed, Size: time.Hour}, {Name: "1d", Unit: view.Day, Size: 24 * time.Hour},
			{Name: "1w", Unit: view.Week, Size: 7 * 24 * time.Hour}, {Name: "1mo", Unit: view.Month, Size: 30 * 24 * time.Hour},
		},
		Measures: []view.Measure{
			{Name: "revenue", Agg: view.Sum, Expr: "price", Type: sum, Input: price},
			{Name: "lines", Agg: view.Count, Type: number},
			{Name: "customers", Agg: view.CountDistinct, Expr: "customer", Type: number, Input: text},
			{Name: "p90", Agg: view.Percentile, Expr: "price", Type: view.Type{Kind: view.Double}, Input: price, P: 0.9},
		},
		Hash: strings.Repeat("ab", 32), Canonical: []byte(`{"test":true}`),
	}
	return v
}

// withRuns adds a view to a world.
func (w *world) withRuns() *world {
	w.t.Helper()
	w.project.Views = []*view.View{testView(w.t, w.project.Sources[0])}
	return w
}

func (w *world) runner(change func(*Config)) *Runner {
	w.t.Helper()
	cfg := Config{Project: w.project, Stream: w.stream, Lake: w.lake, Live: w.live, Logger: logger(), TempDir: w.t.TempDir(), Engine: engine.Options{TempDir: w.t.TempDir()}}
	if change != nil {
		change(&cfg)
	}
	r, err := NewRunner(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) run(o RunOptions) Report {
	w.t.Helper()
	report, err := w.runner(nil).Run(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) group(partition int) live.Group {
	v := w.project.Views[0]
	return live.Group{Project: w.project.Name, Topic: w.topic.Name, Incarnation: w.topic.Incarnation, Partition: partition, View: v.Name, Hash: v.Hash}
}

// speedAt is a speed layer that has counted the records of a partition up to an offset, and holds no cells.
func (w *world) speedAt(partition int, off int64) {
	w.t.Helper()
	m := w.current()
	g := w.group(partition)
	meta, _, err := w.live.Take(w.t.Context(), g, m.Cuts[partition].Offset, m.Cuts[partition].Progress, "worker", fmt.Sprintf("life%d", off))
	if err != nil {
		w.t.Fatal(err)
	}
	results := w.live.Flush(w.t.Context(), []live.Flush{{Group: g, Inst: meta.Inst, Token: "worker", Start: meta.Newest(), From: meta.Off, To: off,
		Progress: w.progressAt(partition, off), Coarse: meta.Coarse, CoarseTo: off, CoarseAt: w.progressAt(partition, off)}})
	if r := results[0]; r.Err != nil || !r.Applied {
		w.t.Fatalf("flush to %d: %+v", off, r)
	}
}

// progressAt folds the log of a partition up to an offset.
func (w *world) progressAt(partition int, off int64) intake.Progress {
	w.t.Helper()
	src := w.project.Sources[0]
	schema, err := intake.NewSchema(src)
	if err != nil {
		w.t.Fatal(err)
	}
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	reader := w.stream.Reader(src.Topic, partition, 0)
	defer reader.Close()
	for reader.Offset() < off {
		records, err := reader.Fetch(w.t.Context(), int(min(1000, off-reader.Offset())), 50*time.Millisecond, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range records {
			fold.Append(intake.Record{Partition: partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}, rows)
		}
	}
	return fold.Progress()
}

// current is the current snapshot of the view, S0 if there was none.
func (w *world) current() *lake.Manifest {
	w.t.Helper()
	v := w.project.Views[0]
	m, _, err := w.lake.EnsureFirst(w.t.Context(), v.Name, v.Hash, w.topic, map[int]int64{0: 0, 1: 0}, day)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// content is everything that a snapshot answers, as text, sorted; equal snapshots have equal content.
func (w *world) content(m *lake.Manifest) []string {
	w.t.Helper()
	var paths []string
	for _, f := range m.Files {
		path, err := w.lake.Fetch(w.t.Context(), f.Key, f.SHA256)
		if err != nil {
			w.t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil
	}
	return queryRows(w.t, "SELECT CAST(q AS VARCHAR) FROM (SELECT * FROM read_parquet("+lake.PathList(paths)+", hive_partitioning = false)) AS q ORDER BY 1")
}

// answers is what a naive query over the records below the cuts says: events and revenue by hour and country.
func (w *world) naive(m *lake.Manifest) []string {
	w.t.Helper()
	return queryRows(w.t, fmt.Sprintf(`SELECT CAST(row(epoch_us(date_trunc('hour', make_timestamp(epoch_us(_event_time)))), country, count(*), CAST(sum(price) AS DECIMAL(18,2)), count(DISTINCT customer)) AS VARCHAR)
		FROM %s WHERE NOT _duplicate AND price >= 1 AND CASE _partition WHEN 0 THEN _offset < %d ELSE _offset < %d END
		GROUP BY date_trunc('hour', make_timestamp(epoch_us(_event_time))), country ORDER BY 1`, w.lakeRows(), m.Cuts[0].Offset, m.Cuts[1].Offset))
}

// lakeRows is the relation of all rows that the lake holds.
func (w *world) lakeRows() string {
	w.t.Helper()
	var paths []string
	for object, err := range w.store.List(w.t.Context(), "lake/") {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasSuffix(object.Key, ".parquet") {
			data, _, err := w.store.Get(w.t.Context(), object.Key)
			if err != nil {
				w.t.Fatal(err)
			}
			path, err := w.lake.Fetch(w.t.Context(), object.Key, lake.Sum(data))
			if err != nil {
				w.t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	return "read_parquet(" + lake.PathList(paths) + ", hive_partitioning = false, union_by_name = true)"
}

// hourly is the same of a snapshot.
func (w *world) hourly(m *lake.Manifest) []string {
	w.t.Helper()
	var paths []string
	for _, f := range m.Files {
		path, err := w.lake.Fetch(w.t.Context(), f.Key, f.SHA256)
		if err != nil {
			w.t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return queryRows(w.t, "SELECT CAST(row(_bucket, d0, x1, x0, x2) AS VARCHAR) FROM read_parquet("+lake.PathList(paths)+", hive_partitioning = false) WHERE _grain = '1h' AND _set = 1 ORDER BY 1")
}

func (w *world) sameAsNaive(m *lake.Manifest) {
	w.t.Helper()
	got, want := w.hourly(m), w.naive(m)
	if len(want) == 0 || !slices.Equal(got, want) {
		w.t.Fatalf("snapshot %s answers %d cells, a naive query %d; first that differ: %s", m.ID, len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%s and %s", a[i], b[i])
		}
	}
	return "one is longer"
}

// archiving keeps an archive at work, without its group, until the test ends.
func (w *world) archiving(change func(*ArchiveConfig)) {
	w.t.Helper()
	a := w.archive(change)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{}, 3)
	go func() { a.pollAsked(ctx, w.topic); ended <- struct{}{} }()
	for p := range w.project.Sources[0].Partitions {
		part := w.partition(a, p)
		go func() {
			if err := part.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.t.Error(err)
			}
			ended <- struct{}{}
		}()
	}
	w.t.Cleanup(func() {
		cancel()
		for range w.project.Sources[0].Partitions + 1 {
			<-ended
		}
	})
}

// unlock frees the lock that a crashed run left, as time would.
func (w *world) unlock() {
	w.t.Helper()
	if err := w.lake.Store().Delete(w.t.Context(), "locks/batch-"+w.project.Name+".json"); err != nil {
		w.t.Fatal(err)
	}
}

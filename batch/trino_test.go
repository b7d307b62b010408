package batch

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	events "github.com/caudal/caudal/internal/feed"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
)

// onTrino has the world's batches computed by Trino.
func (w *world) onTrino(s *testservices.TrinoServer) {
	w.t.Helper()
	w.project.Batch.Engine = view.EngineTrino
	w.project.Batch.Trino = view.Trino{URL: s.URL, User: "caudal", Catalog: s.Catalog, Schema: "caudal", Location: s.FolderLocation(strings.TrimPrefix(w.store.URL(), "file://"))}
}

// sameCells compares two snapshots of a view cell by cell and column by column, and returns the rows of a table of it: those columns whose
// values depend on the order of doubles are compared to nine digits.
func (w *world) sameCells(v *view.View, a, b *lake.Manifest) []string {
	w.t.Helper()
	keys := []string{"_grain", "_set", "_bucket"}
	for i := range v.Dimensions {
		keys = append(keys, fmt.Sprintf("d%d", i))
	}
	var on []string
	for _, k := range keys {
		on = append(on, fmt.Sprintf("a.%[1]s IS NOT DISTINCT FROM b.%[1]s", k))
	}
	plan := w.compile(v)
	names := []string{"'cells'"}
	counts := []string{"count(*)"}
	differ := []string{"count(*) FILTER (WHERE a._grain IS NULL OR b._grain IS NULL)"}
	for _, c := range plan.ViewColumns()[len(keys):] {
		names = append(names, sqltext.Text(c.Name+" "+c.SQL))
		counts = append(counts, "count(a."+c.Name+")")
		unequal := fmt.Sprintf("a.%[1]s IS DISTINCT FROM b.%[1]s", c.Name)
		if c.SQL == "DOUBLE" {
			unequal += fmt.Sprintf(" AND coalesce(abs(a.%[1]s - b.%[1]s) > 1e-9 * abs(a.%[1]s), TRUE)", c.Name)
		}
		differ = append(differ, "count(*) FILTER (WHERE "+unequal+")")
	}
	joined := w.files(a) + " AS a FULL JOIN " + w.files(b) + " AS b ON " + strings.Join(on, " AND ")
	table := queryRows(w.t, fmt.Sprintf("SELECT unnest(list_transform(list_zip([%s], [%s], [%s]), lambda x: concat_ws(' ', %s, x[1], x[2], x[3])))",
		strings.Join(names, ", "), strings.Join(counts, ", "), strings.Join(differ, ", "), sqltext.Text(v.Name))+" FROM "+joined)
	for _, line := range table {
		if !strings.HasSuffix(line, " 0") {
			w.t.Errorf("the engines differ (view, column, values, differences): %s", line)
		}
	}
	return table
}

// files is the relation of a snapshot's files.
func (w *world) files(m *lake.Manifest) string {
	w.t.Helper()
	var paths []string
	for _, f := range m.Files {
		path, err := w.lake.Fetch(w.t.Context(), f.Key, f.SHA256)
		if err != nil {
			w.t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return "(SELECT * FROM read_parquet(" + lake.PathList(paths) + ", hive_partitioning = false))"
}

// bothEngines runs all views on DuckDB and on Trino, over the same cuts, and compares what they published.
func (w *world) bothEngines(s *testservices.TrinoServer, views []*view.View) {
	w.t.Helper()
	var names []string
	for _, v := range views {
		names = append(names, v.Name)
	}
	w.project.Batch.Engine = view.EngineDuckDB
	w.run(RunOptions{Full: true, Views: names, RunID: "duckdb"})
	before := map[string]*lake.Manifest{}
	for _, v := range views {
		before[v.Name] = w.currentOf(v)
	}
	w.onTrino(s)
	report := w.run(RunOptions{Full: true, Views: names, RunID: "trino"})
	for i, v := range views {
		m := w.currentOf(v)
		if m.Run != "trino" || len(m.Files) == 0 {
			w.t.Fatalf("view %s: Trino's run published %+v", v.Name, report.Views[i])
		}
		w.someCells(v, before[v.Name], m)
	}
}

// someCells is sameCells of snapshots that are not empty.
func (w *world) someCells(v *view.View, a, b *lake.Manifest) {
	w.t.Helper()
	table := w.sameCells(v, a, b)
	if table[0] == v.Name+" cells 0 0" {
		w.t.Errorf("view %s has no cells", v.Name)
	}
	for _, line := range table {
		w.t.Log(line)
	}
}

// isThorough says whether what takes a minute of computing is to be run too.
func isThorough() bool { return os.Getenv("CAUDAL_TEST_TRINO") == "all" }

// thorough skips what takes a minute or more.
func thorough(t *testing.T) {
	t.Helper()
	if !isThorough() {
		t.Skip("CAUDAL_TEST_TRINO=all runs it, as CI does")
	}
}

func TestTrinoComputesTheRetailViewsAsDuckDBDoesCellByCell(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	w := newWorldOf(t, example(t, "retail"))
	src := w.project.Sources[0]
	sendFile(t, w.stream, src, events.ByLine, retailLines)
	w.measure(src)
	w.archiveAll(nil)
	var views []*view.View
	for _, v := range w.project.Views {
		if v.Source == src {
			views = append(views, v)
		}
	}
	w.bothEngines(s, views)
}

func TestTrinoComputesTheFlightsAsDuckDBDoesAndAsIsKnown(t *testing.T) {
	thorough(t)
	s := testservices.Trino(t)
	p := example(t, "flights")
	w := newWorldOf(t, p)
	sendFile(t, w.stream, p.Sources[0], events.ByLine, flightLines)
	w.measure(p.Sources[0])
	w.archiveAll(nil)
	w.bothEngines(s, p.Views)
	got := queryRows(t, "SELECT concat_ws(' ', sum(_events), sum(p0_0), sum(p1_0), sum(p2_0)) FROM "+w.files(w.currentOf(viewOf(t, p, "punctuality")))+" WHERE _grain = '1mo' AND _set = 3")
	if want := "328521 328521 4152200 344477462"; got[0] != want {
		t.Errorf("flights that left, those of a known delay, minutes and miles are %s, and known to be %s", got[0], want)
	}
}

func viewOf(t *testing.T, p *view.Project, name string) *view.View {
	t.Helper()
	i := slices.IndexFunc(p.Views, func(v *view.View) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("the project has no view %s", name)
	}
	return p.Views[i]
}

func (w *world) compile(v *view.View) *algebra.Plan {
	w.t.Helper()
	plan, err := algebra.Compile(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

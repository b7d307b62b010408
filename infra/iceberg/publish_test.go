package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/readers"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/view"
)

func publish(t *testing.T, w *readers.World) Published {
	t.Helper()
	done, err := newPublisher(lake.New(w.Lake.Store()), "orders").publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// parquet counts the files of data under the lake's folder.
func parquet(t *testing.T, w *readers.World) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(w.Dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachVersionIsOneSnapshotAndARepeatedRunWritesNothing(t *testing.T) {
	w := readers.New(t)
	files := parquet(t, w)
	if one := publish(t, w); one.Snapshots != 1 || one.Written != 1 || !strings.HasSuffix(one.Metadata, "/iceberg/orders/metadata/v1.metadata.json") {
		t.Errorf("%+v", one)
	}
	if again := publish(t, w); again.Written != 0 || !strings.HasSuffix(again.Metadata, "/v1.metadata.json") {
		t.Errorf("nothing was new: %+v", again)
	}
	if parquet(t, w) != files {
		t.Error("data was copied")
	}
	w.Grow(t)
	if two := publish(t, w); two.Snapshots != 2 || two.Written != 1 || !strings.HasSuffix(two.Metadata, "/v2.metadata.json") {
		t.Errorf("%+v", two)
	}
	// A run that died before it wrote the hint has published all the same.
	if err := os.Remove(filepath.Join(w.Dir, "iceberg", "orders", "metadata", "version-hint.text")); err != nil {
		t.Fatal(err)
	}
	if again := publish(t, w); again.Written != 0 || !strings.HasSuffix(again.Metadata, "/v2.metadata.json") {
		t.Errorf("%+v", again)
	}
}

// Spark reads both versions through Iceberg, by the lines of docs/lake.md, and finds every row.
func TestSparkReadsTheVersionsThroughIceberg(t *testing.T) {
	home, err := readers.Home()
	if errors.Is(err, readers.ErrNoPython) {
		testservices.Missing(t, "PySpark", err)
	}
	jars, err := filepath.Glob(filepath.Join("..", "..", ".services", "iceberg", "iceberg-spark-runtime-*.jar"))
	if err != nil || len(jars) != 1 {
		t.Fatalf("the Iceberg runtime of Spark: %v, %v", jars, err)
	}
	jar, err := filepath.Abs(jars[0])
	if err != nil {
		t.Fatal(err)
	}
	w := readers.New(t)
	first, want := w.Version.ID, w.Want()
	w.Grow(t)
	publish(t, w)
	blocks, err := readers.Lines("Iceberg")
	if err != nil || len(blocks) != 3 {
		t.Fatalf("docs/lake.md: %d blocks, %v", len(blocks), err)
	}
	const records = "(r.asDict() for r in rows.withColumnRenamed('_log_partition', '_partition').withColumns({c: __import__('pyspark').sql.functions.unix_micros(c) for c in ('at', 'seen')} | {'visits': __import__('pyspark').sql.functions.expr('transform(visits, v -> unix_micros(v))')}).collect())"
	block := strings.ReplaceAll(blocks[0], "000003-4be1c9d20a7f", first)
	var script strings.Builder
	for line := range strings.SplitSeq(block, "\n") {
		script.WriteString(line + "\n")
		if strings.HasPrefix(line, "rows =") {
			script.WriteString("check('rows', " + records + ")\n")
		}
	}
	found := w.Run(t, home, script.String(), "CAUDAL_LAKE="+w.Dir,
		"PYSPARK_SUBMIT_ARGS=--master local[2] --driver-memory 512m --conf spark.ui.enabled=false --jars "+jar+" pyspark-shell")
	if len(found) != 2 {
		t.Fatalf("%d answers", len(found))
	}
	for i, expected := range []readers.Found{w.Want(), want} {
		if wrong := expected.Compare(found[i]); wrong != "" {
			t.Errorf("answer %d: %s", i, wrong)
		}
		t.Logf("Iceberg %d rows, sum of n %s, of wide %s, sha256 %.12s", found[i].Rows, found[i].Sums["n"], found[i].Sums["wide"], found[i].SHA256)
	}
}

func TestWhatIcebergWouldReadOtherwiseIsRefused(t *testing.T) {
	field := func(name string, kind view.Kind, digits uint8) view.Field {
		return view.Field{Name: name, Type: view.Type{Kind: kind, Precision: digits}, From: view.Keys(name)}
	}
	text := `"x"`
	withDefault := field("b", view.String, 0)
	withDefault.Default = &text
	renamed := field("new", view.Decimal, 20)
	renamed.Was = []string{"n"}
	source := func(fields ...view.Field) *view.Source { return &view.Source{Name: "s", Fields: fields} }
	for name, c := range map[string]struct {
		now, before *view.Source
		want        string
	}{
		"a default":        {source(field("a", view.String, 0), withDefault), source(field("a", view.String, 0)), "have no column b, whose default"},
		"an integer":       {source(renamed), source(field("n", view.Int64, 0)), "hold column new as int64, which Iceberg does not read as decimal(20,0)"},
		"more digits":      {source(renamed), source(field("n", view.Decimal, 9)), ""},
		"a new column":     {source(field("a", view.String, 0), field("b", view.Date, 0)), source(field("a", view.String, 0)), ""},
		"the same columns": {source(renamed), source(renamed), ""},
	} {
		cols, err := newColumns(c.now, []*view.Source{c.before})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "caudal lake compact s --full")) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "more digits" && err == nil && strings.Join(cols.mapping[0].Names, " ") != "new n" {
			t.Errorf("the renamed column is found under %v", cols.mapping[0].Names)
		}
	}
}

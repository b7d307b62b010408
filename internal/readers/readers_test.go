package readers

import (
	"errors"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// records says how a reader's `rows` become Python's own values, for check.
var records = []struct{ heading, code string }{
	{"DuckDB", "(dict(zip(rows.columns, r)) for r in rows.fetchall())"},
	{"pandas", "rows.to_dict('records')"},
	{"polars", "rows.to_dicts()"},
	{"PySpark", "(r.asDict() for r in rows.withColumns({c: __import__('pyspark').sql.functions.unix_micros(c) for c in ('at', 'seen')} | {'visits': __import__('pyspark').sql.functions.expr('transform(visits, v -> unix_micros(v))')}).collect())"},
}

// Each reader, by the very lines of docs/lake.md, finds every row of a version and of the raw segments, and no value that differs.
func TestEveryReaderFindsEveryRowOfAVersionAndOfTheSegments(t *testing.T) {
	home, err := Home()
	if errors.Is(err, ErrNoPython) {
		testservices.Missing(t, "pandas, polars and PySpark", err)
	}
	w := New(t)
	w.Grow(t) // so that the table's folder holds files of a version that is not read
	w.ListFiles(t)
	want := w.Want()
	for _, r := range records {
		t.Run(r.heading, func(t *testing.T) {
			blocks, err := Lines(r.heading)
			if err != nil || len(blocks) != 2 {
				t.Fatalf("docs/lake.md: %d blocks, %v", len(blocks), err)
			}
			var script strings.Builder
			for i, name := range []string{"version", "segments"} {
				script.WriteString(blocks[i] + "\ncheck('" + name + "', " + r.code + ")\n")
			}
			found := w.Run(t, home, script.String())
			if len(found) != 2 {
				t.Fatalf("%d answers", len(found))
			}
			for _, f := range found {
				if wrong := want.Compare(f); wrong != "" {
					t.Errorf("%s: %s", f.Name, wrong)
				}
				t.Logf("%-8s %-8s %d rows, sum of n %s, of wide %s, %d nulls of maybe, sha256 %.12s", r.heading, f.Name, f.Rows, f.Sums["n"], f.Sums["wide"], f.Nulls["maybe"], f.SHA256)
			}
		})
	}
}

// What the comparison is made for: a reader that goes by way of a float, loses a null or moves a time is told.
func TestAReaderThatMisreadsIsTold(t *testing.T) {
	w := New(t)
	want := w.Want()
	for name, damage := range map[string]func(f *Found){
		"a row":         func(f *Found) { f.Rows-- },
		"a digit":       func(f *Found) { f.Sums["wide"] += "1" },
		"a null":        func(f *Found) { f.Nulls["maybe"]++ },
		"another value": func(f *Found) { f.SHA256 = "" },
	} {
		f := w.Want()
		damage(&f)
		if want.Compare(f) == "" {
			t.Errorf("%s: not told", name)
		}
	}
	if wrong := want.Compare(w.Want()); wrong != "" {
		t.Error(wrong)
	}
}

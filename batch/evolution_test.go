package batch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// schemas of one source, one after the other, by what its fields are.
func evolvedSources(t *testing.T) []*view.Source {
	t.Helper()
	return definitionsOf(t,
		"n: int64, amount: 'decimal(9,2)', name: string, at: timestamp?",
		"n: int64, amount: 'decimal(12,2)', name: string?, at: timestamp?, extra: {type: string, default: \"it's\"}, when: {type: timestamp, default: '2026-01-02T03:04:05.678901+01:00'}, "+
			"far: {type: 'decimal(38,4)', default: -12345678901234567890.1234}, half: {type: double, default: -0.0}, day: {type: date, default: '1969-12-31'}, yes: {type: bool, default: true}",
		"n: 'decimal(21,2)', amount: 'decimal(30,2)', label: {type: string?, was: name}, at: timestamp?, extra: {type: string?, default: \"it's\"}, when: {type: timestamp, default: '2026-01-02T03:04:05.678901+01:00'}, "+
			"far: {type: 'decimal(38,4)', default: -12345678901234567890.1234}, half: {type: double, default: 0}, day: {type: date, default: '1969-12-31'}, yes: {type: bool, default: true}, more: int64?")
}

// definitionsOf are the definitions of a source with some fields, one after the other, each of which may follow those before.
func definitionsOf(t *testing.T, all ...string) []*view.Source {
	t.Helper()
	var sources []*view.Source
	for _, fields := range all {
		text := "project: p\nsources:\n  s:\n    event_time: {field: ts, format: unix_s}\n    event_id: id\n    fields: {id: string, ts: timestamp, " + fields + "}\n"
		p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(text)}}, os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, p.Sources[0])
	}
	for i, earlier := range sources {
		for _, later := range sources[i:] {
			if p := later.Evolves(earlier); len(p) > 0 {
				t.Fatal(p)
			}
		}
	}
	return sources
}

// evolvedRecords say of no column anything that the definition in use when they were archived did not know.
var evolvedRecords = []string{
	`{"id":"a","ts":1,"n":1,"amount":1.50,"name":"ann"}`,
	`{"id":"b","ts":2,"n":-9223372036854775808,"amount":-9999999.99,"name":"žluťoučký 馬","at":"2026-03-29T01:30:00.000001Z"}`,
	`{"id":"c","ts":3,"n":9007199254740993,"amount":0,"name":"","at":null}`,
	`{"id":"d","ts":4,"n":2,"amount":1234567890.12,"name":"big"}`,
	`{"id":"e","ts":5,"n":3,"amount":1,"name":null}`,
	`{"id":"f","ts":6,"n":4.25,"amount":1,"name":"quarter"}`,
	`{"id":"g","ts":7,"n":92233720368547758070,"amount":2,"name":"beyond"}`,
	`{"id":"h","ts":8,"n":5.00,"amount":1234567890123456789012345678.90,"name":"all digits"}`,
}

// decoded are the rows of the records that a source takes, as DuckDB writes them, by offset.
func decoded(t *testing.T, conn *engine.Conn, src *view.Source, records []string) (map[int64]string, *intake.Rows) {
	t.Helper()
	schema, err := intake.NewSchema(src)
	if err != nil {
		t.Fatal(err)
	}
	fold, rows := intake.NewFold(schema, intake.Start()), intake.NewRows(src)
	for i, record := range records {
		fold.Append(intake.Record{Offset: int64(i), Timestamp: int64(i), Value: []byte(record)}, rows)
	}
	return read(t, conn, src, src, rows), rows
}

// read writes rows as a segment of a source, and reads that as rows of another.
func read(t *testing.T, conn *engine.Conn, src, of *view.Source, rows *intake.Rows) map[int64]string {
	t.Helper()
	idx := make([]int32, rows.Len())
	for i := range idx {
		idx[i] = int32(i)
	}
	var data bytes.Buffer
	if err := lake.WriteSegment(&data, rows, idx, lake.SegmentSchema{Fields: of.Fields, Definition: of.Hash()}, 1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s.parquet")
	if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, f := range src.Fields {
		columns = append(columns, fmt.Sprintf("'%s ' || coalesce(CAST(\"%s\" AS VARCHAR), 'NULL')", strings.ToLower(f.Type.String()), f.Name))
	}
	found := map[int64]string{}
	sql := fmt.Sprintf("SELECT _offset, concat_ws(', ', %s) FROM (%s)", strings.Join(columns, ", "), lake.ReadSegments(src, of, []string{path}, "TRUE"))
	err := conn.Query(t.Context(), sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			found[chunk.Row(i).Int64(0)] = string(chunk.Row(i).Bytes(1))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return found
}

// A row that was written with one definition, read with another, older or newer, is the row that the record would be under that one; and it is
// left out where the record would be a dead letter.
func TestSegmentsOfSeveralSchemasAreReadAsOne(t *testing.T) {
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: "256MB"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if compared, left := readAsOne(t, conn, evolvedSources(t), evolvedRecords); compared != 3*(3+5+7) || left != 2+4+2 {
		t.Errorf("%d rows were compared, and %d are none under the other definition", compared, left)
	}
	sources := definitionsOf(t,
		"tags: array<string>, prices: 'array<decimal(9,2)>?', seen: array<timestamp>?",
		"tags: array<string?>, prices: 'array<decimal(12,2)?>?', seen: array<timestamp?>?",
		"labels: {type: array<string?>?, was: tags}, prices: 'array<decimal(30,2)?>?', seen: array<timestamp?>?, days: array<date>?")
	if compared, left := readAsOne(t, conn, sources, arrayRecords); compared != 3*(4+6+7) || left != 2+3+1 {
		t.Errorf("%d rows with arrays were compared, and %d are none under the other definition", compared, left)
	}
}

// arrayRecords are evolvedRecords of arrays.
var arrayRecords = []string{
	`{"id":"a","ts":1,"tags":[],"prices":null,"seen":[]}`,
	`{"id":"b","ts":2,"tags":["x"],"prices":[1.50,-9999999.99]}`,
	`{"id":"c","ts":3,"tags":["žluťoučký 馬","",""],"prices":[],"seen":["2026-03-29T01:30:00.000001Z",0]}`,
	`{"id":"d","ts":4,"tags":["y"],"prices":[0],"seen":null}`,
	`{"id":"e","ts":5,"tags":["x",null],"prices":[1]}`,
	`{"id":"f","ts":6,"tags":[null],"prices":[null,1234567890.12],"seen":[null,1]}`,
	`{"id":"g","ts":7,"tags":null,"prices":[1,1234567890123456789012345678.90]}`,
	`{"id":"h","ts":8,"tags":"x"}`,
}

// readAsOne compares rows that were written with each of the sources and read with each, with what the records are to that one. It counts the
// rows, and those that are none to the other.
func readAsOne(t *testing.T, conn *engine.Conn, sources []*view.Source, records []string) (compared, left int) {
	t.Helper()
	for i, of := range sources {
		written, rows := decoded(t, conn, of, records)
		for k, src := range sources {
			want, _ := decoded(t, conn, src, records)
			have := read(t, conn, src, of, rows)
			for offset := range written {
				compared++
				if _, taken := want[offset]; !taken {
					left++
				}
				if have[offset] != want[offset] {
					t.Errorf("%s, written with definition %d, is with definition %d\n%q and should be\n%q", records[offset], i, k, have[offset], want[offset])
				}
			}
			if len(have) > len(written) {
				t.Errorf("definition %d as %d: %d rows of %d", i, k, len(have), len(written))
			}
		}
	}
	return compared, left
}

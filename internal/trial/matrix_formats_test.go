package trial

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// formatsOf compares what each format of the HTTP API says of an answer with the answer, value by value.
func formatsOf(t *testing.T, l *layers, name string) {
	want, err := l.server.Query(t.Context(), serving.Query{View: name, Dimensions: []string{"class"}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(suffix string) []byte {
		w := httptest.NewRecorder()
		l.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/views/"+name+"/query"+suffix+"?dimensions=class", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", suffix, w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	compare := func(format string, row, column int, got, value string) {
		t.Helper()
		if got != value {
			t.Errorf("%s, %s of row %d: got %s, want %s", format, want.Meta.Columns[column].Name, row, got, value)
		}
	}
	var body struct{ Data []map[string]json.RawMessage }
	if err := json.Unmarshal(get(".json"), &body); err != nil || len(body.Data) != len(want.Rows) {
		t.Fatalf("%d rows as JSON, want %d: %v", len(body.Data), len(want.Rows), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(get(".ndjson")))
	lines.Buffer(nil, 1<<20)
	table, err := csv.NewReader(bytes.NewReader(get(".csv"))).ReadAll()
	if err != nil || len(table) != len(want.Rows)+1 {
		t.Fatalf("%d lines of CSV, want %d: %v", len(table), len(want.Rows)+1, err)
	}
	stored := parquetOf(t, get(".parquet"))
	for i, row := range want.Rows {
		var line map[string]json.RawMessage
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &line) != nil {
			t.Fatalf("row %d as NDJSON: %s", i, lines.Bytes())
		}
		for k, c := range want.Meta.Columns {
			value := compact(t, row[k].AppendJSON(nil))
			compare("json", i, k, compact(t, body.Data[i][c.Name]), value)
			compare("ndjson", i, k, compact(t, line[c.Name]), value)
			compare("csv", i, k, table[i+1][k], string(row[k].AppendText(nil)))
			compare("parquet", i, k, stored[i][k].String(), row[k].String())
			if c.Kind.Kind == view.Invalid {
				t.Errorf("column %s has no type", c.Name)
			}
		}
	}
	if arrow := get(".arrow"); len(arrow) == 0 {
		t.Error("nothing as Arrow") // what it holds: TestArrowKeepsEveryDigit
	}
}

// compact is JSON without what may be written in two ways.
func compact(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// parquetOf reads a Parquet file by DuckDB, which is not who wrote it.
func parquetOf(t *testing.T, file []byte) [][]algebra.Value {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answer.parquet")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]algebra.Value
	err = conn.Query(t.Context(), "SELECT * FROM read_parquet('"+path+"')", func(c *engine.Chunk) error {
		for i := range c.Len() {
			row := make([]algebra.Value, len(c.Columns()))
			for k := range row {
				row[k] = c.Row(i).Value(k)
			}
			rows = append(rows, row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

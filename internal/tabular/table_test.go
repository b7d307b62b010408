package tabular

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

func parse(t *testing.T, text string, of view.Type) algebra.Value {
	t.Helper()
	v, err := algebra.ParseValue(text, of)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hard is a table of values that careless formats round, shift or confuse.
func hard(t *testing.T) *Table {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	types := []view.Type{
		{Kind: view.Timestamp}, {Kind: view.String}, {Kind: view.Int64}, {Kind: view.Decimal, Precision: 38, Scale: 3}, {Kind: view.Int128}, {Kind: view.Double}, {Kind: view.Date}, {Kind: view.Bool}, {Kind: view.Decimal, Precision: 12, Scale: 2},
	}
	table := &Table{Location: zone, Meta: map[string]string{"caudal.snapshot": "s1"}}
	for i, name := range []string{"time", "text", "whole", "money", "wide", "share", "day", "flag", "price"} {
		table.Columns = append(table.Columns, Column{Name: name, Type: types[i], Time: i == 0})
	}
	for _, texts := range [][]string{
		{"2024-03-10T07:30:00.000001Z", "a,\"b\"\r\nc", "9223372036854775807", "-12345678901234567890123456789012345.678", "99999999999999999999999999999999999999", "0.1", "1969-12-31", "true", "-0.01"},
		{"1969-12-31T23:59:59Z", "", "-9223372036854775808", "0.001", "-1", "-1e+300", "2024-02-29", "false", "1234567890.12"},
	} {
		row := make([]algebra.Value, len(texts))
		for i, text := range texts {
			row[i] = parse(t, text, types[i])
		}
		table.Rows = append(table.Rows, row)
	}
	nothing := make([]algebra.Value, len(types))
	nothing[0] = algebra.TimestampValue(0)
	table.Rows = append(table.Rows, nothing)
	return table
}

func TestTextFormatsKeepEveryDigit(t *testing.T) {
	var csv, lines bytes.Buffer
	table := hard(t)
	if err := errors.Join(table.CSV(&csv), table.NDJSON(&lines)); err != nil {
		t.Fatal(err)
	}
	wantCSV := strings.ReplaceAll("time,text,whole,money,wide,share,day,flag,price\n"+
		"2024-03-10T03:30:00.000001-04:00,\"a,\"\"b\"\"\n"+
		"c\",9223372036854775807,-12345678901234567890123456789012345.678,99999999999999999999999999999999999999,0.1,1969-12-31,true,-0.01\n"+
		"1969-12-31T18:59:59-05:00,\"\",-9223372036854775808,0.001,-1,-1e+300,2024-02-29,false,1234567890.12\n"+
		"1969-12-31T19:00:00-05:00,,,,,,,,\n", "\n", "\r\n")
	if csv.String() != wantCSV {
		t.Errorf("csv:\n%q\nwant\n%q", csv.String(), wantCSV)
	}
	wantLines := `{"time":"2024-03-10T03:30:00.000001-04:00","text":"a,\"b\"\u000d\nc","whole":"9223372036854775807","money":"-12345678901234567890123456789012345.678","wide":"99999999999999999999999999999999999999","share":0.1,"day":"1969-12-31","flag":true,"price":"-0.01"}
{"time":"1969-12-31T18:59:59-05:00","text":"","whole":"-9223372036854775808","money":"0.001","wide":-1,"share":-1e+300,"day":"2024-02-29","flag":false,"price":"1234567890.12"}
{"time":"1969-12-31T19:00:00-05:00","text":null,"whole":null,"money":null,"wide":null,"share":null,"day":null,"flag":null,"price":null}
`
	if lines.String() != wantLines {
		t.Errorf("ndjson:\n%s\nwant\n%s", lines.String(), wantLines)
	}
}

// Read back by DuckDB, which is not who wrote it.
func TestParquetKeepsEveryDigit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answer.parquet")
	var out bytes.Buffer
	if err := hard(t).Parquet(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
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
	var got []string
	sql := `SELECT concat_ws('|', epoch_us("time"), coalesce("text", 'null'), whole, money, wide, "share", "day", flag, price) FROM read_parquet('` + path + `')
		UNION ALL SELECT string_agg(column_type, ' ') FROM (DESCRIBE SELECT * FROM read_parquet('` + path + `'))`
	if err := conn.Query(t.Context(), sql, func(c *engine.Chunk) error {
		for i := range c.Len() {
			got = append(got, string(c.Row(i).Bytes(0)))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1710055800000001|a,\"b\"\r\nc|9223372036854775807|-12345678901234567890123456789012345.678|99999999999999999999999999999999999999|0.1|1969-12-31|true|-0.01",
		"-1000000||-9223372036854775808|0.001|-1|-1e+300|2024-02-29|false|1234567890.12",
		"0|null",
		"TIMESTAMP WITH TIME ZONE VARCHAR BIGINT DECIMAL(38,3) DECIMAL(38,0) DOUBLE DATE BOOLEAN DECIMAL(12,2)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestArrowKeepsEveryDigit(t *testing.T) {
	var out bytes.Buffer
	if err := hard(t).Arrow(&out); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() {
		t.Fatal("no rows:", r.Err())
	}
	batch := r.RecordBatch()
	want := [][]string{
		{"2024-03-10T07:30:00.000001Z", "a,\"b\"\r\nc", "9223372036854775807", "-12345678901234567890123456789012345678", "99999999999999999999999999999999999999", "0.1", "1969-12-31", "true", "-1"},
		{"1969-12-31T23:59:59Z", "", "-9223372036854775808", "1", "-1", "-1e+300", "2024-02-29", "false", "123456789012"},
	}
	for i, column := range batch.Columns() {
		for row := range want {
			got := column.ValueStr(row)
			if d, ok := column.(*array.Decimal128); ok {
				got = d.Value(row).BigInt().String()
			}
			if i != 0 && got != want[row][i] {
				t.Errorf("%s of row %d is %s, want %s", batch.ColumnName(i), row, got, want[row][i])
			}
		}
		if i > 0 && !column.IsNull(2) {
			t.Errorf("%s of row 2 is not null", batch.ColumnName(i))
		}
	}
	if at := batch.Column(0).(*array.Timestamp).Value(0); at != 1710055800000001 {
		t.Errorf("time is %d", at)
	}
	if i := r.Schema().Metadata().FindKey("caudal.snapshot"); i < 0 || r.Schema().Field(0).Type.String() != "timestamp[us, tz=UTC]" {
		t.Errorf("schema %s", r.Schema())
	}
}

func TestAnIntegerBeyond38DigitsIsRefusedRatherThanCut(t *testing.T) {
	table := &Table{Columns: []Column{{Name: "n", Type: view.Type{Kind: view.Int128}}}, Rows: [][]algebra.Value{{algebra.Int128Value(algebra.Int128{Hi: math.MaxInt64, Lo: math.MaxUint64})}}}
	for name, write := range map[string]func() error{"parquet": func() error { return table.Parquet(&bytes.Buffer{}) }, "arrow": func() error { return table.Arrow(&bytes.Buffer{}) }} {
		if err := write(); !errors.Is(err, ErrTooWide) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A new kind of column is in no format's test until it is in the hard table.
func TestTheHardTableHasEveryKindOfColumn(t *testing.T) {
	columns := hard(t).Columns
	for _, kind := range append(view.ColumnKinds(), view.Int128) {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Type.Kind == kind }) {
			t.Errorf("%s is not in it", view.Type{Kind: kind})
		}
	}
}

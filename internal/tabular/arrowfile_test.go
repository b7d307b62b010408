package tabular

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// fileRow is a row of a file; a slice of values is an array.
type fileRow []any

func (r fileRow) Null(c int) bool             { return r[c] == nil }
func (r fileRow) Value(c int) algebra.Value   { return r[c].(algebra.Value) }
func (r fileRow) Items(c int) []algebra.Value { return r[c].([]algebra.Value) }

func TestAnArrowFileHoldsItsRowsBatchByBatch(t *testing.T) {
	const rows = arrowRows + 3
	write := func() []byte {
		var buf bytes.Buffer
		f, err := NewArrowFile(&buf, []Column{{Name: "id", Type: view.Type{Kind: view.String}}, {Name: "n", Type: view.Type{Kind: view.Int64}},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}}, {Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(rows) {
			if err := f.Add(fileRow{algebra.StringValue(fmt.Sprint(i)), algebra.Int64Value(i), algebra.TimestampValue(i), algebra.Null()}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	data := write()
	if !bytes.Equal(data, write()) {
		t.Error("the same rows make other bytes")
	}
	r, err := ipc.NewFileReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if fields := r.Schema().Fields(); fields[2].Type.String() != "timestamp[us, tz=UTC]" || fields[3].Type.String() != "decimal(12, 2)" {
		t.Errorf("schema %s", r.Schema())
	}
	seen, sum := int64(0), int64(0)
	for i := range r.NumRecords() {
		batch, err := r.RecordBatch(i)
		if err != nil {
			t.Fatal(err)
		}
		numbers := batch.Column(1).(*array.Int64)
		for k := range numbers.Len() {
			sum += numbers.Value(k)
		}
		if batch.Column(3).NullN() != int(batch.NumRows()) {
			t.Error("a null is none")
		}
		seen += batch.NumRows()
	}
	if seen != rows || sum != rows*(rows-1)/2 {
		t.Errorf("%d rows, sum %d", seen, sum)
	}
}

func TestAnArrowFileHoldsArraysOfEveryKind(t *testing.T) {
	values := map[view.Kind]algebra.Value{view.String: algebra.StringValue("a"), view.Int64: algebra.Int64Value(-7), view.Double: algebra.FloatValue(0.5), view.Bool: algebra.BoolValue(true),
		view.Timestamp: algebra.TimestampValue(1), view.Date: algebra.DateValue(-1), view.Decimal: algebra.DecimalValue(algebra.Int128Of(-5), 2)}
	var columns []Column
	var full, empty, none fileRow
	for _, kind := range view.ColumnKinds() {
		columns = append(columns, Column{Name: view.Type{Kind: kind}.String(), Type: view.Type{Kind: view.List, Item: kind, Precision: 9, Scale: 2}})
		full, empty, none = append(full, []algebra.Value{values[kind], algebra.Null(), values[kind]}), append(empty, []algebra.Value{}), append(none, nil)
	}
	var buf bytes.Buffer
	f, err := NewArrowFile(&buf, columns)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []fileRow{full, empty, none, full} {
		if err := f.Add(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewFileReader(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	batch, err := r.RecordBatch(0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[view.Kind]string{view.String: `"a"`, view.Int64: "-7", view.Double: "0.5", view.Bool: "true", view.Timestamp: "1", view.Date: "-1", view.Decimal: "{18446744073709551611 -1}"}
	for c, kind := range view.ColumnKinds() {
		list := fmt.Sprintf("[%[1]s (null) %[1]s]", want[kind])
		if got := fmt.Sprint(batch.Column(c)); got != fmt.Sprintf("[%s [] (null) %s]", list, list) {
			t.Errorf("%s: %s", columns[c].Name, got)
		}
	}
}

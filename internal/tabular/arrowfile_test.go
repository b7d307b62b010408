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
			row := []algebra.Value{algebra.StringValue(fmt.Sprint(i)), algebra.Int64Value(i), algebra.TimestampValue(i), algebra.Null()}
			if err := f.Add(func(c int) algebra.Value { return row[c] }); err != nil {
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

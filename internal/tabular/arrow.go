package tabular

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// arrowRows is how many rows a record batch holds.
const arrowRows = 64 << 10

// Arrow writes the table as an Arrow IPC stream. Times are UTC.
func (t *Table) Arrow(w io.Writer) (err error) {
	if err := t.checkWidth(); err != nil {
		return err
	}
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Type), Nullable: !c.Time}
	}
	keys := slices.Sorted(maps.Keys(t.Meta))
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = t.Meta[k]
	}
	meta := arrow.NewMetadata(keys, values)
	schema := arrow.NewSchema(fields, &meta)
	out := ipc.NewWriter(w, ipc.WithSchema(schema))
	defer func() { err = errors.Join(err, out.Close()) }()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for rows := range slices.Chunk(t.Rows, arrowRows) {
		for _, row := range rows {
			for i, v := range row {
				appendArrow(b.Field(i), t.Columns[i].Type, v)
			}
		}
		batch := b.NewRecordBatch()
		err := out.Write(batch)
		batch.Release()
		if err != nil {
			return fmt.Errorf("write arrow: %w", err)
		}
	}
	return nil
}

func arrowType(t view.Type) arrow.DataType {
	switch t.Kind {
	case view.Int64:
		return arrow.PrimitiveTypes.Int64
	case view.Double:
		return arrow.PrimitiveTypes.Float64
	case view.Bool:
		return arrow.FixedWidthTypes.Boolean
	case view.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case view.Date:
		return arrow.FixedWidthTypes.Date32
	case view.Int128:
		return &arrow.Decimal128Type{Precision: 38}
	case view.Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case view.List:
		return arrow.ListOf(arrowType(t.Element()))
	}
	return arrow.BinaryTypes.String
}

// appendArrow appends a value to a column of type t.
func appendArrow(to array.Builder, t view.Type, v algebra.Value) {
	if v.IsNull() {
		to.AppendNull()
		return
	}
	switch b := to.(type) {
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.Float64Builder:
		b.Append(v.Float64())
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Int64()))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.Int64()))
	case *array.Decimal128Builder:
		x := v.Int128()
		b.Append(decimal128.New(x.Hi, x.Lo))
	case *array.StringBuilder:
		b.Append(string(v.AppendText(nil)))
	default:
		panic(fmt.Sprintf("BUG: no Arrow builder for %s", t))
	}
}

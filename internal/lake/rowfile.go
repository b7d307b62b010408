package lake

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// RowColumn is a column that WriteRows writes. Values are of its type, or null.
type RowColumn struct {
	Name  string
	Type  view.Type
	Value func(row int) algebra.Value
}

// WriteRows writes n rows as one Parquet file, with meta in its footer. The same rows make the same bytes. Integers of 128 bits become decimals of 38
// digits, which the caller has to know that they fit; lists become their JSON as text; timestamps are UTC microseconds.
func WriteRows(w io.Writer, name string, rows []RowColumn, n int, meta map[string]string) error {
	columns := make([]column, len(rows))
	for i, c := range rows {
		node, value, err := rowNode(c.Type)
		if err != nil {
			return fmt.Errorf("write %s: column %s: %w", name, c.Name, err)
		}
		columns[i] = column{name: c.Name, node: parquet.Optional(node), fill: func(values []parquet.Value, from int) {
			for k := range values {
				if v := c.Value(from + k); v.IsNull() {
					values[k] = parquet.Value{}
				} else {
					values[k] = value(v).Level(0, 1, 0)
				}
			}
		}}
	}
	return writeParquet(w, name, columns, n, meta)
}

// rowNode is the Parquet type of a column of an answer, and how a value that is not null becomes one of it.
func rowNode(t view.Type) (parquet.Node, func(algebra.Value) parquet.Value, error) {
	whole := func(v algebra.Value) parquet.Value { return parquet.Int64Value(v.Int64()) }
	text := func(v algebra.Value) parquet.Value { return parquet.ByteArrayValue(v.AppendText(nil)) }
	wide := func(v algebra.Value) parquet.Value {
		x := v.Int128()
		return parquet.FixedLenByteArrayValue(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(x.Hi)), x.Lo))
	}
	switch t.Kind {
	case view.String:
		return parquet.String(), text, nil
	case view.Array:
		return parquet.JSON(), text, nil
	case view.Int64:
		return parquet.Int(64), whole, nil
	case view.Timestamp:
		return parquet.Timestamp(parquet.Microsecond), whole, nil
	case view.Date:
		return parquet.Date(), func(v algebra.Value) parquet.Value { return parquet.Int32Value(int32(v.Int64())) }, nil
	case view.Bool:
		return parquet.Leaf(parquet.BooleanType), func(v algebra.Value) parquet.Value { return parquet.BooleanValue(v.Bool()) }, nil
	case view.Double:
		return parquet.Leaf(parquet.DoubleType), func(v algebra.Value) parquet.Value { return parquet.DoubleValue(v.Float64()) }, nil
	case view.Int128:
		return parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16)), wide, nil
	case view.Decimal:
		if t.Precision > 18 {
			return parquet.Decimal(int(t.Scale), int(t.Precision), parquet.FixedLenByteArrayType(16)), wide, nil
		}
		return parquet.Decimal(int(t.Scale), int(t.Precision), parquet.Int64Type), func(v algebra.Value) parquet.Value {
			return parquet.Int64Value(int64(v.Int128().Lo))
		}, nil
	}
	return nil, nil, fmt.Errorf("no column type for %s", t)
}

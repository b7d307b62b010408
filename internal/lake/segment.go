package lake

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/parquet-go/parquet-go"
)

// SegmentSchema says what a segment's columns are.
type SegmentSchema struct {
	Fields     []view.Field // as Source.Fields
	Definition string       // hash, for the footer
}

// The columns that caudal adds to a source's fields in every segment.
const (
	ColumnPartition  = "_partition"   // int32
	ColumnOffset     = "_offset"      // int64
	ColumnTimestamp  = "_timestamp"   // of the record, UTC µs
	ColumnEventTime  = "_event_time"  // UTC µs
	ColumnIngestedAt = "_ingested_at" // of the chunk's intent, UTC µs
	ColumnDuplicate  = "_duplicate"   // bool
	ColumnLate       = "_late"        // bool
)

// WriteSegment writes the rows of which idx holds the positions as one Parquet file, sorted by event time and then by offset. ingestedAt is that of the
// chunk's intent, µs UTC. The bytes are a function of rows, schema and ingestedAt alone, whatever the order of idx.
func WriteSegment(w io.Writer, rows *intake.Rows, idx []int32, schema SegmentSchema, ingestedAt int64) error {
	if len(schema.Fields) != len(rows.Columns) {
		return fmt.Errorf("write segment: the schema has %d fields, the rows have %d columns", len(schema.Fields), len(rows.Columns))
	}
	order := sortRows(rows, idx)
	columns := make([]column, 0, len(schema.Fields)+7)
	for i, field := range schema.Fields {
		c, err := fieldColumn(field, &rows.Columns[i], order)
		if err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
		columns = append(columns, c)
	}
	stamp := parquet.Int64Value(ingestedAt)
	columns = append(columns,
		column{name: ColumnPartition, node: parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary), bounds: true, fill: func(values []parquet.Value, from int) {
			for i := range values {
				values[i] = parquet.Int32Value(int32(rows.Partition[order[from+i]]))
			}
		}},
		column{name: ColumnOffset, node: parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked), bounds: true, fill: words(rows.Offset, order)},
		column{name: ColumnTimestamp, node: timestampNode(), bounds: true, fill: words(rows.Timestamp, order)},
		column{name: ColumnEventTime, node: timestampNode(), bounds: true, fill: words(rows.EventTime, order)},
		column{name: ColumnIngestedAt, node: parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.RLEDictionary), bounds: true, fill: func(values []parquet.Value, _ int) {
			for i := range values {
				values[i] = stamp
			}
		}},
		column{name: ColumnDuplicate, node: parquet.Leaf(parquet.BooleanType), bounds: true, fill: flags(rows.Duplicate, order)},
		column{name: ColumnLate, node: parquet.Leaf(parquet.BooleanType), bounds: true, fill: flags(rows.Late, order)},
	)
	err := writeParquet(w, "segment", columns, len(order), map[string]string{definitionMeta: schema.Definition})
	runtime.KeepAlive(rows) // the collector does not see the strings' pointers into its arena
	return err
}

func timestampNode() parquet.Node {
	return parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.DeltaBinaryPacked)
}

// fieldColumn is the Parquet column of a source's field.
func fieldColumn(field view.Field, col *intake.Column, order []int32) (column, error) {
	if field.Type.Kind == view.List {
		return listColumn(field, col, order)
	}
	c := column{name: field.Name, bounds: true}
	switch t := field.Type; t.Kind {
	case view.String:
		c.node, c.fill = parquet.String(), strs(col.Strs, order)
		if repeats(col, order) {
			c.node = parquet.Encoded(c.node, &parquet.RLEDictionary)
		}
		c.bounds = false // of rows in the order of time they skip nothing, and a long one would stand in the footer
	case view.Int64:
		c.node, c.fill = parquet.Int(64), words(col.Words, order)
	case view.Timestamp:
		c.node, c.fill = timestampNode(), words(col.Words, order)
	case view.Date:
		c.node, c.fill = parquet.Date(), words32(col.Words, order)
	case view.Bool:
		c.node, c.fill = parquet.Leaf(parquet.BooleanType), flags(col.Words, order)
	case view.Double:
		c.node, c.fill = parquet.Leaf(parquet.DoubleType), doubles(col.Words, order)
	case view.Decimal:
		scale, precision := int(t.Scale), int(t.Precision)
		switch {
		case precision <= 9:
			c.node, c.fill = parquet.Decimal(scale, precision, parquet.Int32Type), words32(col.Words, order)
		case precision <= 18:
			c.node, c.fill = parquet.Decimal(scale, precision, parquet.Int64Type), words(col.Words, order)
		default:
			c.node, c.fill = parquet.Decimal(scale, precision, parquet.FixedLenByteArrayType(16)), wides(col.Wide, order)
			c.bounds = false // parquet-go compares the bytes as unsigned: negative numbers would be skipped wrongly
		}
	default:
		return column{}, fmt.Errorf("field %s: no column type for %s", field.Name, t)
	}
	if field.Nullable {
		c.node, c.fill = parquet.Optional(c.node), nullable(col, order, c.fill)
	}
	return c, nil
}

// sampleRows is how many rows tell whether a column's strings repeat.
const sampleRows = 8192

// repeats says whether a dictionary of the strings pays: not where nearly each is another, such as an id, for which it would cost half of
// the time to write a segment. The rows looked at are neighbours in time, as repeats mostly are.
func repeats(col *intake.Column, order []int32) bool {
	n := min(len(order), sampleRows)
	from := (len(order) - n) / 2
	distinct, values := make(map[string]struct{}, n), 0
	for _, row := range order[from : from+n] {
		if !col.Null(int(row)) {
			values++
			distinct[string(col.Strs[row].Bytes())] = struct{}{}
		}
	}
	return len(distinct) <= values*3/4
}

func words(from []int64, order []int32) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		for i, row := range order[start : start+len(values)] {
			values[i] = parquet.Int64Value(from[row])
		}
	}
}

func words32(from []int64, order []int32) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		for i, row := range order[start : start+len(values)] {
			values[i] = parquet.Int32Value(int32(from[row]))
		}
	}
}

func flags(from []int64, order []int32) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		for i, row := range order[start : start+len(values)] {
			values[i] = parquet.BooleanValue(from[row] != 0)
		}
	}
}

func doubles(from []int64, order []int32) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		for i, row := range order[start : start+len(values)] {
			values[i] = parquet.DoubleValue(math.Float64frombits(uint64(from[row])))
		}
	}
}

func strs(from []intake.Str, order []int32) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		for i, row := range order[start : start+len(values)] {
			values[i] = parquet.ByteArrayValue(from[row].Bytes())
		}
	}
}

func wides(from []algebra.Int128, order []int32) func([]parquet.Value, int) {
	space := make([][16]byte, batchRows)
	return func(values []parquet.Value, start int) {
		if len(values) > len(space) { // a long array
			space = make([][16]byte, len(values))
		}
		for i, row := range order[start : start+len(values)] {
			binary.BigEndian.PutUint64(space[i][:8], uint64(from[row].Hi))
			binary.BigEndian.PutUint64(space[i][8:], from[row].Lo)
			values[i] = parquet.FixedLenByteArrayValue(space[i][:])
		}
	}
}

// nullable gives each value its definition level: 1, or 0 and no value.
func nullable(col *intake.Column, order []int32, fill func([]parquet.Value, int)) func([]parquet.Value, int) {
	return func(values []parquet.Value, start int) {
		fill(values, start)
		for i, row := range order[start : start+len(values)] {
			if col.Null(int(row)) {
				values[i] = parquet.Value{}
			} else {
				values[i].SetDefinitionLevel(1)
			}
		}
	}
}

// SegmentRows is how many rows a segment holds, by its footer.
func SegmentRows(data []byte) (rows int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read a segment: malformed: %v", r)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, fmt.Errorf("read a segment: %w", err)
	}
	return file.NumRows(), nil
}

package lake

import (
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// DeadLetter is a record that could not be decoded or typed, with the reason.
type DeadLetter struct {
	Partition  int
	Offset     int64
	Timestamp  int64  // of the record, µs UTC
	IngestedAt int64  // µs UTC
	Reason     string // code, one per cause
	Field      string // that could not be typed; "" if the record as a whole could not be read
	Detail     string
	Key        []byte // as it stood in the log; nil if there was none
	Raw        []byte // the value as it stood in the log; nil for a tombstone
}

// WriteDeadLetters writes dead letters as one Parquet file, in the order given, which should be that of their offsets.
func WriteDeadLetters(w io.Writer, letters []DeadLetter) error {
	long := func(get func(*DeadLetter) int64) func([]parquet.Value, int) {
		return func(values []parquet.Value, from int) {
			for i := range values {
				values[i] = parquet.Int64Value(get(&letters[from+i]))
			}
		}
	}
	text := func(get func(*DeadLetter) string) func([]parquet.Value, int) {
		return func(values []parquet.Value, from int) {
			for i := range values {
				values[i] = parquet.ByteArrayValue([]byte(get(&letters[from+i])))
			}
		}
	}
	blob := func(get func(*DeadLetter) []byte) func([]parquet.Value, int) {
		return func(values []parquet.Value, from int) {
			for i := range values {
				values[i] = parquet.Value{}
				if b := get(&letters[from+i]); b != nil {
					values[i] = parquet.ByteArrayValue(b)
					values[i].SetDefinitionLevel(1)
				}
			}
		}
	}
	bytesNode := parquet.Optional(parquet.Leaf(parquet.ByteArrayType))
	stringNode := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	columns := []column{
		{name: ColumnPartition, node: parquet.Int(32), bounds: true, fill: func(values []parquet.Value, from int) {
			for i := range values {
				values[i] = parquet.Int32Value(int32(letters[from+i].Partition))
			}
		}},
		{name: ColumnOffset, node: parquet.Int(64), bounds: true, fill: long(func(d *DeadLetter) int64 { return d.Offset })},
		{name: ColumnTimestamp, node: timestampNode(), bounds: true, fill: long(func(d *DeadLetter) int64 { return d.Timestamp })},
		{name: ColumnIngestedAt, node: timestampNode(), bounds: true, fill: long(func(d *DeadLetter) int64 { return d.IngestedAt })},
		{name: "reason", node: stringNode, bounds: false, fill: text(func(d *DeadLetter) string { return d.Reason })},
		{name: "field", node: stringNode, bounds: false, fill: text(func(d *DeadLetter) string { return d.Field })},
		{name: "detail", node: stringNode, bounds: false, fill: text(func(d *DeadLetter) string { return d.Detail })},
		{name: "key", node: bytesNode, bounds: false, fill: blob(func(d *DeadLetter) []byte { return d.Key })},
		{name: "raw", node: bytesNode, bounds: false, fill: blob(func(d *DeadLetter) []byte { return d.Raw })},
	}
	return writeParquet(w, "dead_letters", columns, len(letters), nil)
}

// ReadDeadLetters reads a file that WriteDeadLetters wrote, in its order.
func ReadDeadLetters(path string) ([]DeadLetter, error) {
	var letters []DeadLetter
	var at map[string]int
	err := readParquet(path, func(schema *parquet.Schema, row parquet.Row) error {
		if at == nil {
			at = map[string]int{}
			for i, field := range schema.Fields() {
				at[field.Name()] = i
			}
			for _, name := range []string{ColumnPartition, ColumnOffset, ColumnTimestamp, ColumnIngestedAt, "reason", "field", "detail", "key", "raw"} {
				if _, ok := at[name]; !ok {
					return fmt.Errorf("no column %q", name)
				}
			}
		}
		blob := func(name string) []byte {
			if v := row[at[name]]; !v.IsNull() {
				return append([]byte{}, v.ByteArray()...)
			}
			return nil
		}
		text := func(name string) string { return strings.Clone(string(row[at[name]].ByteArray())) }
		letters = append(letters, DeadLetter{
			Partition:  int(row[at[ColumnPartition]].Int32()),
			Offset:     row[at[ColumnOffset]].Int64(),
			Timestamp:  row[at[ColumnTimestamp]].Int64(),
			IngestedAt: row[at[ColumnIngestedAt]].Int64(),
			Reason:     text("reason"), Field: text("field"), Detail: text("detail"),
			Key: blob("key"), Raw: blob("raw"),
		})
		return nil
	})
	return letters, err
}

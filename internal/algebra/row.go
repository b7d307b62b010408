package algebra

import "github.com/caudal/caudal/internal/view"

// Row is one result row of a query. Slices that it returns are valid only until the row is left.
type Row interface {
	Null(col int) bool
	Int64(col int) int64      // integers, bools (0 or 1), dates (days), timestamps (µs), decimals of up to 18 digits (unscaled)
	Int128(col int) Int128    // integers, and decimals of any size (unscaled)
	Float64(col int) float64  // doubles and floats
	Bytes(col int) []byte     // strings and blobs
	Uint32s(col int) []uint32 // lists of UINTEGER
	Int32s(col int) []int32   // lists of INTEGER
	Uint64s(col int) []uint64 // lists of UBIGINT
	Texts(col int) []string   // lists of strings, copied
}

// ReadValue reads one column of a row as a value of type t.
func ReadValue(row Row, col int, t view.Type) Value {
	if row.Null(col) {
		return Value{}
	}
	switch t.Kind {
	case view.String:
		return StringValue(string(row.Bytes(col)))
	case view.Decimal:
		return DecimalValue(row.Int128(col), t.Scale)
	case view.Int128:
		return Int128Value(row.Int128(col))
	case view.Double:
		return FloatValue(row.Float64(col))
	}
	return Value{kind: t.Kind, lo: uint64(row.Int64(col))}
}

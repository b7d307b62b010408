package algebra

import (
	"encoding/binary"

	"github.com/caudal/caudal/internal/view"
)

// other is the kind of Other. No column has it, so that a text "__other__" among the events is a value like any.
const other view.Kind = 0xff

// OtherText is how Other is written in answers.
const OtherText = "__other__"

// Other is the value of a dimension that stands for every value beyond the view's limit of cardinality: in cells of the speed layer
// only, as batch has no limit. It equals itself alone.
func Other() Value { return Value{kind: other} }

// IsOther says whether the value is Other.
func (v Value) IsOther() bool { return v.kind == other }

// AppendOther appends the key of Other, as AppendKey does.
func AppendOther(dst []byte) []byte { return append(dst, byte(other)) }

// CutKey splits the bytes of the first value off a key that AppendKey wrote, which must not be empty.
func CutKey(key []byte) (value, rest []byte) {
	n := 1
	switch view.Kind(key[0]) {
	case view.Invalid, other:
	case view.String:
		size, width := binary.Uvarint(key[1:])
		n += width + int(size)
	case view.Bool:
		n++
	case view.Double:
		n += 8
	case view.Decimal:
		n = varintEnd(key, 2)
	default:
		n = varintEnd(key, 1)
	}
	return key[:n:n], key[n:]
}

// varintEnd is where the varint that begins at i ends.
func varintEnd(b []byte, i int) int {
	for b[i] >= 0x80 {
		i++
	}
	return i + 1
}

// TextOfKey is the text of a value that CutKey returned, if it is a string.
func TextOfKey(value []byte) (text []byte, ok bool) {
	if view.Kind(value[0]) != view.String {
		return nil, false
	}
	_, width := binary.Uvarint(value[1:])
	return value[1+width:], true
}

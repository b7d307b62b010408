package algebra

import (
	"encoding/binary"
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// AppendKey appends the canonical bytes of dimension values: each a byte of its kind and then its content. Equal values have equal
// bytes and no key is the beginning of another with as many dimensions. The order of the bytes is not the order of the values.
func AppendKey(dst []byte, dims []Value) []byte {
	for i := range dims {
		v := &dims[i]
		dst = append(dst, byte(v.kind))
		switch v.kind {
		case view.Invalid, other:
		case view.String:
			dst = binary.AppendUvarint(dst, uint64(len(v.text)))
			dst = append(dst, v.text...)
		default:
			dst = appendKeyWord(dst, v.kind, v.scale, v.lo, v.hi)
		}
	}
	return dst
}

// appendKeyWord appends the content of a value that is no string.
func appendKeyWord(dst []byte, kind view.Kind, scale uint8, lo uint64, hi int64) []byte {
	switch kind {
	case view.Bool:
		return append(dst, byte(lo))
	case view.Double:
		return binary.BigEndian.AppendUint64(dst, lo)
	case view.Decimal:
		return appendInt128(append(dst, scale), Int128{Lo: lo, Hi: hi})
	case view.Int128:
		return appendInt128(dst, Int128{Lo: lo, Hi: hi})
	}
	return binary.AppendVarint(dst, int64(lo))
}

// appendInt128 appends a zigzag varint of up to 19 bytes.
func appendInt128(dst []byte, x Int128) []byte {
	lo := x.Lo<<1 ^ uint64(x.Hi>>63)
	hi := uint64(x.Hi)<<1 | x.Lo>>63
	hi ^= uint64(x.Hi >> 63)
	for hi != 0 || lo >= 0x80 {
		dst = append(dst, byte(lo)|0x80)
		lo = lo>>7 | hi<<57
		hi >>= 7
	}
	return append(dst, byte(lo))
}

// DecodeKey reads the values that AppendKey wrote.
func DecodeKey(key []byte) ([]Value, error) {
	var dims []Value
	r := reader{rest: key}
	for len(r.rest) > 0 && r.err == nil {
		v := Value{kind: view.Kind(r.byte())}
		switch v.kind {
		case view.Invalid, other:
		case view.String:
			v.text = string(r.bytes(r.uvarint()))
		case view.Bool:
			v.lo = uint64(r.byte())
		case view.Double:
			if b := r.bytes(8); len(b) == 8 {
				v.lo = binary.BigEndian.Uint64(b)
			}
		case view.Decimal:
			v.scale = r.byte()
			x := r.int128()
			v.lo, v.hi = x.Lo, x.Hi
		case view.Int128:
			x := r.int128()
			v.lo, v.hi = x.Lo, x.Hi
		case view.Int64, view.Timestamp, view.Date:
			v.lo = uint64(r.varint())
		default:
			return nil, fmt.Errorf("read key %x: unknown kind %d of a value", key, v.kind)
		}
		dims = append(dims, v)
	}
	if r.err != nil {
		return nil, fmt.Errorf("read key %x: %w", key, r.err)
	}
	return dims, nil
}

// ReadKey appends the dimension values of a result row whose first one stands in firstCol to `into`.
func (p *Plan) ReadKey(row Row, firstCol int, into []Value) []Value {
	for i := range p.View.Dimensions {
		into = append(into, ReadValue(row, firstCol+i, p.View.Dimensions[i].Type))
	}
	return into
}

// AppendRowKey appends AppendKey(ReadKey(row, firstCol)) without the values in between: nothing is allocated.
func (p *Plan) AppendRowKey(dst []byte, row Row, firstCol int) []byte {
	for i := range p.View.Dimensions {
		col, t := firstCol+i, &p.View.Dimensions[i].Type
		if row.Null(col) {
			dst = append(dst, byte(view.Invalid))
			continue
		}
		dst = append(dst, byte(t.Kind))
		switch {
		case t.Kind == view.String:
			b := row.Bytes(col)
			dst = binary.AppendUvarint(dst, uint64(len(b)))
			dst = append(dst, b...)
		case t.Kind == view.Double:
			dst = appendKeyWord(dst, t.Kind, 0, floatBits(row.Float64(col)), 0)
		case t.Kind == view.Decimal || t.Kind == view.Int128:
			x := row.Int128(col)
			dst = appendKeyWord(dst, t.Kind, t.Scale, x.Lo, x.Hi)
		default:
			dst = appendKeyWord(dst, t.Kind, 0, uint64(row.Int64(col)), 0)
		}
	}
	return dst
}

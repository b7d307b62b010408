package stream

import (
	"encoding/binary"
	"errors"
)

// errMalformed: bytes from a broker that cannot be what they should be.
var errMalformed = errors.New("malformed answer from the broker")

// encoder appends the primitive types of the Kafka protocol. kafka-go's own is not exported, and stops at versions of
// Fetch and Metadata that are too old for us.
type encoder struct{ b []byte }

func (e *encoder) int8(v int8)   { e.b = append(e.b, byte(v)) }
func (e *encoder) int16(v int16) { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32) { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64) { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }
func (e *encoder) bool(v bool) {
	if v {
		e.int8(1)
	} else {
		e.int8(0)
	}
}
func (e *encoder) string(s string) {
	e.int16(int16(len(s)))
	e.b = append(e.b, s...)
}
func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) compactString(s string) {
	e.uvarint(uint64(len(s)) + 1)
	e.b = append(e.b, s...)
}

// Write appends, as io.Writer.
func (e *encoder) Write(p []byte) (int, error) {
	e.b = append(e.b, p...)
	return len(p), nil
}

func (e *encoder) varint(v int64) { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) varbytes(b []byte) {
	if b == nil {
		e.varint(-1)
		return
	}
	e.varint(int64(len(b)))
	e.b = append(e.b, b...)
}

// decoder reads the primitive types of the Kafka protocol. The first failure sticks; what is read after it is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) int8() int8 {
	if p := d.take(1); p != nil {
		return int8(p[0])
	}
	return 0
}

func (d *decoder) int16() int16 {
	if p := d.take(2); p != nil {
		return int16(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if p := d.take(4); p != nil {
		return int32(binary.BigEndian.Uint32(p))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if p := d.take(8); p != nil {
		return int64(binary.BigEndian.Uint64(p))
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.take(int(max(d.int16(), 0)))) }

// length reads the length of a compact array or string; null is 0. A length beyond the bytes that are left is an error
// before it is an allocation.
func (d *decoder) length() int {
	n := d.uvarint()
	if n == 0 {
		return 0
	}
	if n-1 > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n - 1)
}

func (d *decoder) compactString() string { return string(d.take(d.length())) }

func (d *decoder) uuid() (id [16]byte) {
	copy(id[:], d.take(16))
	return id
}

// count reads the length of an array.
func (d *decoder) count() int {
	n := int(max(d.int32(), 0))
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return 0
	}
	return n
}

// tags skips the tagged fields of a flexible version.
func (d *decoder) tags() {
	for range d.length0() {
		d.uvarint()
		d.take(int(d.uvarint()))
	}
}

func (d *decoder) length0() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) err() error {
	if d.bad {
		return errMalformed
	}
	return nil
}

package algebra

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("it ends too early")

// reader takes an encoding apart; the first error stays and everything after it reads as zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errShort
	}
	r.rest = nil
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return x
}

func (r *reader) varint() int64 {
	x, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return x
}

// int128 reads what appendInt128 wrote.
func (r *reader) int128() Int128 {
	var lo, hi uint64
	for shift := uint(0); ; shift += 7 {
		b := r.byte()
		if r.err != nil || shift > 126 {
			r.fail()
			return Int128{}
		}
		part := uint64(b & 0x7f)
		if shift < 64 {
			lo |= part << shift
			hi |= part >> (64 - shift)
		} else {
			hi |= part << (shift - 64)
		}
		if b < 0x80 {
			break
		}
	}
	sign := -(lo & 1)
	return Int128{Lo: (lo>>1 | hi<<63) ^ sign, Hi: int64(hi>>1 ^ sign)}
}

// skipVarints reads n numbers, of int128 too, and drops them.
func (r *reader) skipVarints(n int) {
	for i, b := range r.rest {
		if n == 0 {
			r.rest = r.rest[i:]
			return
		}
		if b < 0x80 {
			n--
		}
	}
	if r.rest = r.rest[len(r.rest):]; n > 0 {
		r.fail()
	}
}

// refuse ends the reading for a reason other than a short input.
func (r *reader) refuse(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

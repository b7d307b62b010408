package algebra

import (
	"cmp"
	"encoding/binary"
	"math"

	"github.com/caudal/caudal/internal/view"
)

// extremeSQL is min or max of a row value; sign is 1 for max, -1 for min.
func extremeSQL(sign int, value string) string {
	if sign < 0 {
		return "min(" + value + ")"
	}
	return "max(" + value + ")"
}

// extremePart keeps the least or greatest of values of up to 64 bits: integers, decimals (unscaled), timestamps, dates, bools.
// State: the value, 1 if there is one.
type extremePart struct {
	value string
	in    view.Type
	sign  int
	at    int
}

func (p extremePart) columns(dialect, layer) []column {
	return []column{{expr: extremeSQL(p.sign, p.value), sql: p.in.SQL()}}
}

func (p extremePart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", tryCast(own[0], exactType(m))
}

func (p extremePart) offer(s *State, x int64) {
	w := s.words[p.at : p.at+2]
	if w[1] == 0 || cmp.Compare(x, int64(w[0]))*p.sign > 0 {
		w[0], w[1] = uint64(x), 1
	}
}

func (p extremePart) merge(dst, src *State) {
	if src.words[p.at+1] != 0 {
		p.offer(dst, int64(src.words[p.at]))
	}
}

func (p extremePart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		p.offer(s, row.Int64(col))
	}
}

func (p extremePart) append(dst []byte, s *State) []byte {
	if s.words[p.at+1] == 0 {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), int64(s.words[p.at]))
}

func (p extremePart) decode(r *reader, s *State) {
	if r.byte() != 0 {
		s.words[p.at], s.words[p.at+1] = uint64(r.varint()), 1
	}
}

func (p extremePart) skip(r *reader) {
	if r.byte() != 0 {
		r.skipVarints(1)
	}
}

func (p extremePart) answer(s *State, m *view.Measure) Answer {
	if s.words[p.at+1] == 0 {
		return Answer{Exact: true}
	}
	x := int64(s.words[p.at])
	if p.in.Kind == view.Int64 || p.in.Kind == view.Decimal {
		return integerAnswer(Int128Of(x), p.in.Scale, m)
	}
	return Answer{Value: Value{kind: p.in.Kind, lo: uint64(x)}, Exact: true}
}

// wideExtremePart is extremePart for values of up to 128 bits. State: low word, high word, 1 if there is a value.
type wideExtremePart struct {
	value string
	in    view.Type
	sign  int
	at    int
}

func (p wideExtremePart) columns(dialect, layer) []column {
	return []column{{expr: "CAST(" + extremeSQL(p.sign, p.value) + " AS " + storedType(p.in).SQL() + ")", sql: storedType(p.in).SQL()}}
}

func (p wideExtremePart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", tryCast(own[0], exactType(m))
}

func (p wideExtremePart) offer(s *State, x Int128) {
	w := s.words[p.at : p.at+3]
	if w[2] == 0 || x.Cmp(Int128{Lo: w[0], Hi: int64(w[1])})*p.sign > 0 {
		w[0], w[1], w[2] = x.Lo, uint64(x.Hi), 1
	}
}

func (p wideExtremePart) best(s *State) Int128 {
	return Int128{Lo: s.words[p.at], Hi: int64(s.words[p.at+1])}
}

func (p wideExtremePart) merge(dst, src *State) {
	if src.words[p.at+2] != 0 {
		p.offer(dst, p.best(src))
	}
}

func (p wideExtremePart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		p.offer(s, row.Int128(col))
	}
}

func (p wideExtremePart) append(dst []byte, s *State) []byte {
	if s.words[p.at+2] == 0 {
		return append(dst, 0)
	}
	return appendInt128(append(dst, 1), p.best(s))
}

func (p wideExtremePart) decode(r *reader, s *State) {
	if r.byte() != 0 {
		x := r.int128()
		s.words[p.at], s.words[p.at+1], s.words[p.at+2] = x.Lo, uint64(x.Hi), 1
	}
}

func (p wideExtremePart) skip(r *reader) {
	if r.byte() != 0 {
		r.skipVarints(1)
	}
}

func (p wideExtremePart) answer(s *State, m *view.Measure) Answer {
	if s.words[p.at+2] == 0 {
		return Answer{Exact: true}
	}
	return integerAnswer(p.best(s), p.in.Scale, m)
}

// floatExtremePart is extremePart for doubles; NaN is the greatest, as in DuckDB. State: bits, 1 if there is a value.
type floatExtremePart struct {
	value string
	sign  int
	at    int
}

func (p floatExtremePart) columns(dialect, layer) []column {
	return []column{{expr: extremeSQL(p.sign, p.value), sql: "DOUBLE"}}
}

func (p floatExtremePart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", tryCast(own[0], exactType(m))
}

func (p floatExtremePart) offer(s *State, x float64) {
	w := s.words[p.at : p.at+2]
	if w[1] == 0 || compareFloats(x, math.Float64frombits(w[0]))*p.sign > 0 {
		w[0], w[1] = floatBits(x), 1
	}
}

func (p floatExtremePart) merge(dst, src *State) {
	if src.words[p.at+1] != 0 {
		p.offer(dst, math.Float64frombits(src.words[p.at]))
	}
}

func (p floatExtremePart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		p.offer(s, row.Float64(col))
	}
}

func (p floatExtremePart) append(dst []byte, s *State) []byte {
	if s.words[p.at+1] == 0 {
		return append(dst, 0)
	}
	return binary.BigEndian.AppendUint64(append(dst, 1), s.words[p.at])
}

func (p floatExtremePart) decode(r *reader, s *State) {
	if r.byte() == 0 {
		return
	}
	if b := r.bytes(8); b != nil {
		s.words[p.at], s.words[p.at+1] = binary.BigEndian.Uint64(b), 1
	}
}

func (p floatExtremePart) skip(r *reader) {
	if r.byte() != 0 {
		r.bytes(8)
	}
}

func (p floatExtremePart) answer(s *State, m *view.Measure) Answer {
	if s.words[p.at+1] == 0 {
		return Answer{Exact: true}
	}
	return Answer{Value: fromFloat(math.Float64frombits(s.words[p.at]), m.Type), Exact: true}
}

// text is the string of a textExtremePart.
type text struct {
	text string
	has  bool
}

// textExtremePart is extremePart for strings, ordered by their bytes, which is the order of UTF-8.
type textExtremePart struct {
	value string
	sign  int
	at    int
}

func (p textExtremePart) columns(dialect, layer) []column {
	return []column{{expr: extremeSQL(p.sign, p.value), sql: "VARCHAR"}}
}

func (p textExtremePart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", tryCast(own[0], exactType(m))
}

func (p textExtremePart) better(t *text, x string) bool {
	return !t.has || cmp.Compare(x, t.text)*p.sign > 0
}

func (p textExtremePart) merge(dst, src *State) {
	if from := &src.ext.texts[p.at]; from.has && p.better(&dst.ext.texts[p.at], from.text) {
		dst.ext.texts[p.at] = *from
	}
}

func (p textExtremePart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	if t := &s.ext.texts[p.at]; p.better(t, string(row.Bytes(col))) {
		*t = text{text: string(row.Bytes(col)), has: true}
	}
}

func (p textExtremePart) append(dst []byte, s *State) []byte {
	t := &s.ext.texts[p.at]
	if !t.has {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(append(dst, 1), uint64(len(t.text)))
	return append(dst, t.text...)
}

func (p textExtremePart) decode(r *reader, s *State) {
	if r.byte() != 0 {
		s.ext.texts[p.at] = text{text: string(r.bytes(r.uvarint())), has: true}
	}
}

func (p textExtremePart) skip(r *reader) {
	if r.byte() != 0 {
		r.bytes(r.uvarint())
	}
}

func (p textExtremePart) answer(s *State, _ *view.Measure) Answer {
	t := &s.ext.texts[p.at]
	if !t.has {
		return Answer{Exact: true}
	}
	return Answer{Value: StringValue(t.text), Exact: true}
}

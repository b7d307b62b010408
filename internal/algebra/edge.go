package algebra

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// edgePart keeps the value of the earliest or the latest event that has one: of that with the least or greatest position, which is (event
// time, incarnation of the topic, partition, offset), so that no two events tie. It serves first and last.
// State: event time (µs), incarnation, partition, offset, 1 if there is a value, low and high word of the value. Strings are among the texts.
type edgePart struct {
	value string
	in    view.Type
	sign  int // 1: the latest, -1: the earliest
	at    int
	text  int // among the texts; -1: not there
}

// positionName is the column of an event's position.
const positionName = "_position"

// The words of an edgePart.
const (
	edgeTime = iota
	edgeIncarnation
	edgePartition
	edgeOffset
	edgeHas
	edgeLow
	edgeHigh
	edgeWords
)

func (p edgePart) columns(d dialect, _ layer) []column {
	there := " FILTER (WHERE " + p.value + " IS NOT NULL)"
	aggregate := "min"
	if p.sign > 0 {
		aggregate = "max"
	}
	t := storedType(p.in)
	list := []column{{expr: fmt.Sprintf("CAST(%s_by(%s, %s)%s AS %s)", aggregate, p.value, positionName, there, d.typeName(t)), sql: t.SQL()}}
	for field := range edgeHas {
		list = append(list, column{expr: d.field(aggregate+"("+positionName+")"+there, field), sql: "BIGINT"})
	}
	return list
}

func (p edgePart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", tryCast(own[0], exactType(m))
}

// wins says whether the position in src goes before the one in dst.
func (p edgePart) wins(src, dst []uint64) bool {
	if dst[edgeHas] == 0 {
		return true
	}
	for field := range edgeHas {
		if order := cmp.Compare(int64(src[field]), int64(dst[field])); order != 0 {
			return order*p.sign > 0
		}
	}
	return false
}

func (p edgePart) words(s *State) []uint64 { return s.words[p.at : p.at+edgeWords] }

func (p edgePart) merge(dst, src *State) {
	from, to := p.words(src), p.words(dst)
	if from[edgeHas] == 0 || !p.wins(from, to) {
		return
	}
	copy(to, from)
	if p.text >= 0 {
		dst.ext.texts[p.text] = src.ext.texts[p.text]
	}
}

func (p edgePart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	var words [edgeWords]uint64
	for field := range edgeHas {
		words[field] = uint64(row.Int64(col + 1 + field))
	}
	words[edgeHas] = 1
	to := p.words(s)
	if !p.wins(words[:], to) {
		return
	}
	switch {
	case p.text >= 0:
		s.ext.texts[p.text] = text{text: string(row.Bytes(col)), has: true}
	case p.in.Kind == view.Double:
		words[edgeLow] = floatBits(row.Float64(col))
	case p.in.Wide():
		x := row.Int128(col)
		words[edgeLow], words[edgeHigh] = x.Lo, uint64(x.Hi)
	default:
		words[edgeLow] = uint64(row.Int64(col))
	}
	copy(to, words[:])
}

func (p edgePart) append(dst []byte, s *State) []byte {
	w := p.words(s)
	if w[edgeHas] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(append(dst, 1), int64(w[edgeTime]))
	dst = appendUvarints(dst, w[edgeIncarnation:edgeHas])
	switch {
	case p.text >= 0:
		t := s.ext.texts[p.text].text
		return append(binary.AppendUvarint(dst, uint64(len(t))), t...)
	case p.in.Kind == view.Double:
		return binary.BigEndian.AppendUint64(dst, w[edgeLow])
	case p.in.Wide():
		return appendInt128(dst, Int128{Lo: w[edgeLow], Hi: int64(w[edgeHigh])})
	}
	return binary.AppendVarint(dst, int64(w[edgeLow]))
}

func (p edgePart) decode(r *reader, s *State) {
	if r.byte() == 0 {
		return
	}
	w := p.words(s)
	w[edgeTime] = uint64(r.varint())
	for field := edgeIncarnation; field < edgeHas; field++ {
		w[field] = r.uvarint()
	}
	w[edgeHas] = 1
	switch {
	case p.text >= 0:
		s.ext.texts[p.text] = text{text: string(r.bytes(r.uvarint())), has: true}
	case p.in.Kind == view.Double:
		if b := r.bytes(8); b != nil {
			w[edgeLow] = binary.BigEndian.Uint64(b)
		}
	case p.in.Wide():
		x := r.int128()
		w[edgeLow], w[edgeHigh] = x.Lo, uint64(x.Hi)
	default:
		w[edgeLow] = uint64(r.varint())
	}
}

func (p edgePart) skip(r *reader) {
	if r.byte() == 0 {
		return
	}
	r.skipVarints(edgeHas) // as many fields as a position has
	switch {
	case p.text >= 0:
		r.bytes(r.uvarint())
	case p.in.Kind == view.Double:
		r.bytes(8)
	default:
		r.skipVarints(1)
	}
}

func (p edgePart) answer(s *State, m *view.Measure) Answer {
	w := p.words(s)
	if w[edgeHas] == 0 {
		return Answer{Exact: true}
	}
	switch {
	case p.text >= 0:
		return Answer{Value: StringValue(s.ext.texts[p.text].text), Exact: true}
	case p.in.Kind == view.Double:
		return Answer{Value: Value{kind: view.Double, lo: w[edgeLow]}, Exact: true}
	case p.in.Kind == view.Int64 || p.in.Kind == view.Decimal:
		x := Int128Of(int64(w[edgeLow]))
		if p.in.Wide() {
			x.Hi = int64(w[edgeHigh])
		}
		return integerAnswer(x, p.in.Scale, m)
	}
	return Answer{Value: Value{kind: p.in.Kind, lo: w[edgeLow]}, Exact: true}
}

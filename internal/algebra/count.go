package algebra

import (
	"encoding/binary"

	"github.com/caudal/caudal/internal/view"
)

// countPart counts the rows whose value is not null. State: one word.
type countPart struct {
	value string
	at    int
}

// mergedCount adds counts up.
const mergedCount = "CAST(sum(%s) AS BIGINT)"

func (c countPart) columns(dialect, layer) []column {
	return []column{{expr: "count(" + c.value + ")", sql: "BIGINT", merge: mergedCount}}
}

func (c countPart) exact(_ dialect, _ *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", own[0]
}

func (c countPart) merge(dst, src *State) { dst.words[c.at] += src.words[c.at] }

func (c countPart) read(row Row, col int, s *State) { s.words[c.at] += uint64(row.Int64(col)) }

func (c countPart) append(dst []byte, s *State) []byte {
	return binary.AppendUvarint(dst, s.words[c.at])
}

func (c countPart) decode(r *reader, s *State) { s.words[c.at] = r.uvarint() }

func (c countPart) skip(r *reader) { r.skipVarints(1) }

func (c countPart) answer(s *State, _ *view.Measure) Answer {
	return Answer{Value: Int64Value(int64(s.words[c.at])), Exact: true}
}

func appendUvarints(dst []byte, words []uint64) []byte {
	for _, w := range words {
		dst = binary.AppendUvarint(dst, w)
	}
	return dst
}

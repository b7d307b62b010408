package algebra

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caudal/caudal/internal/view"
)

// timesPart keeps when the first and the last event of a cell were. It belongs to no measure: sessions are composed by it.
// State: both (µs), 1 if there is an event.
type timesPart struct{ at int }

// timeName is the column of an event's time, null where it is none of the cell's.
const timeName = "_time"

// timesFamily names it in a state's signature.
const timesFamily = "times"

func (p timesPart) columns(dialect, layer) []column {
	return []column{{expr: "min(" + timeName + ")", sql: "BIGINT"}, {expr: "max(" + timeName + ")", sql: "BIGINT"}}
}

func (p timesPart) exact(dialect, *view.Measure, []string, string) (aggregate, answer string) {
	panic("BUG: the times of a cell's events are the answer of no measure")
}

func (p timesPart) answer(*State, *view.Measure) Answer {
	panic("BUG: the times of a cell's events are the answer of no measure")
}

func (p timesPart) words(s *State) []uint64 { return s.words[p.at : p.at+3] }

func (p timesPart) add(s *State, first, last int64) {
	w := p.words(s)
	if w[2] != 0 {
		first, last = min(first, int64(w[0])), max(last, int64(w[1]))
	}
	w[0], w[1], w[2] = uint64(first), uint64(last), 1
}

func (p timesPart) merge(dst, src *State) {
	if w := p.words(src); w[2] != 0 {
		p.add(dst, int64(w[0]), int64(w[1]))
	}
}

func (p timesPart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		p.add(s, row.Int64(col), row.Int64(col+1))
	}
}

func (p timesPart) append(dst []byte, s *State) []byte {
	w := p.words(s)
	if w[2] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(append(dst, 1), int64(w[0]))
	return binary.AppendUvarint(dst, w[1]-w[0])
}

func (p timesPart) decode(r *reader, s *State) {
	if r.byte() != 0 {
		first := r.varint()
		p.add(s, first, first+int64(r.uvarint()))
	}
}

func (p timesPart) skip(r *reader) {
	if r.byte() != 0 {
		r.skipVarints(2)
	}
}

// timesAt is the place of the part among those of the plan; -1: it has none.
func (p *Plan) timesAt() int {
	return slices.IndexFunc(p.parts, func(x part) bool { _, ok := x.(timesPart); return ok })
}

// Times are when the first and the last event of a cell were, µs UTC; false where it has none. Only for plans of OnlyTimes, or whole ones, of views
// whose cells know it.
func (p *Plan) Times(s *State) (first, last int64, ok bool) {
	at := p.timesAt()
	if at < 0 {
		panic(fmt.Sprintf("BUG: the cells of view %s do not know the times of their events", p.View.Name))
	}
	w := p.parts[at].(timesPart).words(s)
	return int64(w[0]), int64(w[1]), w[2] != 0
}

// TimesColumns are the columns of the first and the last event's time in results.
func (p *Plan) TimesColumns() []string {
	at := p.timesAt()
	return []string{partColumn(p.numbers[at], 0), partColumn(p.numbers[at], 1)}
}

// OnlyTimes is Only, with the times of the events beside the measures.
func (p *Plan) OnlyTimes(measures []int) *Plan {
	wanted := p.wanted(measures)
	wanted[p.all().timesAt()] = true
	return p.all().with(wanted)
}

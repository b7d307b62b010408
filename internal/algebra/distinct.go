package algebra

import (
	"math"

	"github.com/caudal/caudal/internal/view"
)

// distinctPart counts distinct values by a HyperLogLog sketch whose registers SQL computes.
type distinctPart struct {
	value     string // the row value
	packed    string // its register and rank
	maybeNull bool
	at        int
}

func (p distinctPart) columns(d dialect, l layer) []column {
	c := column{sql: "UINTEGER[]"}
	if l == batchLayer {
		c.expr, c.refine = d.distinctList(p.packed), d.greatestRanks()
	} else {
		c.expr = d.list(p.packed)
	}
	if p.maybeNull {
		c.expr += " FILTER (WHERE " + p.packed + " IS NOT NULL)"
	}
	return []column{c}
}

func (p distinctPart) exact(_ dialect, _ *view.Measure, _ []string, x string) (aggregate, answer string) {
	return "count(DISTINCT " + p.value + ")", x
}

func (p distinctPart) merge(dst, src *State) { dst.ext.hlls[p.at].merge(&src.ext.hlls[p.at]) }

func (p distinctPart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		s.ext.hlls[p.at].add(row.Uint32s(col))
	}
}

func (p distinctPart) append(dst []byte, s *State) []byte { return s.ext.hlls[p.at].append(dst) }

func (p distinctPart) decode(r *reader, s *State) { s.ext.hlls[p.at].decode(r) }

func (p distinctPart) skip(r *reader) { skipRegisters(r) }

func (p distinctPart) answer(s *State, _ *view.Measure) Answer {
	n := math.Round(s.ext.hlls[p.at].estimate())
	return Answer{Value: Int64Value(int64(n)), Bound: relativeBound(n)}
}

package algebra

import (
	"strconv"

	"github.com/caudal/caudal/internal/view"
)

// percentilePart keeps a DDSketch whose bins SQL computes.
type percentilePart struct {
	value     string // the row value, null where it is no finite number
	bin       string // its packed key
	maybeNull bool
	at        int
}

func (p percentilePart) columns(d dialect, l layer) []column {
	filter := ""
	if p.maybeNull {
		filter = " FILTER (WHERE " + p.bin + " IS NOT NULL)"
	}
	keys, counts := column{sql: "INTEGER[]"}, column{sql: "UBIGINT[]"}
	if l == batchLayer {
		keys.expr, keys.refine = d.histogram(p.bin)+filter, d.histogramKeys()
		counts.expr, counts.refine = d.histogram(p.bin)+filter, d.histogramCounts()
	} else {
		keys.expr = d.list(p.bin) + filter
		counts.expr = "CAST(NULL AS UBIGINT[])"
	}
	return []column{keys, counts}
}

func (p percentilePart) exact(d dialect, m *view.Measure, _ []string, x string) (aggregate, answer string) {
	return d.percentile(p.value, strconv.FormatFloat(m.P, 'f', -1, 64)), tryCast(x, exactType(m))
}

func (p percentilePart) merge(dst, src *State) { dst.ext.dds[p.at].merge(&src.ext.dds[p.at]) }

func (p percentilePart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	var counts []uint64
	if !row.Null(col + 1) {
		counts = row.Uint64s(col + 1)
	}
	s.ext.dds[p.at].add(row.Int32s(col), counts)
}

func (p percentilePart) append(dst []byte, s *State) []byte { return s.ext.dds[p.at].append(dst) }

func (p percentilePart) decode(r *reader, s *State) { s.ext.dds[p.at].decode(r) }

func (p percentilePart) skip(r *reader) { skipBins(r) }

func (p percentilePart) answer(s *State, m *view.Measure) Answer {
	b := &s.ext.dds[p.at]
	if len(b.keys) == 0 {
		return Answer{}
	}
	return Answer{Value: fromFloat(b.quantile(m.P), m.Type), Bound: ddBound}
}

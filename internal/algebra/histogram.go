package algebra

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// histogramPart counts values between given bounds: below the first, from each to below the next, from the last on. State: one word for
// each bin.
type histogramPart struct {
	bin    string // the row value's number of its bin, null where it has none
	bounds []Value
	at     int
}

func (p histogramPart) columns(d dialect, l layer) []column {
	there := " FILTER (WHERE " + p.bin + " IS NOT NULL)"
	keys, counts := column{sql: "INTEGER[]"}, column{sql: "UBIGINT[]"}
	keys.expr, counts.expr = d.histogram(p.bin)+there, d.histogram(p.bin)+there
	if l == batchLayer {
		keys.refine, counts.refine = d.histogramKeys(), d.histogramCounts()
	} else {
		keys.expr, counts.expr = fmt.Sprintf(d.histogramKeys(), keys.expr), fmt.Sprintf(d.histogramCounts(), counts.expr)
	}
	return []column{keys, counts}
}

func (p histogramPart) exact(dialect, *view.Measure, []string, string) (aggregate, answer string) {
	return "", ""
}

func (p histogramPart) words(s *State) []uint64 { return s.words[p.at : p.at+len(p.bounds)+1] }

func (p histogramPart) merge(dst, src *State) {
	to := p.words(dst)
	for i, n := range p.words(src) {
		to[i] += n
	}
}

func (p histogramPart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	to, counts := p.words(s), row.Uint64s(col+1)
	for i, bin := range row.Int32s(col) {
		to[bin] += counts[i]
	}
}

func (p histogramPart) append(dst []byte, s *State) []byte { return appendUvarints(dst, p.words(s)) }

func (p histogramPart) decode(r *reader, s *State) {
	w := p.words(s)
	for i := range w {
		w[i] = r.uvarint()
	}
}

func (p histogramPart) skip(r *reader) { r.skipVarints(len(p.bounds) + 1) }

func (p histogramPart) answer(s *State, _ *view.Measure) Answer {
	dst := []byte{'['}
	from := Null()
	for i, n := range p.words(s) {
		to := Null()
		if i < len(p.bounds) {
			to = p.bounds[i]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = from.AppendJSON(append(dst, `{"from":`...))
		dst = to.AppendJSON(append(dst, `,"to":`...))
		dst = Int64Value(int64(n)).AppendJSON(append(dst, `,"count":`...))
		dst = append(dst, '}')
		from = to
	}
	return Answer{Value: arrayValue(append(dst, ']')), Exact: true}
}

// binSQL is the number of the bin of a value that is not null.
func binSQL(x string, bounds []Value, in view.Type) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CASE WHEN %s IS NULL THEN NULL", x)
	for i, bound := range bounds {
		fmt.Fprintf(&b, " WHEN %s < CAST('%s' AS %s) THEN %d", x, bound, in.SQL(), i)
	}
	fmt.Fprintf(&b, " ELSE %d END", len(bounds))
	return "CAST(" + b.String() + " AS INTEGER)"
}

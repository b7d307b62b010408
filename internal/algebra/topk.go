package algebra

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/caudal/caudal/internal/view"
)

// topPart keeps the most frequent values of a cell with their counts, which SQL computes: a summary of a limited number of counters.
type topPart struct {
	text     string // its canonical text
	in       view.Type
	capacity int
	at       int
}

// Counters of a summary: ten for each value that is answered, and at least a hundred. No count is off by more than the number of all values
// divided by one more than that.
const (
	topFactor = 10
	topLeast  = 100
)

func topCapacity(k int) int { return max(topFactor*k, topLeast) }

func (p topPart) columns(d dialect, l layer) []column {
	there := " FILTER (WHERE " + p.text + " IS NOT NULL)"
	if l == speedLayer {
		// Go counts: DuckDB's histogram of strings takes half as long again
		return []column{
			{expr: d.list(p.text) + there, sql: "VARCHAR[]"}, {expr: "CAST(NULL AS UBIGINT[])", sql: "UBIGINT[]"},
			{expr: "CAST(0 AS UBIGINT)", sql: "UBIGINT"}, {expr: "count(" + p.text + ")", sql: "BIGINT"},
		}
	}
	counts := d.histogram(p.text) + there
	texts, ranked, most := d.mostFrequent(p.numeric(), p.capacity)
	return []column{
		{expr: counts, refine: texts, sql: "VARCHAR[]"}, {expr: counts, refine: ranked, sql: "UBIGINT[]"},
		{expr: counts, refine: most, sql: "UBIGINT"}, {expr: "count(" + p.text + ")", sql: "BIGINT"},
	}
}

// numeric says whether canonical texts are whole numbers, and ordered by their size.
func (p topPart) numeric() bool { return p.in.Kind != view.String && p.in.Kind != view.Bool }

func (p topPart) exact(dialect, *view.Measure, []string, string) (aggregate, answer string) {
	return "", ""
}

func (p topPart) merge(dst, src *State) {
	dst.ext.tops[p.at].merge(&src.ext.tops[p.at], p.capacity, p.compare)
}

// read takes every value as often as it occurs, or exact counts, of all values or of the most frequent; what is left out occurs no more
// often than the third column says.
func (p topPart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	from := top{floor: uint64(row.Int64(col + 2)), total: uint64(row.Int64(col + 3))}
	if row.Null(col + 1) {
		from.counters = counted(row.Texts(col))
	} else {
		texts, counts := row.Texts(col), row.Uint64s(col+1)
		from.counters = make([]counter, len(texts))
		for i, t := range texts {
			from.counters[i] = counter{text: t, count: counts[i]}
		}
		slices.SortFunc(from.counters, func(a, b counter) int { return strings.Compare(a.text, b.text) })
	}
	if to := &s.ext.tops[p.at]; to.total == 0 {
		*to = from
		to.truncate(p.capacity, p.compare)
	} else {
		to.merge(&from, p.capacity, p.compare) // with all that was counted: nothing falls off before it has to
	}
}

// counted counts texts, which are sorted by it.
func counted(texts []string) []counter {
	slices.Sort(texts)
	var counters []counter
	for i, t := range texts {
		if i == 0 || t != texts[i-1] {
			counters = append(counters, counter{text: t})
		}
		counters[len(counters)-1].count++
	}
	return counters
}

func (p topPart) append(dst []byte, s *State) []byte { return s.ext.tops[p.at].append(dst) }

func (p topPart) decode(r *reader, s *State) {
	t := &s.ext.tops[p.at]
	t.decode(r, p.capacity)
	for i := range t.counters {
		if p.numeric() && !wholeNumber(t.counters[i].text) {
			r.refuse(errTop)
		}
	}
}

// wholeNumber says whether a text is the canonical one of an integer of 128 bits.
func wholeNumber(text string) bool {
	_, ok := ParseInt128(text)
	return ok
}

func (p topPart) skip(r *reader) {
	r.skipVarints(2)
	for range min(r.uvarint(), uint64(p.capacity)) {
		r.bytes(r.uvarint())
		r.skipVarints(2)
	}
}

// compare orders canonical texts as their values.
func (p topPart) compare(a, b string) int {
	if !p.numeric() {
		return strings.Compare(a, b)
	}
	x, negative := strings.CutPrefix(a, "-")
	y, other := strings.CutPrefix(b, "-")
	switch {
	case negative != other:
		return cmp.Compare(len(b)-len(y), len(a)-len(x)) // the one with a sign is less
	case negative:
		x, y = y, x
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

// answer is exact where the counters prove that no other value belongs there, whatever was left out.
func (p topPart) answer(s *State, m *view.Measure) Answer {
	t := &s.ext.tops[p.at]
	if t.total == 0 {
		return Answer{Exact: true}
	}
	list := slices.Clone(t.counters)
	slices.SortFunc(list, func(a, b counter) int { return cmp.Or(cmp.Compare(b.count, a.count), p.compare(a.text, b.text)) })
	first := list[:min(m.K, len(list))]
	a := Answer{Exact: t.floor == 0 || len(first) == m.K && first[m.K-1].count > t.floor}
	dst := []byte{'['}
	for i := range list {
		c := &list[i]
		if i >= len(first) {
			a.Exact = a.Exact && (c.off == 0 || c.count+c.off < first[len(first)-1].count)
			continue
		}
		a.Exact = a.Exact && c.off == 0
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = canonicalValue(c.text, p.in).AppendJSON(append(dst, `{"value":`...))
		dst = Int64Value(int64(c.count)).AppendJSON(append(dst, `,"count":`...))
		dst = Int64Value(int64(c.off)).AppendJSON(append(dst, `,"error":`...))
		dst = append(dst, '}')
	}
	a.Value = arrayValue(append(dst, ']'))
	if !a.Exact {
		a.Bound = float64(t.floor) / float64(t.total)
	}
	return a
}

// top is a summary of the most frequent values: those of Space-Saving (Metwally, Agrawal and El Abbadi, 2005), merged as in "Mergeable
// Summaries" (Agarwal et al., 2012). The true count of a value that is listed lies in [count, count+off], that of one that is not is at
// most floor. While no more values occurred than there are counters everything is exact and the order of merging does not matter.
type top struct {
	counters []counter // ascending by the bytes of their texts
	floor    uint64
	total    uint64 // of all values, listed or not
}

// counter is a value that is listed.
type counter struct {
	text  string
	count uint64 // how often it occurred while it was listed
	off   uint64 // how often it may have occurred while it was not
}

func (t *top) reset() { *t = top{counters: t.counters[:0]} }

// merge adds another summary: the counts of both, or of one what the other does not list counted as its floor at most.
func (t *top) merge(from *top, capacity int, compare func(a, b string) int) {
	if from.total == 0 {
		return
	}
	merged := make([]counter, 0, len(t.counters)+len(from.counters))
	a, b := t.counters, from.counters
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(b) == 0:
			order = -1
		case len(a) == 0:
			order = 1
		default:
			order = strings.Compare(a[0].text, b[0].text)
		}
		var c counter
		switch {
		case order < 0:
			c, a = a[0], a[1:]
			c.off += from.floor
		case order > 0:
			c, b = b[0], b[1:]
			c.off += t.floor
		default:
			c = counter{a[0].text, a[0].count + b[0].count, a[0].off + b[0].off}
			a, b = a[1:], b[1:]
		}
		merged = append(merged, c)
	}
	t.counters, t.floor, t.total = merged, t.floor+from.floor, t.total+from.total
	t.truncate(capacity, compare)
}

// truncate keeps the counters that may be of the most frequent values, whatever order they came in.
func (t *top) truncate(capacity int, compare func(a, b string) int) {
	if len(t.counters) <= capacity {
		return
	}
	slices.SortFunc(t.counters, func(a, b counter) int {
		return cmp.Or(cmp.Compare(b.count+b.off, a.count+a.off), cmp.Compare(b.count, a.count), compare(a.text, b.text))
	})
	t.floor = max(t.floor, t.counters[capacity].count+t.counters[capacity].off)
	t.counters = slices.Clone(t.counters[:capacity])
	slices.SortFunc(t.counters, func(a, b counter) int { return strings.Compare(a.text, b.text) })
}

// append writes total, floor, and the counters: length and bytes of the text, count, off.
func (t *top) append(dst []byte) []byte {
	dst = appendUvarints(dst, []uint64{t.total, t.floor, uint64(len(t.counters))})
	for i := range t.counters {
		c := &t.counters[i]
		dst = binary.AppendUvarint(dst, uint64(len(c.text)))
		dst = append(dst, c.text...)
		dst = appendUvarints(dst, []uint64{c.count, c.off})
	}
	return dst
}

var errTop = errors.New("it holds no summary of frequent values")

func (t *top) decode(r *reader, capacity int) {
	t.reset()
	t.total, t.floor = r.uvarint(), r.uvarint()
	n := r.uvarint()
	if n > uint64(capacity) {
		r.refuse(errTop)
		return
	}
	t.counters = slices.Grow(t.counters, int(n))
	for i := range int(n) {
		c := counter{text: string(r.bytes(r.uvarint())), count: r.uvarint(), off: r.uvarint()}
		if i > 0 && c.text <= t.counters[i-1].text || c.count > math.MaxInt64 || c.off > math.MaxInt64 {
			r.refuse(errTop)
			return
		}
		t.counters = append(t.counters, c)
	}
}

// size is the memory that it takes beside its struct, in bytes.
func (t *top) size() int {
	n := cap(t.counters) * int(unsafe.Sizeof(counter{}))
	for i := range t.counters {
		n += len(t.counters[i].text)
	}
	return n
}

// canonicalValue reads the text that the dialect's canonical wrote of a value of type t.
func canonicalValue(text string, t view.Type) Value {
	switch t.Kind {
	case view.String:
		return StringValue(text)
	case view.Bool:
		return BoolValue(text == "true")
	}
	x, _ := ParseInt128(text) // decode lets nothing else through
	switch t.Kind {
	case view.Decimal:
		return DecimalValue(x, t.Scale)
	case view.Timestamp:
		return TimestampValue(int64(x.Lo))
	case view.Date:
		return DateValue(int64(x.Lo))
	}
	return Int64Value(int64(x.Lo))
}

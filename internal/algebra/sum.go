package algebra

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/caudal/caudal/internal/view"
)

// sumPart sums values of up to 64 bits, unscaled, in 128: 2^64 events cannot wrap it. It serves sum and average.
// State: low word, high word, count of values that are not null.
type sumPart struct {
	value string
	in    view.Type
	at    int
}

func (p sumPart) columns(d dialect, _ layer) []column {
	// a sum of BIGINT is a HUGEINT, which Parquet would keep as a double
	t := view.Type{Kind: view.Decimal, Precision: 38, Scale: p.in.Scale}.SQL()
	return []column{
		{expr: d.sum(p.value, t), sql: t, merge: d.sum("%s", t)},
		{expr: "count(" + p.value + ")", sql: "BIGINT", merge: mergedCount},
	}
}

func (p sumPart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", exactSum(m, own[0], own[1])
}

// exactSum is a sum at the declared type, null where it overflows it; or the average.
func exactSum(m *view.Measure, sum, count string) string {
	if m.Agg == view.Average {
		return tryCast("CAST("+sum+" AS DOUBLE) / nullif("+count+", 0)", exactType(m))
	}
	return tryCast(sum, exactType(m))
}

func (p sumPart) merge(dst, src *State) {
	add128(dst.words[p.at:], src.words[p.at], src.words[p.at+1])
	dst.words[p.at+2] += src.words[p.at+2]
}

func add128(dst []uint64, lo, hi uint64) {
	var carry uint64
	dst[0], carry = bits.Add64(dst[0], lo, 0)
	dst[1], _ = bits.Add64(dst[1], hi, carry)
}

func (p sumPart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	x := row.Int128(col)
	add128(s.words[p.at:], x.Lo, uint64(x.Hi))
	s.words[p.at+2] += uint64(row.Int64(col + 1))
}

func (p sumPart) sum(s *State) Int128 {
	return Int128{Lo: s.words[p.at], Hi: int64(s.words[p.at+1])}
}

func (p sumPart) append(dst []byte, s *State) []byte {
	dst = appendInt128(dst, p.sum(s))
	return binary.AppendUvarint(dst, s.words[p.at+2])
}

func (p sumPart) decode(r *reader, s *State) {
	x := r.int128()
	s.words[p.at], s.words[p.at+1] = x.Lo, uint64(x.Hi)
	s.words[p.at+2] = r.uvarint()
}

func (p sumPart) skip(r *reader) { r.skipVarints(2) }

func (p sumPart) answer(s *State, m *view.Measure) Answer {
	n := s.words[p.at+2]
	switch {
	case n == 0:
		return Answer{Exact: true}
	case m.Agg == view.Average:
		return Answer{Value: fromFloat(decimalFloat(p.sum(s), p.in.Scale)/float64(n), m.Type), Exact: true}
	}
	return integerAnswer(p.sum(s), p.in.Scale, m)
}

// integerAnswer is a sum at the declared type, or the report that it does not fit.
func integerAnswer(sum Int128, scale uint8, m *view.Measure) Answer {
	to := m.Type.Scale
	x, ok := sum.Rescale(scale, to)
	switch m.Type.Kind {
	case view.Decimal:
		if ok && x.FitsDigits(m.Type.Precision) {
			return Answer{Value: DecimalValue(x, to), Exact: true}
		}
	case view.Int64:
		if small, fits := x.Int64(); ok && fits {
			return Answer{Value: Int64Value(small), Exact: true}
		}
	case view.Double:
		return Answer{Value: FloatValue(decimalFloat(sum, scale)), Exact: true}
	default:
		if ok {
			return Answer{Value: Int128Value(x), Exact: true}
		}
	}
	return overflow(string(sum.AppendScaled(nil, scale)), m)
}

// overflow is the answer of a sum that its declared type cannot hold; sum is "" where it is not known.
func overflow(sum string, m *view.Measure) Answer {
	if sum != "" {
		sum = " " + sum
	}
	return Answer{Overflow: true, Err: fmt.Errorf("read measure %s: its sum%s does not fit %s", m.Name, sum, m.Type)}
}

// wideSumPart sums values of up to 128 bits in 192, by halves: SQL sums the high 64 bits and the low 64 bits apart, so that no sum of
// its own can overflow. State: three words of two's complement, count of values that are not null.
type wideSumPart struct {
	value string
	in    view.Type
	at    int
}

func (p wideSumPart) columns(d dialect, _ layer) []column {
	whole := view.Type{Kind: view.Decimal, Precision: 38}.SQL()
	high, low := d.halves(d.unscaled(p.value, p.in))
	return []column{
		{expr: fmt.Sprintf("CAST(sum(%s) AS %s)", high, whole), sql: whole},
		{expr: fmt.Sprintf("CAST(sum(%s) AS %s)", low, whole), sql: whole},
		{expr: "count(" + p.value + ")", sql: "BIGINT"},
	}
}

func (p wideSumPart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	sum := exactSum(m, joined(own[0], own[1], p.in.Scale), own[2])
	if m.Agg == view.Average { // of a sum that 128 bits do not hold, too
		sum = fmt.Sprintf("coalesce(%s, (CAST(%s AS DOUBLE) * 18446744073709551616.0 + CAST(%s AS DOUBLE)) / 1e%d / nullif(%s, 0))", sum, own[0], own[1], p.in.Scale, own[2])
	}
	return "", sum
}

func (p wideSumPart) merge(dst, src *State) {
	add192(dst.words[p.at:], src.words[p.at], src.words[p.at+1], src.words[p.at+2])
	dst.words[p.at+3] += src.words[p.at+3]
}

func add192(dst []uint64, w0, w1, w2 uint64) {
	var carry uint64
	dst[0], carry = bits.Add64(dst[0], w0, 0)
	dst[1], carry = bits.Add64(dst[1], w1, carry)
	dst[2], _ = bits.Add64(dst[2], w2, carry)
}

func (p wideSumPart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	high, low := row.Int128(col), row.Int128(col+1)
	words := s.words[p.at:]
	add192(words, 0, high.Lo, uint64(high.Hi))
	add192(words, low.Lo, uint64(low.Hi), uint64(low.Hi>>63))
	words[3] += uint64(row.Int64(col + 2))
}

func (p wideSumPart) append(dst []byte, s *State) []byte {
	w := s.words[p.at:]
	dst = appendInt128(dst, Int128{Lo: w[1], Hi: int64(w[2])})
	dst = binary.AppendUvarint(dst, w[0])
	return binary.AppendUvarint(dst, w[3])
}

func (p wideSumPart) decode(r *reader, s *State) {
	w := s.words[p.at:]
	high := r.int128()
	w[1], w[2] = high.Lo, uint64(high.Hi)
	w[0] = r.uvarint()
	w[3] = r.uvarint()
}

func (p wideSumPart) skip(r *reader) { r.skipVarints(3) }

func (p wideSumPart) answer(s *State, m *view.Measure) Answer {
	w := s.words[p.at : p.at+4]
	if w[3] == 0 {
		return Answer{Exact: true}
	}
	sum := Int128{Lo: w[0], Hi: int64(w[1])}
	fits := int64(w[2]) == sum.Hi>>63
	approx := sum.Float64()
	if !fits {
		approx = math.Ldexp(Int128{Lo: w[1], Hi: int64(w[2])}.Float64(), 64)
	}
	approx /= math.Pow10(int(p.in.Scale))
	switch {
	case m.Agg == view.Average:
		return Answer{Value: fromFloat(approx/float64(w[3]), m.Type), Exact: true}
	case !fits:
		return overflow(fmt.Sprintf("of about %g", approx), m)
	}
	return integerAnswer(sum, p.in.Scale, m)
}

// floatSumPart sums doubles; the last bits depend on the order. It serves sum and average. State: bits of the sum, count.
type floatSumPart struct {
	value string
	at    int
}

func (p floatSumPart) columns(dialect, layer) []column {
	return []column{{expr: "sum(" + p.value + ")", sql: "DOUBLE"}, {expr: "count(" + p.value + ")", sql: "BIGINT"}}
}

func (p floatSumPart) exact(_ dialect, m *view.Measure, own []string, _ string) (aggregate, answer string) {
	return "", exactSum(m, own[0], own[1])
}

func (p floatSumPart) add(s *State, sum float64, n uint64) {
	s.words[p.at] = floatBits(math.Float64frombits(s.words[p.at]) + sum)
	s.words[p.at+1] += n
}

func (p floatSumPart) merge(dst, src *State) {
	p.add(dst, math.Float64frombits(src.words[p.at]), src.words[p.at+1])
}

func (p floatSumPart) read(row Row, col int, s *State) {
	if !row.Null(col) {
		p.add(s, row.Float64(col), uint64(row.Int64(col+1)))
	}
}

func (p floatSumPart) append(dst []byte, s *State) []byte {
	dst = binary.BigEndian.AppendUint64(dst, s.words[p.at])
	return binary.AppendUvarint(dst, s.words[p.at+1])
}

func (p floatSumPart) decode(r *reader, s *State) {
	if b := r.bytes(8); b != nil {
		s.words[p.at] = binary.BigEndian.Uint64(b)
	}
	s.words[p.at+1] = r.uvarint()
}

func (p floatSumPart) skip(r *reader) {
	r.bytes(8)
	r.skipVarints(1)
}

func (p floatSumPart) answer(s *State, m *view.Measure) Answer {
	n := s.words[p.at+1]
	if n == 0 {
		return Answer{}
	}
	x := math.Float64frombits(s.words[p.at])
	if m.Agg == view.Average {
		x /= float64(n)
	}
	if endless(x) {
		return overflow("", m)
	}
	return Answer{Value: fromFloat(x, m.Type)}
}

// endless says whether a sum of doubles is beyond the largest of them, or no number at all because one of its parts was beyond it.
func endless(x float64) bool { return math.IsInf(x, 0) || math.IsNaN(x) }

package algebra

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/caudal/caudal/internal/view"
)

// variancePart sums values of up to 64 bits, unscaled, in 128 bits, and their squares in 192, which 2^64 events cannot wrap: a variance is
// exact up to the rounding of the answer to a double, and no order of events changes it. It serves variances and standard deviations.
// State: two words of the sum, three of the squares, count of values that are not null.
type variancePart struct {
	value string
	in    view.Type
	at    int
}

// The words of a variancePart.
const (
	varianceSquares = 2
	varianceCount   = 5
	varianceWords   = 6
)

func (p variancePart) columns(d dialect, _ layer) []column {
	whole := view.Type{Kind: view.Decimal, Precision: 38}.SQL()
	x := d.wide(d.unscaled(p.value, p.in))
	high, low := d.halves("(" + x + " * " + x + ")")
	return []column{
		{expr: "CAST(sum(" + x + ") AS " + whole + ")", sql: whole},
		{expr: "CAST(sum(" + high + ") AS " + whole + ")", sql: whole},
		{expr: "CAST(sum(" + low + ") AS " + whole + ")", sql: whole},
		{expr: "count(" + p.value + ")", sql: "BIGINT"},
	}
}

func (p variancePart) exact(dialect, *view.Measure, []string, string) (aggregate, answer string) {
	return "", ""
}

func (p variancePart) words(s *State) []uint64 { return s.words[p.at : p.at+varianceWords] }

func (p variancePart) merge(dst, src *State) {
	to, from := p.words(dst), p.words(src)
	add128(to, from[0], from[1])
	add192(to[varianceSquares:], from[varianceSquares], from[varianceSquares+1], from[varianceSquares+2])
	to[varianceCount] += from[varianceCount]
}

func (p variancePart) read(row Row, col int, s *State) {
	if row.Null(col) {
		return
	}
	w := p.words(s)
	sum, high, low := row.Int128(col), row.Int128(col+1), row.Int128(col+2)
	add128(w, sum.Lo, uint64(sum.Hi))
	add192(w[varianceSquares:], 0, high.Lo, uint64(high.Hi))
	add192(w[varianceSquares:], low.Lo, uint64(low.Hi), 0)
	w[varianceCount] += uint64(row.Int64(col + 3))
}

func (p variancePart) append(dst []byte, s *State) []byte {
	w := p.words(s)
	dst = appendInt128(dst, Int128{Lo: w[0], Hi: int64(w[1])})
	return appendUvarints(dst, w[varianceSquares:])
}

func (p variancePart) decode(r *reader, s *State) {
	w := p.words(s)
	sum := r.int128()
	w[0], w[1] = sum.Lo, uint64(sum.Hi)
	for i := varianceSquares; i < varianceWords; i++ {
		w[i] = r.uvarint()
	}
}

func (p variancePart) skip(r *reader) { r.skipVarints(1 + varianceWords - varianceSquares) }

func (p variancePart) answer(s *State, m *view.Measure) Answer {
	w := p.words(s)
	n := w[varianceCount]
	if n == 0 || n == 1 && sample(m.Agg) {
		return Answer{Exact: true}
	}
	sum := new(big.Int).Lsh(big.NewInt(int64(w[1])), 64)
	sum.Add(sum, new(big.Int).SetUint64(w[0]))
	squares := new(big.Int)
	for i := varianceCount - 1; i >= varianceSquares; i-- {
		squares.Lsh(squares, 64).Add(squares, new(big.Int).SetUint64(w[i]))
	}
	// (n * squares - sum^2) / (n * (n or n-1)) / 10^(2 * scale)
	count := new(big.Int).SetUint64(n)
	over := squares.Mul(squares, count)
	over.Sub(over, sum.Mul(sum, sum))
	less := new(big.Int).SetUint64(n)
	if sample(m.Agg) {
		less.SetUint64(n - 1)
	}
	under := less.Mul(less, count)
	under.Mul(under, new(big.Int).Exp(big.NewInt(10), big.NewInt(2*int64(p.in.Scale)), nil))
	variance, _ := new(big.Rat).SetFrac(over, under).Float64()
	return Answer{Value: FloatValue(spread(variance, m.Agg)), Exact: true}
}

// sample says whether an aggregation divides by one less than the number of values.
func sample(agg view.Agg) bool { return agg == view.VarSamp || agg == view.StddevSamp }

// spread is what an aggregation answers of a variance.
func spread(variance float64, agg view.Agg) float64 {
	if agg == view.StddevSamp || agg == view.StddevPop {
		return math.Sqrt(variance)
	}
	return variance
}

// floatVariancePart keeps mean and squared distances from it of doubles, merged as Chan, Golub and LeVeque do; the last digits depend on
// the order. Values beyond ±1e140, whose squares no double can hold many of, are left out as those that are no numbers are.
// State: count, bits of the mean, bits of the sum of the squared distances.
type floatVariancePart struct {
	value string // null where it is left out
	at    int
}

func (p floatVariancePart) columns(dialect, layer) []column {
	return []column{
		{expr: "count(" + p.value + ")", sql: "BIGINT"},
		{expr: "avg(" + p.value + ")", sql: "DOUBLE"},
		{expr: "var_pop(" + p.value + ") * count(" + p.value + ")", sql: "DOUBLE"},
	}
}

func (p floatVariancePart) exact(dialect, *view.Measure, []string, string) (aggregate, answer string) {
	return "", ""
}

func (p floatVariancePart) add(s *State, n uint64, mean, distances float64) {
	w := s.words[p.at : p.at+3]
	if n == 0 {
		return
	}
	own, count := math.Float64frombits(w[1]), w[0]
	if count > 0 {
		apart, total := mean-own, float64(count+n)
		// written so that both orders of the two are the same to the bit
		mean = (own*float64(count) + mean*float64(n)) / total
		distances = (math.Float64frombits(w[2]) + distances) + apart*apart*(float64(count)*float64(n)/total)
	}
	w[0], w[1], w[2] = count+n, floatBits(mean), floatBits(distances)
}

func (p floatVariancePart) merge(dst, src *State) {
	w := src.words[p.at : p.at+3]
	p.add(dst, w[0], math.Float64frombits(w[1]), math.Float64frombits(w[2]))
}

func (p floatVariancePart) read(row Row, col int, s *State) {
	if !row.Null(col + 1) {
		p.add(s, uint64(row.Int64(col)), row.Float64(col+1), row.Float64(col+2))
	}
}

func (p floatVariancePart) append(dst []byte, s *State) []byte {
	dst = binary.AppendUvarint(dst, s.words[p.at])
	dst = binary.BigEndian.AppendUint64(dst, s.words[p.at+1])
	return binary.BigEndian.AppendUint64(dst, s.words[p.at+2])
}

func (p floatVariancePart) decode(r *reader, s *State) {
	s.words[p.at] = r.uvarint()
	if b := r.bytes(16); b != nil {
		s.words[p.at+1], s.words[p.at+2] = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
}

func (p floatVariancePart) skip(r *reader) {
	r.skipVarints(1)
	r.bytes(16)
}

func (p floatVariancePart) answer(s *State, m *view.Measure) Answer {
	n := s.words[p.at]
	if n == 0 || n == 1 && sample(m.Agg) {
		return Answer{}
	}
	if sample(m.Agg) {
		n--
	}
	return Answer{Value: FloatValue(spread(math.Float64frombits(s.words[p.at+2])/float64(n), m.Agg))}
}

package algebra

import (
	"bytes"
	"math"
	"strings"
)

// Agree says whether two states may be of the same events as far as a stored measure can tell. Most are equal then; doubles that were added
// up in another order differ in their last digits, and the most frequent of many values within their errors.
func (p *Plan) Agree(a, b *State, measure int) bool {
	use := p.uses[measure]
	if use < 0 {
		return a.Events() == b.Events()
	}
	switch part := p.parts[use].(type) {
	case topPart:
		return a.ext.tops[part.at].agrees(&b.ext.tops[part.at])
	case floatSumPart:
		x, y := a.words[part.at:part.at+2], b.words[part.at:part.at+2]
		return x[1] == y[1] && closeBits(x[0], y[0])
	case floatVariancePart:
		x, y := a.words[part.at:part.at+3], b.words[part.at:part.at+3]
		return x[0] == y[0] && closeBits(x[1], y[1]) && closeBits(x[2], y[2])
	default:
		return bytes.Equal(part.append(nil, a), part.append(nil, b))
	}
}

// closeBits says whether two doubles differ by no more than the order of an addition explains.
func closeBits(a, b uint64) bool {
	x, y := math.Float64frombits(a), math.Float64frombits(b)
	return a == b || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y), 1e-9)
}

// agrees says whether each value may have occurred as often as both say.
func (t *top) agrees(other *top) bool {
	if t.total != other.total {
		return false
	}
	a, b := t.counters, other.counters
	for len(a) > 0 || len(b) > 0 {
		x, y := counter{off: t.floor}, counter{off: other.floor}
		order := 0
		switch {
		case len(b) == 0:
			order = -1
		case len(a) == 0:
			order = 1
		default:
			order = strings.Compare(a[0].text, b[0].text)
		}
		if order <= 0 {
			x, a = a[0], a[1:]
		}
		if order >= 0 {
			y, b = b[0], b[1:]
		}
		if x.count > y.count+y.off || y.count > x.count+x.off {
			return false
		}
	}
	return true
}

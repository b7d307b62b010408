package view

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Limits of what one cell answers.
const (
	maxTop    = 100 // values of a top_k
	maxBounds = 100 // of a histogram
)

// shape reads what gives a top_k and a histogram their shape. Whether bounds suit what is counted shows when its type is known.
func (d *draft) shape(m *Measure, n *node, of string) {
	if k := n.get("k"); m.Agg == TopK && k == nil {
		d.r.add(n, of+" has no k", "say how many values: `k: 10`")
	} else if m.Agg == TopK {
		m.K = int(d.r.integer(k, "k of "+of, 10, 1, maxTop))
	} else if k != nil {
		d.r.add(k, of+": k is for agg: top_k", "leave it out")
	}
	bounds := n.get("bounds")
	switch {
	case m.Agg != Histogram && bounds != nil:
		d.r.add(bounds, of+": bounds is for agg: histogram", "leave it out")
	case m.Agg != Histogram:
	case bounds == nil:
		d.r.add(n, of+" has no bounds", "say where its bins meet: `bounds: [0, 10, 100]`")
	case bounds.shape != sequence || len(bounds.items) == 0:
		d.r.add(bounds, "bounds of "+of+" is "+bounds.word(), "write a list: [0, 10, 100]")
	case len(bounds.items) > maxBounds:
		d.r.add(bounds, fmt.Sprintf("bounds of %s are %d", of, len(bounds.items)), fmt.Sprintf("give at most %d", maxBounds))
	}
}

// bounds reads the bounds of a histogram as numbers of the type that is counted.
func (d *draft) bounds(m *Measure, n *node, of string) {
	if n == nil || n.shape != sequence || len(n.items) > maxBounds {
		return // reported before
	}
	var last *big.Rat
	for _, item := range n.items {
		text := d.r.filled(item, "bound of "+of)
		if text == "" {
			continue
		}
		bound, mend := canonicalNumber(text, m.Input)
		if mend != "" || item.quoted {
			d.r.add(item, quote("bound of "+of, text)+" is no "+m.Input.String(), mend)
			continue
		}
		x, _ := new(big.Rat).SetString(bound) // canonicalNumber has let only numbers through
		if last != nil && x.Cmp(last) <= 0 {
			d.r.add(item, fmt.Sprintf("bound %s of %s is not above the one before", text, of), "write them in ascending order, each once")
		}
		last = x
		m.Bounds = append(m.Bounds, bound)
	}
}

var plainNumber = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?$`)

// canonicalNumber writes a number as its type does, so that equal ones have equal texts, or says how it has to be written.
func canonicalNumber(text string, t Type) (canonical, mend string) {
	if t.Kind == Double {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			return "", "write a number, e.g. 0.5"
		}
		return strconv.FormatFloat(x+0, 'g', -1, 64), ""
	}
	if !plainNumber.MatchString(text) {
		return "", "write a number, e.g. 10"
	}
	x, _ := new(big.Rat).SetString(text)
	canonical = x.FloatString(int(t.Scale))
	if back, _ := new(big.Rat).SetString(canonical); back.Cmp(x) != 0 {
		return "", fmt.Sprintf("write it with at most %d digits behind the point", t.Scale)
	}
	digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(canonical), "0")
	switch _, err := strconv.ParseInt(canonical, 10, 64); {
	case t.Kind == Int64 && err != nil, t.Kind == Decimal && len(digits) > int(t.Precision):
		return "", "it is out of the type's range"
	}
	return canonical, ""
}

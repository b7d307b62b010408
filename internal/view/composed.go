package view

import (
	"fmt"
	"slices"
)

// Composed says whether answers of measure m depend on other rows of the answer: a share, a running total, or a derived measure of one.
// In rows that were selected otherwise it would be another number.
func (v *View) Composed(m int) bool {
	switch v.Measures[m].Agg {
	case Share, Running:
		return true
	case Derived:
		ls, _ := lex(v.Measures[m].Expr)
		for i := range v.Measures {
			if a := v.Measures[i].Agg; (a == Share || a == Running) && mentions(ls, v.Measures[i].Name) >= 0 {
				return true
			}
		}
	}
	return false
}

// OwnMeasures are the names of the measures whose values are of a row alone; see Composed.
func (v *View) OwnMeasures() []string {
	var names []string
	for m := range v.Measures {
		if !v.Composed(m) {
			names = append(names, v.Measures[m].Name)
		}
	}
	return names
}

// composition reads a share or a running total, which n has a key of.
func (d *draft) composition(m *Measure, n *node, of string) {
	m.Agg = Share
	at, key := n.get("share"), "share"
	if at == nil {
		m.Agg, at, key = Running, n.get("running"), "running"
	}
	m.Of = d.r.filled(at, key+" of "+of)
	d.only(n, of+": "+key, "there is no %s beside it", "leave it out; what is to be added up is a measure of its own", "agg", "expr", "type", "p", "k", "bounds", "filter")
	if m.Agg == Share {
		d.only(n, of+": share", "there is no %s beside it", "make it a measure of its own", "running")
	}
	switch within := n.get("within"); {
	case m.Agg == Running:
		d.only(n, of, "%s is for a share, and not for a total", "leave it out: a running total goes along time within each of the dimensions", "within")
	case within == nil:
	case within.shape != sequence || len(within.items) == 0:
		d.r.add(within, "within of "+of+" is "+within.word(), "write a list of dimensions, or of time: [country]")
	default:
		for _, item := range within.items {
			name := d.r.filled(item, "within of "+of)
			if slices.Contains(m.Within, name) {
				d.r.add(item, fmt.Sprintf("within of %s: %s is there twice", of, name), "name each once")
				continue
			}
			m.Within = append(m.Within, name)
		}
	}
}

// compose settles what shares and running totals are of, once the types of the others are known.
func (d *draft) compose(composed map[int]*node) {
	var sums, others []string
	for i := range d.Measures {
		if m := &d.Measures[i]; m.Agg == Count || m.Agg == Sum {
			sums = append(sums, m.Name)
		}
	}
	for _, dim := range d.Dimensions {
		others = append(others, dim.Name)
	}
	for _, place := range sortedPlaces(composed) {
		m, n := &d.Measures[place.index], place.node
		of := "measure " + m.Name + " of " + d.of
		if m.Name == "" || m.Of == "" {
			continue
		}
		at := n.get("share")
		if m.Agg == Running {
			at = n.get("running")
		}
		switch i := d.Measure(m.Of); {
		case i < 0:
			d.r.add(at, fmt.Sprintf("unknown measure %q in %s", m.Of, of), suggest(m.Of, sums))
		case !slices.Contains(sums, m.Of):
			d.r.add(at, fmt.Sprintf("%s: %s does not add up over rows", of, m.Of), "name a measure with agg: sum or agg: count")
		default:
			m.Type = composedType(m.Agg, d.Measures[i])
			m.Input = d.Measures[i].Type
		}
		for k, name := range m.Within {
			if name != "time" && d.Dimension(name) < 0 {
				d.r.add(n.get("within").items[k], fmt.Sprintf("unknown dimension %q in within of %s", name, of), suggest(name, append([]string{"time"}, others...)))
			}
		}
	}
}

// composedType is the type of a share or a running total of a measure; Invalid where that has none.
func composedType(agg Agg, of Measure) Type {
	switch {
	case of.Type.Kind == Invalid:
		return Type{}
	case agg == Share:
		return Type{Kind: Double}
	case of.Agg == Count || of.Type.Kind == Double:
		return of.Type
	case of.Type.Kind == Decimal:
		return Type{Kind: Decimal, Precision: 38, Scale: of.Type.Scale}
	}
	return Type{Kind: Int128}
}

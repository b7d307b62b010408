package view

import (
	"fmt"
	"strconv"
	"strings"
)

func measureKeys() []string {
	return []string{"name", "agg", "expr", "type", "p", "k", "bounds", "filter", "share", "running", "within", "description", "unit"}
}

// Aggregations lists what a measure can be whose state is kept, each once.
func Aggregations() []Agg {
	return []Agg{Count, Sum, Min, Max, Average, CountDistinct, Percentile, First, Last, VarSamp, VarPop, StddevSamp, StddevPop, TopK, Histogram}
}

// aggNames are the aggregations that a definition can name.
func aggNames() []string {
	var names []string
	for _, a := range Aggregations() {
		switch a {
		case Percentile:
			names = append(names, string(a), "median")
			continue
		case VarSamp:
			names = append(names, "variance")
		case StddevSamp:
			names = append(names, "stddev")
		}
		names = append(names, string(a))
	}
	return names
}

// aggOf is the aggregation that a definition names, which may have several names.
func aggOf(name string) Agg {
	switch name {
	case "median":
		return Percentile
	case "variance":
		return VarSamp
	case "stddev":
		return StddevSamp
	}
	return Agg(name)
}

// measures reads the aggregates and returns the places of the derived ones, and of shares and running totals, by position.
func (d *draft) measures(n *node) (derived, composed map[int]*node) {
	derived, composed = map[int]*node{}, map[int]*node{}
	if n == nil {
		return derived, composed
	}
	if n.shape != sequence || len(n.items) == 0 {
		d.r.add(n, d.of+": measures is "+n.word(), "write a list, e.g. `- {name: events, agg: count}`")
		return derived, composed
	}
	d.Measures = make([]Measure, len(n.items))
	for i, item := range n.items {
		switch d.measure(i, item); d.Measures[i].Agg {
		case Derived:
			derived[i] = item
		case Share, Running:
			composed[i] = item
		}
	}
	if len(derived)+len(composed) == len(d.Measures) {
		d.r.add(n, d.of+" has no measure that is kept", "add one with `agg`, e.g. `- {name: events, agg: count}`")
	}
	return derived, composed
}

// measure reads one.
func (d *draft) measure(i int, n *node) {
	m := &d.Measures[i]
	if !d.r.mapping(n, "measure of "+d.of, measureKeys()) {
		return
	}
	d.r.require(n, "measure of "+d.of, "name")
	of := "measure of " + d.of
	if v := n.get("name"); v != nil {
		if m.Name = d.r.name(v, "measure", ""); m.Name != "" {
			of = "measure " + m.Name + " of " + d.of
			d.claim(v, m.Name)
		}
	}
	m.Description = d.r.text(n.get("description"), "description of "+of)
	m.Unit = d.r.text(n.get("unit"), "unit of "+of)
	if v := n.get("expr"); v != nil {
		m.Expr = d.r.filled(v, "expr of "+of)
	}
	if n.get("share") != nil || n.get("running") != nil {
		d.composition(m, n, of)
		return
	}
	d.only(n, of, "%s is for a share", "add `share: …`, or leave it out", "within")
	agg := n.get("agg")
	if agg == nil {
		m.Agg = Derived
		d.only(n, of, "a derived measure has no %s", "add `agg: …`, or leave it out", "type", "p", "k", "bounds", "filter")
		if n.get("expr") == nil {
			d.r.add(n, of+" has neither agg nor expr", "add `agg: …` to aggregate events, or `expr: …` to compute from other measures")
		}
		return
	}
	if !d.agg(m, agg, of) {
		return
	}
	if v := n.get("filter"); v != nil {
		m.Filter = d.condition(v, "filter of "+of)
	}
	d.input(m, n, of)
}

// agg reads the kind of an aggregate.
func (d *draft) agg(m *Measure, n *node, of string) bool {
	name := d.r.filled(n, "agg of "+of)
	switch {
	case name == "":
		return false
	case isOneOf(name, aggNames()...) && strings.ToLower(name) == name:
		m.Agg = aggOf(name)
		if name == "median" {
			m.P = 0.5
		}
		return true
	}
	mend := "the aggregations are " + list(aggNames())
	switch {
	case isOneOf(name, "cnt", "number", "events"):
		mend = didYouMean(string(Count))
	case isOneOf(name, "avg", "mean"):
		mend = didYouMean(string(Average))
	case isOneOf(name, "uniq", "unique", "distinct", "countdistinct", "approx_count_distinct", "nunique", "hll"):
		mend = didYouMean(string(CountDistinct))
	case name == "ratio":
		mend = "leave agg out and divide two measures: `expr: revenue / nullif(orders, 0)`"
	case isOneOf(name, "var", "stdev", "std", "stddevsamp", "standard_deviation"):
		mend = didYouMean(map[bool]string{true: "variance", false: "stddev"}[name == "var"])
	case isOneOf(name, "top", "topk", "approx_top_k", "mode", "heavy_hitters"):
		mend = didYouMean(string(TopK)) + " with k, e.g. 10"
	case isOneOf(name, "quantile", "p50", "p90", "p95", "p99"):
		mend = didYouMean(string(Percentile)) + " with p, e.g. 0.95"
	case name == string(Derived):
		mend = "leave agg out: a measure with expr alone is derived"
	default:
		if near := nearest(name, aggNames()); near != "" {
			mend = didYouMean(near)
		}
	}
	d.r.add(n, fmt.Sprintf("unknown aggregation %q of %s", name, of), mend)
	return false
}

// only notes each of the keys that n has and must not have.
func (d *draft) only(n *node, of, what, mend string, keys ...string) {
	for _, k := range keys {
		if v := n.get(k); v != nil {
			d.r.add(v, of+": "+fmt.Sprintf(what, k), mend)
		}
	}
}

// input reads what enters an aggregate, and settles the type of its answer.
func (d *draft) input(m *Measure, n *node, of string) {
	if m.Agg != Sum {
		d.only(n, of, "%s is for agg: sum", "leave it out, or cast inside expr", "type")
	}
	if p := n.get("p"); m.Agg == Percentile && m.P == 0 {
		d.percentile(m, p, n, of)
	} else if p != nil {
		d.r.add(p, of+": p is for agg: percentile", "leave it out")
	}
	d.shape(m, n, of)
	expr := n.get("expr")
	if m.Agg == Count {
		m.Type = Type{Kind: Int64}
		if expr != nil {
			d.r.add(expr, of+": count has no expr", "it counts events; to count those that have a value write `filter: … is not null`")
		}
		return
	}
	if expr == nil {
		d.r.add(n, of+" has no expr", "say what "+string(m.Agg)+" is taken of: `expr: …`")
	}
	declared := Type{}
	if v := n.get("type"); v != nil && m.Agg == Sum {
		declared = d.sumType(v, of)
		m.Input, m.Type = declared, declared
	}
	if expr == nil {
		return
	}
	d.queueInto(expr, m.Expr, "expr of "+of, declared, func(t Type) {
		if mend := settle(m, t, declared); mend != "" {
			d.r.add(expr, fmt.Sprintf("%s: %s of a %s", of, m.Agg, t), mend)
		} else if m.Agg == Histogram {
			d.bounds(m, n.get("bounds"), of)
		}
	})
}

// sumType reads the declared type of a sum.
func (d *draft) sumType(n *node, of string) Type {
	text := d.r.filled(n, "type of "+of)
	if text == "" {
		return Type{}
	}
	t, err := ParseType(text)
	if err != nil {
		d.r.refused(n, of, err)
		return Type{}
	}
	if t.Kind != Decimal && t.Kind != Int64 && t.Kind != Double {
		d.r.add(n, fmt.Sprintf("%s: a sum is no %s", of, t), `write "decimal(18,2)", int64 or double`)
		return Type{}
	}
	return t
}

// percentile reads p.
func (d *draft) percentile(m *Measure, p, n *node, of string) {
	if p == nil {
		d.r.add(n, of+" has no p", "say which percentile: `p: 0.95`")
		return
	}
	text := d.r.text(p, "p of "+of)
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case text == "":
	case err != nil || p.quoted:
		d.r.add(p, quote("p of "+of, text)+" is no number", "write e.g. 0.95")
	case x >= 1 && x < 100:
		d.r.add(p, fmt.Sprintf("p of %s is not between 0 and 1", of), "write "+strconv.FormatFloat(x/100, 'g', -1, 64))
	case !(x > 0 && x < 1):
		d.r.add(p, fmt.Sprintf("p of %s is not between 0 and 1", of), "write e.g. 0.95; for the ends there are agg: min and agg: max")
	default:
		m.P = x
	}
}

// settle fills in the types of a measure whose expression is of type t. It returns what to do where that cannot be aggregated.
func settle(m *Measure, t, declared Type) string {
	answer, mend := m.Agg.Of(t)
	if mend != "" {
		return mend
	}
	m.Input, m.Type = t, answer
	if m.Agg == Sum && declared.Kind != Invalid {
		m.Input, m.Type = declared, declared
	}
	return ""
}

const wantsNumber = `it has to be a number: cast it, e.g. "(…)::decimal(18,2)"`

// Of is the type of the answer of an aggregation over values of type t, of a sum without a declared type. Where there is none, mend says what
// to write instead. A count is of events and takes any type.
func (a Agg) Of(t Type) (answer Type, mend string) {
	numeric := t.Kind == Int64 || t.Kind == Decimal || t.Kind == Double
	if t.Kind == Int128 {
		return Type{}, "an integer of 128 bits is for answers: cast it, `(…)::bigint` or `(…)::decimal(38,0)`"
	}
	switch a {
	case Count:
		return Type{Kind: Int64}, ""
	case Sum:
		switch {
		case t.Kind == Bool:
			return Type{}, "to count events for which a condition holds write `agg: count` and `filter: …`"
		case !numeric:
			return Type{}, wantsNumber
		case t.Kind == Int64:
			return Type{Kind: Int128}, ""
		case t.Kind == Decimal:
			return Type{Kind: Decimal, Precision: 38, Scale: t.Scale}, ""
		}
		return t, ""
	case VarSamp, VarPop, StddevSamp, StddevPop:
		if t.Wide() {
			return Type{}, "squares are added up exactly for up to 18 digits: cast it, e.g. `(…)::decimal(18,2)` or `(…)::double`"
		}
		fallthrough
	case Average, Percentile, Histogram:
		switch {
		case !numeric:
			return Type{}, wantsNumber
		case a == Histogram:
			return Type{Kind: Array}, ""
		}
		return Type{Kind: Double}, ""
	case CountDistinct, TopK:
		switch {
		case t.Kind == Double:
			return Type{}, "two values that ought to be alike may differ in the last bit: cast it to decimal, e.g. `(…)::decimal(18,2)`"
		case a == TopK:
			return Type{Kind: Array}, ""
		}
		return Type{Kind: Int64}, ""
	case Min, Max, First, Last:
		return t, ""
	}
	return Type{}, "it is no aggregation of values"
}

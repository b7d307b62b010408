// Package algebra is what both layers compute with: the partial aggregates of a view, the SQL that makes them, how two of them merge,
// how they are written to bytes, and how an answer is read off.
//
// A measure compiles to parts; a State is the product of the parts of all measures of a view. Merge is associative and commutative
// and has New as its identity. The package does no I/O, starts no goroutine and reads no clock; a Plan may be used by many goroutines.
package algebra

import (
	"fmt"
	"hash/fnv"

	"github.com/caudal/caudal/internal/view"
)

// Version is the first byte of every encoded state.
const Version = 1

// HashID names the hash behind count_distinct: md5_number's low 63 bits over canonical text, 4,096 registers. It is part of the
// signature in every encoded state, so that sketches of another hash are refused and not misread.
const HashID = 1

// Plan is a compiled view.
type Plan struct {
	View *view.View

	values  []value // what the row expressions compute, each once
	parts   []part  // what the cells keep, each once
	numbers []int   // of each part in the names of its columns
	spans   []int   // result columns of each part
	uses    []int   // part of each measure; -1: the event count, -2: derived
	width   int     // words of a state
	texts   int     // strings of a state
	hlls    int     // HyperLogLog sketches of a state
	dds     int     // DDSketches of a state
	tops    int     // summaries of frequent values of a state
	sign    byte    // signature of the parts, in every encoded state
	placed  bool    // events need their position
	timed   bool    // events need their time
	hidden  where   // the view's filter
	dims    []dim   // the view's dimensions
	dialect dialect
	whole   *Plan // of which this one looks at some parts only; nil: at all
}

const (
	useEvents  = -1
	useDerived = -2
	useNothing = -3 // the plan does not look at its part
)

// part is one mergeable piece of a cell's state. Implementations hold where in the state it lives, and keep no data.
type part interface {
	// columns lists its result columns in order, with the aggregate that computes each over the row value named in it.
	columns(d dialect, layer layer) []column
	// exact is the exact answer in batch: an expression over the part's own columns, or over x, the column of the aggregate that it asks
	// for; "" asks for none. Without an answer the state that batch computes is exact itself, and the answer is read off it.
	exact(d dialect, m *view.Measure, own []string, x string) (aggregate, answer string)
	merge(dst, src *State)
	// read merges the columns of a result row, beginning at col, into s.
	read(row Row, col int, s *State)
	append(dst []byte, s *State) []byte
	decode(r *reader, s *State)
	skip(r *reader) // what decode would read
	answer(s *State, m *view.Measure) Answer
}

// column is one column of a part in results and view files.
type column struct {
	expr   string // aggregate over the rows of a cell
	refine string // over the aggregate's result, written with %s for it; "" = as it is
	sql    string // type in view files
	merge  string // aggregate over the column in the cells of a finer set, written with %s for it; "" = there is none
}

// layer tells the bounded aggregates of batch from the quick ones of speed.
type layer uint8

const (
	speedLayer layer = iota
	batchLayer
)

// Compile turns a checked view into its plan.
func Compile(v *view.View) (*Plan, error) {
	p := &Plan{View: v, width: headWords, dialect: duckDB{}}
	p.hidden = where{expr: v.Where, safe: v.Where == "" || infallible(v.Source, v.Where)}
	for i := range v.Dimensions {
		cast, safe, _ := typed(v.Source, v.Dimensions[i].Expr, v.Dimensions[i].Type)
		p.dims = append(p.dims, dim{cast, safe})
	}
	shared := map[string]int{}
	for i := range v.Measures {
		m := &v.Measures[i]
		use, err := p.compileMeasure(m, shared)
		if err != nil {
			return nil, fmt.Errorf("compile measure %s of view %s: %w", m.Name, v.Name, err)
		}
		p.uses = append(p.uses, use)
	}
	if v.Times {
		p.timed = true
		p.parts = append(p.parts, timesPart{at: p.words(3)})
		p.signs(timesFamily)
	}
	for i, part := range p.parts {
		p.numbers = append(p.numbers, i)
		p.spans = append(p.spans, len(part.columns(p.dialect, batchLayer)))
	}
	return p, nil
}

// compileMeasure adds the part that a measure needs, unless another measure has it already, and returns its number.
func (p *Plan) compileMeasure(m *view.Measure, shared map[string]int) (int, error) {
	switch {
	case !m.Agg.Stored():
		return useDerived, nil
	case m.Agg == view.Count && m.Expr == "" && m.Filter == "":
		return useEvents, nil
	}
	in := m.Input
	if in.Kind == view.Invalid {
		in = m.Type
	}
	expr := m.Expr
	if m.Agg == view.Count && expr == "" {
		expr, in = "TRUE", view.Type{Kind: view.Bool}
	}
	if expr == "" {
		return 0, fmt.Errorf("aggregation %s needs an expression", m.Agg)
	}
	family := familyOf(m)
	id := fmt.Sprintf("%s\x00%s\x00%s\x00%s", family, in, expr, m.Filter)
	if k, ok := shared[id]; ok {
		return k, nil
	}
	part, err := p.newPart(m, in, p.value(expr, m.Filter, in))
	if err != nil {
		return 0, err
	}
	p.parts = append(p.parts, part)
	shared[id] = len(p.parts) - 1
	p.signs(fmt.Sprintf("%s %s", family, in))
	return len(p.parts) - 1, nil
}

// signs adds a part to the signature.
func (p *Plan) signs(of string) {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d %s", p.sign, HashID, of)
	sum := h.Sum32()
	p.sign = byte(sum ^ sum>>8 ^ sum>>16 ^ sum>>24)
}

// familyOf names what a measure keeps: measures of one family over the same values share it.
func familyOf(m *view.Measure) string {
	switch m.Agg {
	case view.Average:
		return string(view.Sum)
	case view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop:
		return "variance"
	case view.TopK:
		return fmt.Sprintf("%s of %d", m.Agg, topCapacity(m.K))
	case view.Histogram:
		return fmt.Sprintf("%s of %q", m.Agg, m.Bounds)
	}
	return string(m.Agg)
}

func (p *Plan) newPart(m *view.Measure, in view.Type, value int) (part, error) {
	v := &p.values[value]
	switch m.Agg {
	case view.Count:
		return countPart{value: v.name, at: p.words(1)}, nil
	case view.Sum, view.Average:
		switch {
		case in.Kind == view.Double:
			return floatSumPart{value: v.name, at: p.words(2)}, nil
		case in.Wide():
			return wideSumPart{value: v.name, in: in, at: p.words(4)}, nil
		case in.Kind == view.Int64 || in.Kind == view.Decimal:
			return sumPart{value: v.name, in: in, at: p.words(3)}, nil
		}
	case view.Min, view.Max:
		sign := 1
		if m.Agg == view.Min {
			sign = -1
		}
		switch {
		case in.Kind == view.String:
			p.texts++
			return textExtremePart{value: v.name, sign: sign, at: p.texts - 1}, nil
		case in.Wide():
			return wideExtremePart{value: v.name, in: in, sign: sign, at: p.words(3)}, nil
		case in.Kind == view.Double:
			return floatExtremePart{value: v.name, sign: sign, at: p.words(2)}, nil
		case in.Kind != view.Invalid:
			return extremePart{value: v.name, in: in, sign: sign, at: p.words(2)}, nil
		}
	case view.First, view.Last:
		return p.newEdge(m, in, v)
	case view.VarSamp, view.VarPop, view.StddevSamp, view.StddevPop:
		switch {
		case in.Kind == view.Double:
			v.bounded = true
			return floatVariancePart{value: v.moderate(), at: p.words(3)}, nil
		case in.Kind == view.Int64 || in.Kind == view.Decimal && !in.Wide():
			return variancePart{value: v.name, in: in, at: p.words(varianceWords)}, nil
		}
	case view.CountDistinct, view.TopK, view.Percentile, view.Histogram:
		return p.newSketch(m, in, v)
	default:
		return nil, fmt.Errorf("unknown aggregation %q", m.Agg)
	}
	return nil, refusal(m, in)
}

func refusal(m *view.Measure, in view.Type) error {
	return fmt.Errorf("aggregation %s does not take %s", m.Agg, in)
}

func (p *Plan) newEdge(m *view.Measure, in view.Type, v *value) (part, error) {
	if in.Kind == view.Invalid || in.Kind == view.Int128 {
		return nil, refusal(m, in)
	}
	p.placed = true
	e := edgePart{value: v.name, in: in, sign: -1, text: -1, at: p.words(edgeWords)}
	if m.Agg == view.Last {
		e.sign = 1
	}
	if in.Kind == view.String {
		e.text = p.texts
		p.texts++
	}
	return e, nil
}

// newSketch makes the parts that need more of a row value than the value.
func (p *Plan) newSketch(m *view.Measure, in view.Type, v *value) (part, error) {
	numeric := in.Kind == view.Double || in.Kind == view.Int64 || in.Kind == view.Decimal
	switch {
	case m.Agg == view.CountDistinct && in.Kind != view.Double && in.Kind != view.Invalid:
		v.hashed = true
		p.hlls++
		return distinctPart{value: v.name, packed: v.packed(), maybeNull: v.maybeNull, at: p.hlls - 1}, nil
	case m.Agg == view.TopK && in.Kind != view.Double && in.Kind != view.Invalid:
		v.written = true
		p.tops++
		return topPart{text: v.text(), in: in, capacity: topCapacity(m.K), at: p.tops - 1}, nil
	case m.Agg == view.Percentile && (numeric || in.Kind == view.Int128):
		v.binned = true
		p.dds++
		return percentilePart{value: v.ordered(), bin: v.bin(), maybeNull: v.maybeNull, at: p.dds - 1}, nil
	case m.Agg == view.Histogram && numeric:
		h := histogramPart{bin: fmt.Sprintf("%s_slot%d", v.name, len(v.slots)), at: p.words(len(m.Bounds) + 1)}
		for _, text := range m.Bounds {
			bound, err := ParseValue(text, in)
			if err != nil {
				return nil, fmt.Errorf("read a bound: %w", err)
			}
			h.bounds = append(h.bounds, bound)
		}
		v.slots = append(v.slots, slot{name: h.bin, bounds: h.bounds})
		return h, nil
	}
	return nil, refusal(m, in)
}

// words takes n words of the state.
func (p *Plan) words(n int) int {
	at := p.width
	p.width += n
	return at
}

// Column is one column of a result or a view file.
type Column struct {
	Name string
	SQL  string // its type as DuckDB writes it
}

// StateColumns lists the columns that ReadState takes, in order; `_events` is the first.
func (p *Plan) StateColumns() []Column {
	cols := []Column{{"_events", "BIGINT"}, {"_late", "BIGINT"}, {"_errors", "BIGINT"}}
	for k, part := range p.parts {
		for j, c := range part.columns(p.dialect, batchLayer) {
			cols = append(cols, Column{partColumn(p.numbers[k], j), c.sql})
		}
	}
	return cols
}

// ViewColumns lists the columns of a view file in order: `_grain`, the columns of BatchSQL (`_set`, `_bucket`, d<i> per dimension, the
// state columns, x<i> per measure whose exact answer is not its state, as the i-th that is stored).
func (p *Plan) ViewColumns() []Column {
	cols := []Column{{"_grain", "VARCHAR"}, {"_set", "INTEGER"}, {"_bucket", "BIGINT"}}
	for i := range p.View.Dimensions {
		cols = append(cols, Column{dimColumn(i), p.View.Dimensions[i].Type.SQL()})
	}
	cols = append(cols, p.StateColumns()...)
	for i := range p.View.Measures {
		if p.uses[i] != useDerived && HasExactColumn(p.View.Measures[i].Agg) {
			cols = append(cols, Column{p.exactColumn(i), exactType(&p.View.Measures[i])})
		}
	}
	return cols
}

func partColumn(part, column int) string { return fmt.Sprintf("p%d_%d", part, column) }

func dimColumn(i int) string { return fmt.Sprintf("d%d", i) }

// maxSetDimensions bounds the grouping sets: 2^n of them.
const maxSetDimensions = 3

// Sets lists the grouping sets that batch stores: bit i says that dimension i is in the key. The full set comes first. Views with
// measures that cannot be added up store every subset while there are few, so that totals are exact too.
func (p *Plan) Sets() []uint32 {
	n := len(p.View.Dimensions)
	full := uint32(1)<<n - 1
	sets := []uint32{full}
	if p.hlls+p.dds+p.tops == 0 || n > maxSetDimensions {
		return sets
	}
	for set := full; set > 0; {
		set--
		sets = append(sets, set)
	}
	return sets
}

package algebra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// PartialSQL is the query of the speed layer over one micro-batch: `_slot`, d<i> per dimension, then StateColumns. `from` is a relation with the
// source's columns and _incarnation, _partition, _offset, _event_time_us (µs), _duplicate, _late and _slot, a number for everything that tells cells apart
// beside their dimensions, the bucket of View.Base among it: one column to group by instead of three. Sketches come as lists of everything, which Go reduces.
func (p *Plan) PartialSQL(from string) string {
	const slot = "_slot"
	group := append([]string{slot}, p.dimColumns()...)
	cols := append(slices.Clone(group), p.stateSQL(speedLayer, nil)...)
	return fmt.Sprintf("SELECT %s FROM (%s) GROUP BY %s", strings.Join(cols, ", "), p.rows(from, []string{slot}), strings.Join(group, ", "))
}

// BatchOptions says what BatchSQL computes.
type BatchOptions struct {
	// From is a relation with the source's columns and _incarnation, _partition, _offset, _event_time_us (µs), _duplicate and _late.
	From string
	// Grain is the bucket size. The zero Grain puts all rows into one bucket, 0.
	Grain view.Grain
	// Starts are the starts of all buckets of a calendar grain that rows may fall into, µs, ascending. Rows before the first are left out. Not
	// used for Fixed grains.
	Starts []int64
	// Few are the starts of all buckets of a Fixed grain that rows fall into, µs, ascending, where they are so few that it costs less to compare than to divide.
	Few []int64
	// Sets are the grouping sets; nil: Plan.Sets.
	Sets []uint32
	// Bucketed says that From has the bucket of each row in a column _bucket. Grain is not looked at then.
	Bucketed bool
	// Large says that a cell may be of more values than fit into memory. StagedSQL then reads the rows twice for an exact percentile, and does not hold
	// all values at once.
	Large bool
	// Sample is how many values tell StagedSQL whether values repeat often enough to be numbered; 0: 100,000.
	Sample int
}

// BatchSQL is the query of the batch layer: `_set` (bit i: dimension i is in the key, the others are null), `_bucket`, d<i> per
// dimension, StateColumns, and x<i> with the exact answer of each stored measure that HasExactColumn. Row expressions are those of PartialSQL, to the
// letter. Sketches are reduced in SQL and in a canonical order, so that the result is a function of the rows.
func (p *Plan) BatchSQL(o BatchOptions) string {
	from := o.From
	if !o.Bucketed {
		from = o.bucketSQL("_bucket")
	}
	return fmt.Sprintf("SELECT %s FROM (%s)", p.batchColumns(nil), p.aggregates(from, o.Sets, nil))
}

// batchColumns are the columns of BatchSQL, over those that aggregates leaves and those that are staged: of parts, refined already.
func (p *Plan) batchColumns(staged map[string]bool) string {
	outer := append([]string{"_set", "_bucket"}, p.dimColumns()...)
	outer = append(outer, "_events", "_late", "_errors")
	for k, part := range p.parts {
		for j, c := range part.columns(p.dialect, batchLayer) {
			name := partColumn(p.numbers[k], j)
			expr := name
			if !staged[name] {
				expr = refined(c, name)
			}
			outer = append(outer, fmt.Sprintf("CAST(%s AS %s) AS %s", expr, c.sql, name))
		}
	}
	return strings.Join(append(outer, p.answers()...), ", ")
}

// PanesSQL is the relation From with the bucket of each row in a column _pane.
func (o BatchOptions) PanesSQL() string { return o.bucketSQL("_pane") }

// bucketSQL is the relation From with the bucket of each row in a column of that name.
func (o BatchOptions) bucketSQL(name string) string {
	switch {
	case o.Grain == view.Grain{}:
		return fmt.Sprintf("(SELECT *, CAST(0 AS BIGINT) AS %s FROM %s)", name, o.From)
	case o.Grain.Unit == view.Fixed && len(o.Few) > 0:
		return fmt.Sprintf("(SELECT *, %s AS %s FROM %s)", sqltext.LastStart("_event_time_us", o.Few), name, o.From)
	case o.Grain.Unit == view.Fixed:
		return fmt.Sprintf("(SELECT *, %s AS %s FROM %s)", floorSQL("_event_time_us", o.Grain.Size.Microseconds()), name, o.From)
	}
	if len(o.Starts) == 0 {
		return fmt.Sprintf("(SELECT *, CAST(NULL AS BIGINT) AS %s FROM %s WHERE FALSE)", name, o.From)
	}
	return fmt.Sprintf("(SELECT *, %s AS %s FROM %s WHERE _event_time_us >= %d)", sqltext.LastStart("_event_time_us", o.Starts), name, o.From, o.Starts[0])
}

// aggregates is the query of the cells as the aggregates leave them: `_set`, `_bucket`, d<i> per dimension, the state columns before they are
// refined, and x<i> where an exact answer has an aggregate of its own. `from` is a relation with a column _bucket; sets nil: Plan.Sets. Columns that are
// staged are left out.
func (p *Plan) aggregates(from string, sets []uint32, staged map[string]bool) string {
	if sets == nil {
		sets = p.Sets()
	}
	set, group, missing := p.groupingSets(sets)
	cols := []string{set + " AS _set", "_bucket"}
	for i := range p.View.Dimensions {
		dim := dimColumn(i)
		if missing>>i&1 != 0 {
			dim = fmt.Sprintf("CAST(NULL AS %s) AS %s", p.dialect.typeName(storedType(p.View.Dimensions[i].Type)), dim)
		}
		cols = append(cols, dim)
	}
	cols = append(cols, p.stateSQL(batchLayer, staged)...)
	p.eachExact(func(_ *view.Measure, x, aggregate, _ string) {
		if aggregate != "" && !staged[x] {
			cols = append(cols, aggregate+" AS "+x)
		}
	})
	return fmt.Sprintf("SELECT %s FROM (%s) GROUP BY %s", strings.Join(cols, ", "), p.rows(from, []string{"_bucket"}), group)
}

// answers are the columns of the exact answers, over the state columns and what aggregates made for them.
func (p *Plan) answers() []string {
	var cols []string
	p.eachExact(func(m *view.Measure, x, _, answer string) {
		cols = append(cols, fmt.Sprintf("CAST(%s AS %s) AS %s", answer, exactType(m), x))
	})
	return cols
}

// eachExact calls f for each measure that HasExactColumn, with the name of its column, the aggregate that it asks for ("": none), and its answer.
func (p *Plan) eachExact(f func(m *view.Measure, x, aggregate, answer string)) {
	for i := range p.View.Measures {
		m, x := &p.View.Measures[i], p.exactColumn(i)
		aggregate, answer := "", "_events"
		switch use := p.uses[i]; {
		case !HasExactColumn(m.Agg):
			continue
		case use == useEvents:
		default:
			var own []string
			for j := range p.spans[use] {
				own = append(own, partColumn(p.numbers[use], j))
			}
			aggregate, answer = p.parts[use].exact(p.dialect, m, own, x)
		}
		f(m, x, aggregate, answer)
	}
}

// dimColumns names the columns of the dimensions.
func (p *Plan) dimColumns() []string {
	names := make([]string, len(p.View.Dimensions))
	for i := range names {
		names[i] = dimColumn(i)
	}
	return names
}

// DimensionSQL is dimension i of a row, over the source's columns: null where its expression fails, as in both layers.
func (p *Plan) DimensionSQL(i int) string {
	if p.dims[i].safe {
		return p.dims[i].cast
	}
	return p.dialect.tried(p.dialect.try(p.dims[i].cast))
}

func refined(c column, name string) string {
	if c.refine == "" {
		return name
	}
	return fmt.Sprintf(c.refine, name)
}

// groupingSets is the number of the set that a result row is of, the GROUP BY, and the dimensions that are in no set.
func (p *Plan) groupingSets(sets []uint32) (set, group string, missing uint32) {
	n := len(p.View.Dimensions)
	full := uint32(1)<<n - 1
	if len(sets) == 1 && sets[0] == full {
		return fmt.Sprintf("CAST(%d AS INTEGER)", full), strings.Join(p.setColumns(full), ", "), 0
	}
	missing = full
	list := make([]string, len(sets))
	for k, s := range sets {
		list[k] = "(" + strings.Join(p.setColumns(s), ", ") + ")"
		missing &^= s
	}
	bits := []string{"0"}
	for i := range n {
		if missing>>i&1 == 0 {
			bits = append(bits, fmt.Sprintf("(1 - grouping(%s)) * %d", dimColumn(i), 1<<i))
		}
	}
	return "CAST(" + strings.Join(bits, " + ") + " AS INTEGER)", "GROUPING SETS (" + strings.Join(list, ", ") + ")", missing
}

// setColumns are the columns that a grouping set groups by.
func (p *Plan) setColumns(set uint32) []string {
	names := []string{"_bucket"}
	for i := range p.View.Dimensions {
		if set>>i&1 != 0 {
			names = append(names, dimColumn(i))
		}
	}
	return names
}

// eventsSQL counts the events of a cell.
func (p *Plan) eventsSQL() string {
	if p.hidden.safe {
		return "count(*)"
	}
	return "count(*) FILTER (WHERE _ok)"
}

// stateSQL is the aggregates of StateColumns, named, but for those that are staged.
func (p *Plan) stateSQL(l layer, staged map[string]bool) []string {
	failures := "CAST(0 AS BIGINT)"
	if p.fallible() {
		failures = "CAST(sum(_failures) AS BIGINT)"
	}
	cols := []string{
		p.eventsSQL() + " AS _events",
		"count(*) FILTER (WHERE _late) AS _late",
		failures + " AS _errors",
	}
	for k, part := range p.parts {
		for j, c := range part.columns(p.dialect, l) {
			if name := partColumn(p.numbers[k], j); !staged[name] {
				cols = append(cols, c.expr+" AS "+name)
			}
		}
	}
	return cols
}

// fallible says whether any expression of the view can fail on an event.
func (p *Plan) fallible() bool {
	fallible := !p.hidden.safe
	for i := range p.View.Dimensions {
		fallible = fallible || !p.dims[i].safe
	}
	for i := range p.values {
		fallible = fallible || !p.values[i].safe || !p.values[i].safeFilter
	}
	return fallible
}

// floorSQL rounds microseconds down to a multiple of size, also before 1970.
func floorSQL(us string, size int64) string {
	return fmt.Sprintf("%s - %s %% %d - CASE WHEN %s %% %d < 0 THEN %d ELSE 0 END", us, us, size, us, size, size)
}

// FilterSQL is a condition that is true for the events that the view's filter keeps, and false for the others, those on which it fails
// among them. Anything that applies the filter by itself uses it: a bare TRY over a filter that is a CASE or COALESCE corrupts memory.
func (p *Plan) FilterSQL() string {
	switch {
	case p.hidden.expr == "":
		return "TRUE"
	case p.hidden.safe:
		return "coalesce((" + p.hidden.expr + "), FALSE)"
	}
	return "coalesce(" + p.dialect.tried(p.dialect.try("("+p.hidden.expr+")")) + ", FALSE)"
}

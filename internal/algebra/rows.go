package algebra

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

// value is a row expression that aggregates run over: typed, filtered, computed once per row.
type value struct {
	name      string // its column
	expr      string // as the definition writes it
	cast      string // with its cast to the type that is aggregated
	filter    string // only rows for which this is true have a value
	in        view.Type
	safe      bool // cannot fail
	maybeNull bool
	hashed    bool // its register is needed
	binned    bool // its bin is needed
	bounded   bool // it is needed without what is too large to square
	written   bool // its canonical text is needed
	slots     []slot

	safeFilter bool // the filter cannot fail
}

// slot is the column of a value's bin between given bounds.
type slot struct {
	name   string
	bounds []Value
}

// filterName is the column of a filter that can fail, tried.
func (v *value) filterName() string { return v.name + "_filter" }

func (v *value) packed() string { return packedName(v.name) }

// packedName is the column of the register of a value.
func packedName(value string) string { return value + "_register" }

func (v *value) bin() string { return v.name + "_bin" }

// finite is the column of the value as a double, null where it is infinite or no number.
func (v *value) finite() string { return v.name + "_finite" }

// moderate is the column of the double, null where it is no number or too large for its square to be added up.
func (v *value) moderate() string { return v.name + "_moderate" }

// text is the column of the canonical text.
func (v *value) text() string { return v.name + "_text" }

// ordered is the column that the exact percentile is taken of, and that is compared with the bounds of a histogram.
func (v *value) ordered() string {
	if v.in.Kind == view.Double {
		return v.finite()
	}
	return v.name
}

// where is the view's filter.
type where struct {
	expr string
	safe bool
}

// dim is a dimension: the expression with its cast, and whether it cannot fail.
type dim struct {
	cast string
	safe bool
}

// value returns the number of the row value for an expression, adding it if it is new.
func (p *Plan) value(expr, filter string, in view.Type) int {
	for i := range p.values {
		if v := &p.values[i]; v.expr == expr && v.filter == filter && v.in == in {
			return i
		}
	}
	v := value{name: fmt.Sprintf("_v%d", len(p.values)), expr: expr, filter: filter, in: in}
	v.cast, v.safe, v.maybeNull = typed(p.View.Source, expr, in)
	v.safeFilter = filter == "" || infallible(p.View.Source, filter)
	v.maybeNull = v.maybeNull || filter != "" || !p.hidden.safe
	p.values = append(p.values, v)
	return len(p.values) - 1
}

// typed casts an expression to a type. A column that has the type already is taken as it is, and cannot fail.
func typed(src *view.Source, expr string, t view.Type) (cast string, safe, maybeNull bool) {
	if f := bareColumn(src, expr); f != nil && f.Type == t {
		return sqltext.Name(f.Name), true, f.Nullable
	}
	if strings.EqualFold(strings.TrimSpace(expr), "true") {
		return "TRUE", true, false
	}
	if cast := narrowed(src, expr, t); cast != "" {
		return cast, false, true
	}
	return "CAST((" + expr + ") AS " + storedType(t).SQL() + ")", false, true
}

// rows writes the SELECT that both layers aggregate: one row per event, with the columns that `keys` lists, _late, _ok (the view's
// filter holds), _failures (expressions that failed), d<i> per dimension, and every row value with its register or bin. A row on
// which the view's filter fails is kept, with _ok false, so that the failure is counted.
//
// The SELECTs are stacked so that each computes what the next one uses, and everything is computed once: the view's filter, the
// measures' filters, values, registers.
func (p *Plan) rows(from string, keys []string) string {
	d := p.dialect
	var failures []string
	rows := "SELECT * FROM " + from + " WHERE NOT _duplicate"
	held := p.holding()
	switch {
	case p.hidden.expr == "":
	case p.hidden.safe:
		rows += " AND (" + p.hidden.expr + ")"
	default:
		rows = fmt.Sprintf("SELECT *, %s AS _where FROM (%s)", d.try("("+p.hidden.expr+")"), rows)
		rows = fmt.Sprintf("SELECT *, _where IS NOT NULL AS _ok FROM (%s) WHERE _where IS NULL OR %s", rows, d.tried("_where"))
		failures = append(failures, "_where")
	}
	var filters, values []string
	for i := range p.View.Dimensions {
		name := "_" + dimColumn(i)
		if p.dims[i].safe {
			values = append(values, p.dims[i].cast+" AS "+name)
			continue
		}
		values = append(values, d.try(p.dims[i].cast)+" AS "+name)
		failures = append(failures, name)
	}
	for i := range p.values {
		v := &p.values[i]
		conditions := held
		switch {
		case v.filter == "":
		case v.safeFilter:
			conditions = append(slices.Clone(held), "("+v.filter+")")
		default:
			filters = append(filters, d.try(only(held, "("+v.filter+")"))+" AS "+v.filterName())
			failures = append(failures, v.filterName())
			conditions = append(slices.Clone(held), d.tried(v.filterName()))
		}
		expr := only(conditions, v.cast)
		if !v.safe {
			expr = d.try(expr)
			failures = append(failures, v.name)
		}
		values = append(values, expr+" AS "+v.name)
	}
	for _, cols := range [][]string{filters, values} {
		if len(cols) > 0 {
			rows = fmt.Sprintf("SELECT *, %s FROM (%s)", strings.Join(cols, ", "), rows)
		}
	}
	return p.derive(rows, keys, failures)
}

// holding are the conditions under which anything is computed of a row.
func (p *Plan) holding() []string {
	if p.hidden.safe {
		return nil
	}
	return []string{"_ok"}
}

// only computes an expression where all conditions hold, and is null elsewhere.
func only(conditions []string, expr string) string {
	if len(conditions) == 0 {
		return expr
	}
	return "CASE WHEN " + strings.Join(conditions, " AND ") + " THEN " + expr + " END"
}

// derive takes the values out of what was tried and counts the failures; then come registers and doubles, then
// bins, each from the columns of the SELECT before.
func (p *Plan) derive(rows string, keys, failures []string) string {
	d := p.dialect
	first := slices.Clone(keys)
	take := func(expr, name string) {
		first = append(first, expr+" AS "+name)
	}
	if p.hidden.safe {
		first = append(first, "_late")
	} else {
		first = append(first, "_late AND _ok AS _late")
		take("_ok", "_ok")
	}
	if p.placed {
		take(d.position("_event_time_us", "_incarnation", "_partition", "_offset"), positionName)
	}
	if p.timed {
		take(only(p.holding(), "_event_time_us"), timeName)
	}
	if len(failures) > 0 {
		for i := range failures {
			failures[i] = "CAST(" + failures[i] + " IS NULL AS INTEGER)"
		}
		take(strings.Join(failures, " + "), "_failures")
	}
	for i := range p.View.Dimensions {
		name := "_" + dimColumn(i)
		if !p.dims[i].safe {
			name = d.tried(name)
		}
		take(name, dimColumn(i))
	}
	var levels [3][]string
	for i := range p.values {
		v := &p.values[i]
		x := v.name
		if !v.safe {
			x = d.tried(v.name)
		}
		take(x, v.name)
		v.derive(d, &levels)
	}
	rows = fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(first, ", "), rows)
	for _, level := range levels {
		if len(level) > 0 {
			rows = fmt.Sprintf("SELECT *, %s FROM (%s)", strings.Join(level, ", "), rows)
		}
	}
	return rows
}

// derive adds what the aggregates need of a value beside it.
func (v *value) derive(d dialect, levels *[3][]string) {
	add := func(level int, expr, name string) {
		levels[level] = append(levels[level], expr+" AS "+name)
	}
	if v.hashed {
		for level, s := range d.register(d.canonical(v.name, v.in), v.name) {
			add(level, s.expr, s.column)
		}
	}
	if v.written {
		add(0, d.canonical(v.name, v.in), v.text())
	}
	if v.bounded {
		add(0, d.moderate(v.name), v.moderate())
	}
	switch {
	case v.in.Kind == view.Double && (v.binned || len(v.slots) > 0):
		add(0, d.finite(v.name), v.finite())
	case v.binned:
		add(0, "CAST("+v.name+" AS DOUBLE)", v.finite())
	}
	if v.binned {
		add(2, bin(v.finite()), v.bin())
	}
	for _, s := range v.slots {
		add(2, binSQL(v.ordered(), s.bounds, v.in), s.name)
	}
}

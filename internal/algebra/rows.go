package algebra

import (
	"fmt"
	"strings"

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
	safeOnly  bool // the filter cannot fail
	hashed    bool // its register is needed
	binned    bool // its bin is needed
}

func (v *value) packed() string { return v.name + "_register" }

func (v *value) bin() string { return v.name + "_bin" }

// finite is the column that is null where the value is infinite or no number.
func (v *value) finite() string {
	if v.in.Kind == view.Double {
		return v.name + "_finite"
	}
	return v.name
}

// where is the view's filter.
type where struct {
	expr string
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
	v.safeOnly = filter == "" || infallible(p.View.Source, filter)
	v.maybeNull = v.maybeNull || filter != "" || !p.hidden.safe
	p.values = append(p.values, v)
	return len(p.values) - 1
}

// typed casts an expression to a type. A column that has the type already is taken as it is, and cannot fail.
func typed(src *view.Source, expr string, t view.Type) (cast string, safe, maybeNull bool) {
	if f := bareColumn(src, expr); f != nil && f.Type == t {
		return quoteName(f.Name), true, f.Nullable
	}
	if strings.EqualFold(strings.TrimSpace(expr), "true") {
		return "TRUE", true, false
	}
	return "CAST((" + expr + ") AS " + storedType(t).SQL() + ")", false, true
}

// rows writes the SELECT that both layers aggregate: one row per event, with the columns that `keys` lists, _late, _ok (the view's
// filter holds), _failures (expressions that failed), d<i> per dimension, and every row value with its register or bin. A row on
// which the filter fails is kept, with _ok false, so that the failure is counted.
func (p *Plan) rows(from string, keys []string) string {
	d := p.dialect
	var cols, failures []string
	ok := func(expr string) string { return expr }
	from = "SELECT * FROM " + from + " WHERE NOT _duplicate"
	switch {
	case p.hidden.expr == "":
	case p.hidden.safe:
		from += " AND (" + p.hidden.expr + ")"
	default:
		where := "(" + p.hidden.expr + ")"
		from = fmt.Sprintf("SELECT *, _held IS NULL AS _failed FROM (SELECT *, %s AS _held FROM (%s)) WHERE _held OR (_held IS NULL AND %s)",
			d.try(where), from, d.failed(where))
		failures = append(failures, "CAST(_failed AS INTEGER)")
		ok = func(expr string) string { return "CASE WHEN _held THEN " + expr + " END" }
	}
	for i := range p.View.Dimensions {
		dim := &p.View.Dimensions[i]
		cast, safe, _ := typed(p.View.Source, dim.Expr, dim.Type)
		name := "_" + dimColumn(i)
		if safe {
			cols = append(cols, cast+" AS "+name)
			continue
		}
		cols = append(cols, d.try(cast)+" AS "+name)
		failures = append(failures, p.failure(name, cast, ok))
	}
	for i := range p.values {
		v := &p.values[i]
		expr := v.cast
		if !v.safe {
			expr = d.try(expr)
		}
		check := ok
		if v.filter != "" {
			filter := "(" + v.filter + ")"
			if !v.safeOnly {
				filter = d.try(filter)
				failures = append(failures, fmt.Sprintf("CAST(coalesce(CASE WHEN %s IS NULL THEN %s END, FALSE) AS INTEGER)", ok(filter), ok(d.failed("("+v.filter+")"))))
			}
			expr = "CASE WHEN " + filter + " THEN " + expr + " END"
			check = func(expr string) string { return ok("CASE WHEN " + filter + " THEN " + expr + " END") }
		}
		cols = append(cols, ok(expr)+" AS "+v.name)
		if !v.safe {
			failures = append(failures, p.failure(v.name, v.cast, check))
		}
	}
	return p.derive(from, keys, cols, failures)
}

// failure is 1 where a value is null because its expression failed. The expression is computed again only where the value is null.
func (p *Plan) failure(name, cast string, check func(string) string) string {
	return fmt.Sprintf("CAST(coalesce(CASE WHEN %s IS NULL THEN %s END, FALSE) AS INTEGER)", name, check(p.dialect.failed(cast)))
}

// derive stacks the SELECTs: typed values, then failures, finite values and hashes, then registers and bins, each computed once.
func (p *Plan) derive(from string, keys, typed, failures []string) string {
	d := p.dialect
	second := append([]string{}, keys...)
	third := append([]string{}, keys...)
	add := func(expr, name string) {
		second = append(second, expr+" AS "+name)
		third = append(third, name)
	}
	third = append(third, "_late")
	if p.hidden.safe {
		second = append(second, "_late")
	} else {
		second = append(second, "_late AND _held IS NOT NULL AS _late")
		add("_held IS NOT NULL", "_ok")
	}
	if len(failures) > 0 {
		add(strings.Join(failures, " + "), "_failures")
	}
	for i := range p.View.Dimensions {
		add("_"+dimColumn(i), dimColumn(i))
	}
	for i := range p.values {
		v := &p.values[i]
		if v.binned && v.in.Kind == view.Double {
			add(d.finite(v.name), v.finite())
		}
		add(v.name, v.name)
		if v.hashed {
			hash := v.name + "_hash"
			second = append(second, d.hash(d.canonical(v.name, v.in))+" AS "+hash)
			third = append(third, d.register(hash)+" AS "+v.packed())
		}
		if v.binned {
			third = append(third, d.bin(v.finite())+" AS "+v.bin())
		}
	}
	rows := from
	if len(typed) > 0 {
		rows = fmt.Sprintf("SELECT *, %s FROM (%s)", strings.Join(typed, ", "), rows)
	}
	rows = fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(second, ", "), rows)
	return fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(third, ", "), rows)
}

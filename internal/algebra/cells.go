package algebra

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/trinosql"
	"github.com/caudal/caudal/internal/view"
)

// ForTrino is the plan with its expressions in Trino's SQL: for CellsSQL alone. The error names the first expression that has no equal there;
// its cause is a *trinosql.Error.
func (p *Plan) ForTrino() (*Plan, error) {
	columns := []view.Column{{Name: view.LateColumn, Type: view.Type{Kind: view.Bool}}}
	for _, f := range p.View.Source.Fields {
		columns = append(columns, view.Column{Name: f.Name, Type: f.Type})
	}
	q := *p
	q.dialect, q.dims, q.values = trino{}, append([]dim{}, p.dims...), append([]value{}, p.values...)
	q.parts = append([]part{}, p.parts...)
	condition := func(expr string) (string, error) {
		if expr == "" {
			return "", nil
		}
		e, err := trinosql.Translate(columns, expr)
		return e.SQL, err
	}
	typed := func(expr string, t view.Type) (string, error) {
		e, err := trinosql.Translate(columns, expr)
		if err == nil {
			e, err = e.Cast(t)
		}
		return e.SQL, err
	}
	var err error
	if q.hidden.expr, err = condition(p.hidden.expr); err != nil {
		return nil, fmt.Errorf("filter of view %s: %w", p.View.Name, err)
	}
	for i := range q.dims {
		d := &p.View.Dimensions[i]
		if q.dims[i].cast, err = typed(d.Expr, d.Type); err != nil {
			return nil, fmt.Errorf("dimension %s of view %s: %w", d.Name, p.View.Name, err)
		}
	}
	for i := range q.values {
		v := &q.values[i]
		if v.filter, err = condition(v.filter); err != nil {
			return nil, fmt.Errorf("filter %q of view %s: %w", p.values[i].filter, p.View.Name, err)
		}
		if f := bareColumn(p.View.Source, v.expr); f != nil && f.Type == v.in {
			continue // a column, of whatever type
		}
		if v.cast, err = typed(v.expr, v.in); err != nil {
			return nil, fmt.Errorf("expression %q of view %s: %w", v.expr, p.View.Name, err)
		}
	}
	return &q, nil
}

// CellsOptions says what CellsSQL computes.
type CellsOptions struct {
	// From is a relation as BatchOptions.From.
	From string
	// Grain is the bucket size.
	Grain view.Grain
	// Starts are the starts of all buckets of a calendar grain that rows may fall into, µs, ascending; whole seconds. Rows before the first
	// are left out. Not used for Fixed grains.
	Starts []int64
}

// CellsSQL is a query in Trino's SQL of what BatchSQL would compute of the same rows, less the exact answers that can be read off states. All
// columns are texts: CellsColumns.
func (p *Plan) CellsSQL(o CellsOptions) string {
	from := ""
	if o.Grain.Unit == view.Fixed {
		from = fmt.Sprintf("(SELECT *, %s AS _bucket FROM %s)", floorSQL("_event_time_us", o.Grain.Size.Microseconds()), o.From)
	} else {
		// a binary search in the table of starts, by seconds, which doubles keep exactly
		seconds, starts := make([]string, len(o.Starts)), make([]string, len(o.Starts))
		for i, at := range o.Starts {
			seconds[i], starts[i] = fmt.Sprintf("%de0", at/1_000_000), fmt.Sprintf("%d", at)
		}
		from = fmt.Sprintf("(SELECT *, element_at(ARRAY[%s], nullif(_nth, 0)) AS _bucket FROM (SELECT *, width_bucket(floor((%s) / 1e6), ARRAY[%s]) AS _nth FROM %s))",
			strings.Join(starts, ", "), floorSQL("_event_time_us", 1_000_000), strings.Join(seconds, ", "), o.From)
		from = "(SELECT * FROM " + from + " WHERE _bucket IS NOT NULL)"
	}
	cols := make([]string, 0, 16)
	for _, c := range p.CellsColumns() {
		expr := c.Name
		if k, j, ok := p.partOf(c.Name); ok {
			expr = refined(p.parts[k].columns(p.dialect, batchLayer)[j], c.Name)
		}
		if strings.HasSuffix(c.SQL, "[]") {
			expr = "json_format(CAST(" + expr + " AS JSON))"
		} else {
			expr = "CAST(" + expr + " AS VARCHAR)"
		}
		cols = append(cols, expr+" AS "+c.Name)
	}
	return fmt.Sprintf("SELECT %s FROM (%s)", strings.Join(cols, ", "), p.aggregates(from, nil, nil))
}

// partOf says whose column of a state a name is.
func (p *Plan) partOf(name string) (k, j int, ok bool) {
	for k := range p.parts {
		for j := range p.spans[k] {
			if partColumn(p.numbers[k], j) == name {
				return k, j, true
			}
		}
	}
	return 0, 0, false
}

// CellsColumns are the columns of CellsSQL, with the types in DuckDB's SQL that their texts are of.
func (p *Plan) CellsColumns() []Column {
	cols := []Column{{"_set", "INTEGER"}, {"_bucket", "BIGINT"}}
	for i := range p.View.Dimensions {
		cols = append(cols, Column{dimColumn(i), storedType(p.View.Dimensions[i].Type).SQL()})
	}
	cols = append(cols, p.StateColumns()...)
	p.eachExact(func(m *view.Measure, x, aggregate, _ string) {
		switch {
		case aggregate == "":
		case m.Agg == view.Percentile:
			in := m.Input
			if in.Kind == view.Invalid {
				in = m.Type
			}
			cols = append(cols, Column{x, storedType(in).SQL()})
		default:
			cols = append(cols, Column{x, "BIGINT"})
		}
	})
	return cols
}

// AnswersSQL is a query in DuckDB's SQL over a relation of the texts of CellsSQL: the columns of BatchSQL, the exact answers among them.
func (p *Plan) AnswersSQL(from string) string {
	var typed []string
	for _, c := range p.CellsColumns() {
		if c.SQL == "VARCHAR[]" {
			typed = append(typed, fmt.Sprintf("from_json(%s, '[\"VARCHAR\"]') AS %[1]s", c.Name))
		} else {
			typed = append(typed, fmt.Sprintf("CAST(%s AS %s) AS %[1]s", c.Name, c.SQL))
		}
	}
	outer := append([]string{"_set", "_bucket"}, p.dimColumns()...)
	for _, c := range p.StateColumns() {
		outer = append(outer, c.Name)
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s)", strings.Join(append(outer, p.answers()...), ", "), strings.Join(typed, ", "), from)
}

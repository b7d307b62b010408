package algebra

import (
	"fmt"
	"iter"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// Stages runs the statements of a computation in stages, one after the other.
type Stages interface {
	// Exec runs a statement of DuckDB.
	Exec(sql string) error
	// Number answers a query for one integer that is not null.
	Number(sql string) (int64, error)
}

// StagedSQL fills temporary tables, and is then a query over these with the rows and columns of BatchSQL: the faster way where cells are of many events. What a
// cell keeps of its values is computed from groups of equal values, and the cells of coarser grouping sets from what was grouped for the finest; BatchSQL puts all
// events into a table for each grouping set and each aggregate of distinct values, all at once. Without anything to stage the query is that of BatchSQL.
func (p *Plan) StagedSQL(o BatchOptions, run Stages) (cells string, err error) {
	from, sets := o.From, o.Sets
	if !o.Bucketed {
		from = o.bucketSQL("_bucket")
	}
	if sets == nil {
		sets = p.Sets()
	}
	g := groups{Stages: run, plan: p, rows: p.rows(from, []string{"_bucket"}), sets: sets, large: o.Large, sample: o.Sample}
	if g.sample == 0 {
		g.sample = usualSample
	}
	for _, s := range sets {
		g.finest |= s
	}
	tables := map[int]string{}
	staged := map[string]bool{}
	var joins, columns []string
	for k, part := range p.parts {
		s, ok := part.(stagedPart)
		if !ok {
			continue
		}
		tables[k] = fmt.Sprintf("_stage%d", p.numbers[k])
		joins = append(joins, fmt.Sprintf("LEFT JOIN %s ON %s", tables[k], g.sameCell("c", tables[k])))
		for column, expr := range p.stagedColumns(k, s, &g, tables[k]) {
			staged[column] = true
			columns = append(columns, expr+" AS "+column)
		}
	}
	if len(staged) == 0 {
		return p.BatchSQL(o), nil
	}
	if err := g.fillCells(from, staged); err != nil {
		return "", err
	}
	for k, part := range p.parts {
		if table := tables[k]; table != "" {
			if err := g.fillStage(part.(stagedPart), table); err != nil {
				return "", err
			}
		}
	}
	cells = fmt.Sprintf("SELECT c.*, %s FROM %s AS c %s", strings.Join(columns, ", "), cellsTable, strings.Join(joins, " "))
	return fmt.Sprintf("SELECT %s FROM (%s)", p.batchColumns(staged), cells), nil
}

// cellsTable holds the cells with what is not staged of them.
const cellsTable = "_stage_cells"

// fillCells fills cellsTable: where all of it can be added up, the coarser sets from the finest, so that each event is put into one table.
func (g *groups) fillCells(from string, staged map[string]bool) error {
	merges := g.plan.merges(staged)
	if merges == nil || len(g.sets) == 1 {
		return g.Exec(create(cellsTable) + " " + g.plan.aggregates(from, g.sets, staged))
	}
	const finest = cellsTable + "_finest"
	statements := []string{create(finest) + " " + g.plan.aggregates(from, []uint32{g.finest}, staged)}
	statements = append(statements, g.fill(cellsTable, strings.Join(merges, ", "), finest, func(string) string { return "SELECT * FROM " + finest })...)
	for _, statement := range append(statements, "DROP TABLE "+finest) {
		if err := g.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// merges are the aggregates of the columns that are not staged over those of finer cells; nil where one has none.
func (p *Plan) merges(staged map[string]bool) (columns []string) {
	for _, name := range []string{"_events", "_late", "_errors"} {
		columns = append(columns, fmt.Sprintf(mergedCount, name)+" AS "+name)
	}
	missing := false
	for k, part := range p.parts {
		for j, c := range part.columns(p.dialect, batchLayer) {
			if name := partColumn(p.numbers[k], j); !staged[name] {
				missing = missing || c.merge == ""
				columns = append(columns, strings.ReplaceAll(c.merge, "%s", name)+" AS "+name)
			}
		}
	}
	p.eachExact(func(_ *view.Measure, x, aggregate, _ string) { missing = missing || aggregate != "" && !staged[x] })
	if missing {
		return nil
	}
	return columns
}

// fillStage runs the statements of a part.
func (g *groups) fillStage(part stagedPart, table string) error {
	statements, err := part.stages(g, table)
	for _, statement := range statements {
		if err == nil {
			err = g.Exec(statement)
		}
	}
	return err
}

// stagedPart is a part whose columns are computed from groups of its values.
type stagedPart interface {
	part
	// stages are the statements that fill a table: `_set`, `_bucket`, d<i> and what stagedColumns takes. A cell without values may be missing.
	stages(g *groups, table string) ([]string, error)
	// stagedColumns are expressions over the table of its columns, refined, and of the exact answer of each of its measures; none where that has an
	// aggregate of its own all the same.
	stagedColumns(g *groups, table string) (columns, exact []string)
}

// stagedColumns yields the columns that part k is staged for, those of exact answers among them, each with its expression.
func (p *Plan) stagedColumns(k int, part stagedPart, g *groups, table string) iter.Seq2[string, string] {
	return func(yield func(column, expr string) bool) {
		columns, exact := part.stagedColumns(g, table)
		for j, expr := range columns {
			if !yield(partColumn(p.numbers[k], j), expr) {
				return
			}
		}
		for i, m := range p.measuresOf(part) {
			if i < len(exact) && !yield(p.exactColumn(m), exact[i]) {
				return
			}
		}
	}
}

// measuresOf are the measures that use a part.
func (p *Plan) measuresOf(of part) (measures []int) {
	for m := range p.View.Measures {
		if k := p.uses[m]; k >= 0 && p.parts[k] == of {
			measures = append(measures, m)
		}
	}
	return measures
}

// groups are the groups that the stages of a query share.
type groups struct {
	Stages
	plan   *Plan
	rows   string // the events
	sets   []uint32
	finest uint32 // of the sets: of all dimensions in any of them
	large  bool   // as BatchOptions.Large
	sample int    // as BatchOptions.Sample
}

// keys are the columns that a set's cells are told apart by, and more.
func (g *groups) keys(set uint32, more ...string) string {
	return strings.Join(append(g.plan.setColumns(set), more...), ", ")
}

// fill are the statements that fill a table with the cells of all sets: aggregates of the groups of a set, which coarser makes of those of the finest.
func (g *groups) fill(table, aggregates, finest string, coarser func(keys string) string) []string {
	statements := make([]string, len(g.sets))
	for i, set := range g.sets {
		into, of := "INSERT INTO "+table, finest
		if i == 0 {
			into = create(table)
		}
		if set != g.finest {
			of = "(" + coarser(g.keys(set)) + ")"
		}
		statements[i] = fmt.Sprintf("%s SELECT %s, %s FROM %s GROUP BY %s", into, g.cell(set), aggregates, of, g.keys(set))
	}
	return statements
}

// cell are the columns that tell the cells of all sets apart, over a relation with the keys of one.
func (g *groups) cell(set uint32) string {
	columns := []string{fmt.Sprintf("CAST(%d AS INTEGER) AS _set", set), "_bucket"}
	for d := range g.plan.View.Dimensions {
		column := dimColumn(d)
		if set>>d&1 == 0 {
			column = fmt.Sprintf("CAST(NULL AS %s) AS %s", g.plan.dialect.typeName(storedType(g.plan.View.Dimensions[d].Type)), column)
		}
		columns = append(columns, column)
	}
	return strings.Join(columns, ", ")
}

// create begins the statement that makes a table of a query.
func create(table string) string { return "CREATE OR REPLACE TEMP TABLE " + table + " AS" }

// cellColumns are the names of the columns that tell the cells of all sets apart.
func (g *groups) cellColumns() string {
	return strings.Join(append([]string{"_set", "_bucket"}, g.plan.dimColumns()...), ", ")
}

// sameCell is the condition that rows of two relations are of one cell.
func (g *groups) sameCell(a, b string) string {
	return fmt.Sprintf("%s._set = %s._set AND %s", a, b, g.sameKeys(a, b, 1<<len(g.plan.View.Dimensions)-1))
}

// sameKeys is the condition that rows of two relations are of one cell of a set.
func (g *groups) sameKeys(a, b string, set uint32) string {
	same := fmt.Sprintf("%s._bucket = %s._bucket", a, b)
	for _, key := range g.plan.setColumns(set)[1:] {
		same += fmt.Sprintf(" AND %s.%s IS NOT DISTINCT FROM %s.%[2]s", a, key, b)
	}
	return same
}

// derived is a relation of row values with what is derived of one of them beside it: its register, say.
func (g *groups) derived(relation, value string) string {
	var levels [3][]string
	for i := range g.plan.values {
		if v := &g.plan.values[i]; v.name == value {
			v.derive(g.plan.dialect, &levels)
		}
	}
	for _, level := range levels {
		if len(level) > 0 {
			relation = fmt.Sprintf("(SELECT *, %s FROM %s)", strings.Join(level, ", "), relation)
		}
	}
	return relation
}

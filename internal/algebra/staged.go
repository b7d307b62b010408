package algebra

import (
	"fmt"
	"iter"
	"strings"
)

// StagedSQL are statements of DuckDB, one after the other, that fill temporary tables, and then a query over these with the rows and columns of BatchSQL:
// the faster way where cells are of many events. What a cell keeps of its values is computed from groups of equal values, and the cells of coarser grouping sets
// from what was grouped for the finest; BatchSQL puts all events into a table for each grouping set and each aggregate of distinct values, all at
// once. Without anything to stage the query is that of BatchSQL.
func (p *Plan) StagedSQL(o BatchOptions) (statements []string, cells string) {
	from, sets := o.From, o.Sets
	if !o.Bucketed {
		from = o.bucketSQL("_bucket")
	}
	if sets == nil {
		sets = p.Sets()
	}
	g := groups{plan: p, rows: p.rows(from, []string{"_bucket"}), sets: sets}
	for _, s := range sets {
		g.finest |= s
	}
	var joins, columns []string
	staged := map[string]bool{}
	for k, part := range p.parts {
		s, ok := part.(stagedPart)
		if !ok {
			continue
		}
		table := fmt.Sprintf("_stage%d", p.numbers[k])
		statements = append(statements, s.stages(&g, table)...)
		joins = append(joins, fmt.Sprintf("LEFT JOIN %s ON %s", table, g.sameCell("c", table)))
		for column, expr := range p.stagedColumns(k, s, table) {
			staged[column] = true
			columns = append(columns, expr+" AS "+column)
		}
	}
	if len(staged) == 0 {
		return nil, p.BatchSQL(o)
	}
	cells = fmt.Sprintf("SELECT c.*, %s FROM (%s) AS c %s", strings.Join(columns, ", "), p.aggregates(from, sets, staged), strings.Join(joins, " "))
	return statements, fmt.Sprintf("SELECT %s FROM (%s)", p.batchColumns(staged), cells)
}

// stagedPart is a part whose columns are computed from groups of its values.
type stagedPart interface {
	part
	// stages are the statements that fill a table: `_set`, `_bucket`, d<i> and what stagedColumns takes. A cell without values may be missing.
	stages(g *groups, table string) []string
	// stagedColumns are expressions over the table of its columns, refined, and of its exact answer; "" where that has an aggregate of its own all the same.
	stagedColumns(table string) (columns []string, exact string)
}

// stagedColumns yields the columns that part k is staged for, those of exact answers among them, each with its expression.
func (p *Plan) stagedColumns(k int, part stagedPart, table string) iter.Seq2[string, string] {
	return func(yield func(column, expr string) bool) {
		columns, exact := part.stagedColumns(table)
		for j, expr := range columns {
			if !yield(partColumn(p.numbers[k], j), expr) {
				return
			}
		}
		for m := range p.View.Measures {
			if p.uses[m] == k && exact != "" && !yield(p.exactColumn(m), exact) {
				return
			}
		}
	}
}

// groups are the groups that the stages of a query share.
type groups struct {
	plan   *Plan
	rows   string // the events
	sets   []uint32
	finest uint32 // of the sets: of all dimensions in any of them
}

// keys are the columns that a set's cells are told apart by, and more.
func (g *groups) keys(set uint32, more ...string) string {
	return strings.Join(append(g.plan.setColumns(set), more...), ", ")
}

// fill are the statements that fill a table with the cells of all sets: aggregates of the groups of a set, which coarser makes of those of the finest.
func (g *groups) fill(table, aggregates, finest string, coarser func(keys string) string) []string {
	statements := make([]string, len(g.sets))
	for i, set := range g.sets {
		columns := []string{fmt.Sprintf("CAST(%d AS INTEGER) AS _set", set), "_bucket"}
		for d := range g.plan.View.Dimensions {
			column := dimColumn(d)
			if set>>d&1 == 0 {
				column = fmt.Sprintf("CAST(NULL AS %s) AS %s", g.plan.dialect.typeName(storedType(g.plan.View.Dimensions[d].Type)), column)
			}
			columns = append(columns, column)
		}
		into, of := "INSERT INTO "+table, finest
		if i == 0 {
			into = create(table)
		}
		if set != g.finest {
			of = "(" + coarser(g.keys(set)) + ")"
		}
		statements[i] = fmt.Sprintf("%s SELECT %s, %s FROM %s GROUP BY %s", into, strings.Join(columns, ", "), aggregates, of, g.keys(set))
	}
	return statements
}

// create begins the statement that makes a table of a query.
func create(table string) string { return "CREATE OR REPLACE TEMP TABLE " + table + " AS" }

// sameCell is the condition that rows of two relations are of one cell.
func (g *groups) sameCell(a, b string) string {
	same := fmt.Sprintf("%[1]s._set = %[2]s._set AND %[1]s._bucket = %[2]s._bucket", a, b)
	for _, d := range g.plan.dimColumns() {
		same += fmt.Sprintf(" AND %s.%s IS NOT DISTINCT FROM %s.%[2]s", a, d, b)
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

// stages groups the distinct values of each cell, and of these the registers. Values that are equal are hashed alike: there is no distinct count of doubles.
func (p distinctPart) stages(g *groups, table string) []string {
	values, registers, counts, lists := table+"_values", table+"_registers", table+"_counts", table+"_lists"
	statements := []string{
		fmt.Sprintf("%s SELECT %s FROM (%s) WHERE %s IS NOT NULL GROUP BY %[2]s", create(values), g.keys(g.finest, p.value), g.rows, p.value),
		fmt.Sprintf("%s SELECT %s, %s >> 6 AS _register, max(%[3]s) AS _packed FROM %s GROUP BY %[2]s, _register",
			create(registers), g.keys(g.finest), p.packed, g.derived(values, p.value)),
	}
	statements = append(statements, g.fill(counts, "count(*) AS n", values, func(keys string) string {
		return fmt.Sprintf("SELECT DISTINCT %s, %s FROM %s", keys, p.value, values)
	})...)
	statements = append(statements, "DROP TABLE "+values)
	statements = append(statements, g.fill(lists, "list_sort(list(_packed)) AS packed", registers, func(keys string) string {
		return fmt.Sprintf("SELECT %s, max(_packed) AS _packed FROM %s GROUP BY %[1]s, _register", keys, registers)
	})...)
	return append(statements, "DROP TABLE "+registers,
		fmt.Sprintf("%s SELECT a.*, b.packed FROM %s AS a JOIN %s AS b ON %s", create(table), counts, lists, g.sameCell("a", "b")),
		"DROP TABLE "+counts, "DROP TABLE "+lists)
}

func (distinctPart) stagedColumns(table string) (columns []string, exact string) {
	return []string{"coalesce(" + table + ".packed, [])"}, "coalesce(" + table + ".n, 0)"
}

// stages counts the values of each bin.
func (p percentilePart) stages(g *groups, table string) []string {
	bins := table + "_bins"
	statements := []string{fmt.Sprintf("%s SELECT %s, %s AS _bin, CAST(count(*) AS UBIGINT) AS _count FROM (%s) WHERE %[3]s IS NOT NULL GROUP BY %[2]s, %[3]s",
		create(bins), g.keys(g.finest), p.bin, g.rows)}
	statements = append(statements, g.fill(table, "list(_bin ORDER BY _bin) AS keys, list(_count ORDER BY _bin) AS counts", bins, func(keys string) string {
		return fmt.Sprintf("SELECT %s, _bin, CAST(sum(_count) AS UBIGINT) AS _count FROM %s GROUP BY %[1]s, _bin", keys, bins)
	})...)
	return append(statements, "DROP TABLE "+bins)
}

func (percentilePart) stagedColumns(table string) (columns []string, exact string) {
	return []string{table + ".keys", table + ".counts"}, ""
}

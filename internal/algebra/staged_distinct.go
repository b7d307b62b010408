package algebra

import "fmt"

// usualSample is BatchOptions.Sample where none is given.
const usualSample = 100_000

// repeatedPercent is how much of a sample may be different values for its values to be numbered: where more are, there is about one for every four events.
const repeatedPercent = 90

// denseBits is how many bits an event may take of sets of numbers, one set for each cell. Groups of values take some hundreds.
const denseBits = 8

// stages counts the distinct values of each cell and lists their registers. Values that are equal are hashed alike: there is no distinct count of doubles.
func (p distinctPart) stages(g *groups, table string) ([]string, error) {
	numbered, places, err := p.number(g, table)
	if err != nil {
		return nil, err
	}
	if numbered == 0 {
		return p.grouped(g, table), nil
	}
	return p.dense(g, table, numbered, places), nil
}

func (p distinctPart) stagedColumns(g *groups, table string) (columns, exact []string) {
	for range g.plan.measuresOf(p) {
		exact = append(exact, "coalesce("+table+".n, 0)")
	}
	return []string{"coalesce(" + table + ".packed, [])"}, exact
}

// dictionary is the table of the numbered values.
func dictionary(table string) string { return table + "_dictionary" }

// number fills the dictionary of the rows: each value's number, its register and rank, and the place of these among those of all values, in their order. It
// returns how many numbers and places there are; 0 where the values do not repeat often enough, or there are too many cells, for sets of numbers to pay.
func (p distinctPart) number(g *groups, table string) (values, places int64, err error) {
	some := fmt.Sprintf("(SELECT %s FROM (%s) WHERE %[1]s IS NOT NULL LIMIT %[3]d)", p.value, g.rows, g.sample)
	percent, err := g.Number(fmt.Sprintf("SELECT CASE WHEN count(*) < %d THEN 100 ELSE 100 * count(DISTINCT %s) // count(*) END FROM %s", g.sample, p.value, some))
	if err != nil || percent > repeatedPercent {
		return 0, 0, err
	}
	distinct := table + "_distinct"
	if err := g.Exec(fmt.Sprintf("%s SELECT DISTINCT %s FROM (%s) WHERE %[2]s IS NOT NULL", create(distinct), p.value, g.rows)); err != nil {
		return 0, 0, err
	}
	values, err = g.Number(fmt.Sprintf("SELECT CASE WHEN count(*) * (SELECT count(*) FROM %[1]s WHERE _set = %[2]d) <= %[3]d * (SELECT sum(_events) FROM %[1]s WHERE _set = %[2]d) THEN count(*) ELSE 0 END FROM %[4]s",
		cellsTable, g.finest, denseBits, distinct))
	if err == nil && values > 0 {
		err = g.Exec(fmt.Sprintf("%s SELECT %s AS _value, %s AS _packed, CAST(row_number() OVER () - 1 AS INTEGER) AS _number, CAST(dense_rank() OVER (ORDER BY %[3]s) - 1 AS INTEGER) AS _place FROM %[4]s",
			create(dictionary(table)), p.value, p.packed, g.derived(distinct, p.value)))
	}
	if err == nil && values > 0 {
		places, err = g.Number("SELECT CAST(max(_place) + 1 AS BIGINT) FROM " + dictionary(table))
	}
	if err == nil {
		err = g.Exec("DROP TABLE " + distinct)
	}
	return values, places, err
}

// dense keeps the numbers of each cell's values as a set of bits, and the places of their registers as another: to add a value is to set a bit, and the set of a
// coarser cell is the union of those of the finer ones.
func (p distinctPart) dense(g *groups, table string, values, places int64) []string {
	sets, bits := table+"_sets", table+"_bits"
	statements := []string{fmt.Sprintf("%s SELECT %s, bitstring_agg(n._number, 0, %d) AS _values, bitstring_agg(n._place, 0, %d) AS _places FROM (%s) AS r JOIN %s AS n ON r.%s = n._value GROUP BY %[2]s",
		create(sets), g.keys(g.finest), values-1, places-1, g.rows, dictionary(table), p.value)}
	statements = append(statements, g.fill(bits, "bit_or(_values) AS _values, bit_or(_places) AS _places", sets, func(keys string) string {
		return fmt.Sprintf("SELECT %s, _values, _places FROM %s", keys, sets)
	})...)
	cell := g.cellColumns()
	return append(statements, "DROP TABLE "+sets,
		fmt.Sprintf("%[1]s SELECT b.* EXCLUDE (_values, _places), CAST(bit_count(b._values) AS BIGINT) AS n, l.packed FROM %[2]s AS b JOIN (SELECT %[3]s, list_sort(list(_packed)) AS packed FROM (SELECT %[3]s, max(_packed) AS _packed FROM %[2]s, (SELECT DISTINCT _place, _packed FROM %[4]s) WHERE get_bit(_places, _place) = 1 GROUP BY %[3]s, _packed >> 6) GROUP BY %[3]s) AS l ON %[5]s",
			create(table), bits, cell, dictionary(table), g.sameCell("b", "l")),
		"DROP TABLE "+bits, "DROP TABLE "+dictionary(table))
}

// grouped groups the distinct values of each cell, and of these the registers.
func (p distinctPart) grouped(g *groups, table string) []string {
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

package algebra

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// stages counts the values of each bin; of large cells it picks the exact percentiles, too, from the values of the bins that they lie in.
func (p percentilePart) stages(g *groups, table string) ([]string, error) {
	bins, lists := table+"_bins", table
	picked := p.picked(g)
	extremes, both := "", ""
	if len(picked) > 0 {
		lists = table + "_lists"
		extremes = fmt.Sprintf(", min(%s) AS _least, max(%[1]s) AS _most", p.value)
		both = ", min(_least) AS _least, max(_most) AS _most"
	}
	coarser := func(keys string) string {
		return fmt.Sprintf("SELECT %s, _bin, CAST(sum(_count) AS UBIGINT) AS _count%s FROM %s GROUP BY %[1]s, _bin", keys, both, bins)
	}
	statements := []string{fmt.Sprintf("%s SELECT %s, %s AS _bin, CAST(count(*) AS UBIGINT) AS _count%s FROM (%s) WHERE %[3]s IS NOT NULL GROUP BY %[2]s, %[3]s",
		create(bins), g.keys(g.finest), p.bin, extremes, g.rows)}
	statements = append(statements, g.fill(lists, "list(_bin ORDER BY _bin) AS keys, list(_count ORDER BY _bin) AS counts", bins, coarser)...)
	if len(picked) > 0 {
		statements = append(statements, p.pick(g, table, lists, picked, coarser)...)
	}
	return append(statements, "DROP TABLE "+bins), nil
}

func (p percentilePart) stagedColumns(g *groups, table string) (columns, exact []string) {
	for i := range p.picked(g) {
		exact = append(exact, fmt.Sprintf("%s.x%d", table, i))
	}
	return []string{table + ".keys", table + ".counts"}, exact
}

// maxPickedScale is how many digits after the point a wanted percentile may have for a count times its power of ten to fit 128 bits.
const maxPickedScale = 18

// picked are the measures whose percentiles are picked, as ranks in SQL over the number n of a cell's values; none where an aggregate finds them.
func (p percentilePart) picked(g *groups) (ranks []string) {
	if !g.large {
		return nil
	}
	for _, m := range g.plan.measuresOf(p) {
		rank, ok := rankSQL(&g.plan.View.Measures[m])
		if !ok {
			return nil
		}
		ranks = append(ranks, rank)
	}
	return ranks
}

// rankSQL is the rank of a percentile among n values, counted from 1, as quantile_disc has it: ceil(p*n), in integers, and the first at least.
func rankSQL(m *view.Measure) (rank string, ok bool) {
	text := strconv.FormatFloat(m.P, 'f', -1, 64)
	_, digits, _ := strings.Cut(text, ".")
	scaled, ok := new(big.Rat).SetString(text)
	if !ok || len(digits) > maxPickedScale {
		return "", false
	}
	one := pow10(uint8(len(digits)))
	scaled.Mul(scaled, new(big.Rat).SetInt(new(big.Int).SetUint64(one)))
	return fmt.Sprintf("greatest(1, n - (CAST(n AS HUGEINT) * %d - CAST(n AS HUGEINT) * %s) // %[1]d)", one, scaled.Num()), true
}

// pick are the statements that add the exact percentiles to a table as columns x<i>. The counts of the bins say in which of them a rank lies; the rows are
// read once more for the values of these bins alone. It relies on nothing but their extremes: bins that overlap, should a logarithm not rise everywhere, are
// taken together.
func (p percentilePart) pick(g *groups, table, lists string, ranks []string, coarser func(keys string) string) []string {
	bins, ranges, wanted, values := table+"_bins", table+"_ranges", table+"_wanted", table+"_values"
	columns := make([]string, len(ranks))
	for i := range ranks {
		columns[i] = fmt.Sprintf("max(_value) FILTER (WHERE _percentile = %d) AS x%[1]d", i)
	}
	var found, finest, picks []string
	for _, set := range g.sets {
		of, keys := bins, g.keys(set)
		if set != g.finest {
			of = "(" + coarser(keys) + ")"
		}
		apart := fmt.Sprintf("(SELECT *, coalesce(max(_most) OVER (PARTITION BY %[1]s ORDER BY _bin ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) < min(_least) OVER (PARTITION BY %[1]s ORDER BY _bin ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), TRUE) AS _apart FROM %[2]s)", keys, of)
		apart = fmt.Sprintf("(SELECT *, sum(CAST(_apart AS INTEGER)) OVER (PARTITION BY %s ORDER BY _bin) AS _run FROM %s)", keys, apart)
		apart = fmt.Sprintf("(SELECT %s, _run, sum(_count) AS _count, min(_least) AS _least, max(_most) AS _most FROM %s GROUP BY %[1]s, _run)", keys, apart)
		apart = fmt.Sprintf("(SELECT *, sum(_count) OVER (PARTITION BY %[1]s ORDER BY _run) AS _upto, sum(_count) OVER (PARTITION BY %[1]s) AS n FROM %[2]s)", keys, apart)
		found = append(found, fmt.Sprintf("SELECT %s, _least, _most, _percentile, _rank - (_upto - _count) AS _rank FROM (SELECT a.*, unnest([%s]) AS _percentile, unnest([%s]) AS _rank FROM %s AS a) WHERE _rank > _upto - _count AND _rank <= _upto",
			g.cell(set), strings.Join(sequence(len(ranks)), ", "), strings.Join(ranks, ", "), apart))
		finest = append(finest, fmt.Sprintf("SELECT %s, r._least, r._most FROM (SELECT DISTINCT %s FROM %s) AS c JOIN %s AS r ON r._set = %d AND %s",
			prefixed("c", g.keys(g.finest)), g.keys(g.finest), bins, ranges, set, g.sameKeys("r", "c", set)))
		picks = append(picks, fmt.Sprintf("SELECT r._set, %s, r._percentile, r._rank, v._value, v._count FROM %s AS r JOIN (SELECT %[3]s, _value, sum(_count) AS _count FROM %[4]s GROUP BY %[3]s, _value) AS v ON r._set = %[5]d AND %[6]s AND v._value BETWEEN r._least AND r._most",
			prefixed("r", strings.Join(append([]string{"_bucket"}, g.plan.dimColumns()...), ", ")), ranges, keys, values, set, g.sameKeys("r", "v", set)))
	}
	all := g.cellColumns()
	return []string{
		create(ranges) + " " + strings.Join(found, " UNION ALL "),
		create(wanted) + " " + strings.Join(finest, " UNION "),
		fmt.Sprintf("%s SELECT %s, %s AS _value, count(*) AS _count FROM (SELECT * FROM (%s) WHERE %[3]s BETWEEN (SELECT min(_least) FROM %[5]s) AND (SELECT max(_most) FROM %[5]s)) AS r SEMI JOIN %[5]s AS w ON %s AND r.%[3]s BETWEEN w._least AND w._most GROUP BY %[2]s, %[3]s",
			create(values), g.keys(g.finest), p.value, g.rows, wanted, g.sameKeys("r", "w", g.finest)),
		fmt.Sprintf("%[1]s SELECT l.*, x.* EXCLUDE (%[2]s) FROM %[3]s AS l LEFT JOIN (SELECT %[2]s, %[4]s FROM (SELECT *, sum(_count) OVER (PARTITION BY %[2]s, _percentile ORDER BY _value) AS _upto FROM (%[5]s)) WHERE _rank > _upto - _count AND _rank <= _upto GROUP BY %[2]s) AS x ON %[6]s",
			create(table), all, lists, strings.Join(columns, ", "), strings.Join(picks, " UNION ALL "), g.sameCell("l", "x")),
		"DROP TABLE " + ranges, "DROP TABLE " + wanted, "DROP TABLE " + values, "DROP TABLE " + lists,
	}
}

// sequence are the numbers from 0 on.
func sequence(n int) []string {
	numbers := make([]string, n)
	for i := range numbers {
		numbers[i] = strconv.Itoa(i)
	}
	return numbers
}

// prefixed are columns of a relation.
func prefixed(relation, columns string) string {
	return relation + "." + strings.ReplaceAll(columns, ", ", ", "+relation+".")
}

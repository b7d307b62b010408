package algebra

import (
	"fmt"
	"strings"

	"github.com/caudal/caudal/internal/trinosql"
	"github.com/caudal/caudal/internal/view"
)

// trino is the dialect of Trino. It computes states only: exact answers are read off what it computes by DuckDB, so that they round alike.
type trino struct{}

// try boxes in an array: the subscript of a row that is null ends the query with an internal error (Trino 476).
func (trino) try(expr string) string { return "TRY(ARRAY[" + expr + "])" }

func (trino) tried(box string) string { return box + "[1]" }

func (trino) unscaled(value string, t view.Type) string {
	switch {
	case t.Scale == 0:
		return "CAST(" + value + " AS DECIMAL(38,0))"
	case t.Precision+t.Scale < 38:
		return fmt.Sprintf("CAST(%s * CAST(%d AS DECIMAL(%d,0)) AS DECIMAL(38,0))", value, pow10(t.Scale), t.Scale+1)
	}
	return "CAST(replace(CAST(" + value + " AS VARCHAR), '.', '') AS DECIMAL(38,0))"
}

// halves has no 128-bit integers, but decimals of 38 digits; the remainder of a negative one is negative.
func (trino) halves(unscaled string) (high, low string) {
	const two64 = "DECIMAL '18446744073709551616'"
	rest := fmt.Sprintf("mod(%s, %s)", unscaled, two64)
	low = fmt.Sprintf("CAST(CASE WHEN %[1]s < 0 THEN %[1]s + %[2]s ELSE %[1]s END AS DECIMAL(38,0))", rest, two64)
	high = fmt.Sprintf("CAST((%[3]s - %[1]s) / %[2]s - CASE WHEN %[1]s < 0 THEN 1 ELSE 0 END AS DECIMAL(38,0))", rest, two64, unscaled)
	return high, low
}

func (d trino) canonical(value string, t view.Type) string {
	switch t.Kind {
	case view.String:
		return value
	case view.Decimal:
		return "CAST(" + d.unscaled(value, t) + " AS VARCHAR)"
	case view.Timestamp:
		return "CAST(" + trinosql.Micros(value) + " AS VARCHAR)"
	case view.Date:
		return "CAST(date_diff('day', DATE '1970-01-01', " + value + ") AS VARCHAR)"
	}
	return "CAST(" + value + " AS VARCHAR)"
}

// register reads the low half of the md5, the first byte the lowest; the tail is the 51 bits that the rank is counted in, with a bit above them that ends the count.
func (trino) register(text, value string) []step {
	hash, tail := value+"_hash", value+"_tail"
	return []step{
		{hash, "bitwise_and(from_big_endian_64(reverse(substr(md5(to_utf8(" + text + ")), 1, 8))), 9223372036854775807)"},
		{tail, "bitwise_or(bitwise_and(bitwise_right_shift(" + hash + ", 12), 2251799813685247), 2251799813685248)"},
		{packedName(value), fmt.Sprintf("bitwise_or(bitwise_left_shift(bitwise_and(%s, 4095), 6), bit_count(bitwise_and(%s, -%s) - 1, 64) + 1)", hash, tail, tail)},
	}
}

func (trino) finite(value string) string {
	return "CASE WHEN is_finite(" + value + ") THEN " + value + " END"
}

func (trino) list(value string) string { return "array_agg(" + value + ")" }

func (trino) distinctList(value string) string { return "array_agg(DISTINCT " + value + ")" }

func (trino) histogram(value string) string { return "histogram(" + value + ")" }

func (trino) histogramKeys() string { return "array_sort(map_keys(%[1]s))" }

func (trino) histogramCounts() string {
	return "transform(array_sort(map_keys(%[1]s)), k -> element_at(%[1]s, k))"
}

func (trino) sum(value, to string) string { return "sum(CAST(" + value + " AS " + to + "))" }

func (trino) typeName(t view.Type) string { return trinosql.TypeSQL(t) }

func (trino) greatestRanks() string {
	const sorted = "array_sort(coalesce(%[1]s, ARRAY[]))"
	pairs := "zip(" + sorted + ", slice(" + sorted + ", 2, 4096 * 64))"
	return "transform(filter(" + pairs + ", z -> z[2] IS NULL OR z[1] / 64 <> z[2] / 64), z -> z[1])"
}

func (trino) mostFrequent(numeric bool, n int) (values, counts, left string) {
	key := func(e string) string {
		if numeric {
			return "CAST(" + e + "[1] AS DECIMAL(38,0))"
		}
		return e + "[1]"
	}
	order := fmt.Sprintf("CASE WHEN a[2] > b[2] THEN -1 WHEN a[2] < b[2] THEN 1 WHEN %[1]s < %[2]s THEN -1 WHEN %[1]s > %[2]s THEN 1 ELSE 0 END", key("a"), key("b"))
	sorted := "array_sort(map_entries(%[1]s), (a, b) -> " + order + ")"
	some := fmt.Sprintf("slice(%s, 1, %d)", sorted, n)
	return "transform(" + some + ", e -> e[1])", "transform(" + some + ", e -> e[2])",
		fmt.Sprintf("coalesce(element_at(transform(%s, e -> e[2]), %d), 0)", sorted, n+1)
}

// position is an array, which is ordered as a row is: all fields are of 64 bits.
func (trino) position(fields ...string) string {
	return "ARRAY[CAST(" + strings.Join(fields, " AS BIGINT), CAST(") + " AS BIGINT)]"
}

func (trino) field(position string, i int) string { return fmt.Sprintf("(%s)[%d]", position, i+1) }

func (trino) wide(integer string) string { return "CAST(" + integer + " AS DECIMAL(38,0))" }

func (trino) moderate(value string) string {
	return "CASE WHEN abs(" + value + ") <= 1e140 THEN " + value + " END"
}

// percentile sorts all values of a cell, in memory, as DuckDB does.
func (trino) percentile(value, p string) string {
	return fmt.Sprintf("element_at(array_sort(array_agg(%[1]s) FILTER (WHERE %[1]s IS NOT NULL)), CAST(greatest(1, ceil(%[2]s * count(%[1]s))) AS BIGINT))", value, p)
}

package algebra

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// dialect is what the SQL engines say differently. Everything that a cell depends on is integer arithmetic, md5, min, max, count and sum, so
// that another engine can compute the same states.
type dialect interface {
	// try is a value in a box; there is no box, but null, where the expression fails.
	try(expr string) string
	// tried takes the value out of the box.
	tried(box string) string
	// unscaled is the integer value*10^scale.
	unscaled(value string, t view.Type) string
	// halves splits a 128-bit integer into its high 64 bits and its low 64 bits, both as 128-bit integers.
	halves(unscaled string) (high, low string)
	// canonical is the text of a value that is hashed.
	canonical(value string, t view.Type) string
	// register is register<<6|rank of a text: of the low 63 bits of its md5 the lowest 12 are the register, and the rank is counted in the others. Each
	// step is computed from the columns of those before; the last is the register.
	register(text, value string) []step
	// finite is the double, or null where it is infinite or no number.
	finite(value string) string
	// list, distinctList and histogram aggregate a value per cell: all of it, each once, each with its count.
	list(value string) string
	distinctList(value string) string
	histogram(value string) string
	// histogramKeys and histogramCounts take a histogram apart, ascending by the values; written with %[1]s for it.
	histogramKeys() string
	histogramCounts() string
	// sum is the sum of exact numbers, at a decimal of 38 digits; an aggregate.
	sum(value, to string) string
	// typeName is a type as the engine writes it.
	typeName(t view.Type) string
	// greatestRanks reduces a distinctList of registers to the greatest rank of each register, ascending; written with %s for the list.
	greatestRanks() string
	// mostFrequent reduces a histogram to a number of the most frequent values, equal counts by value: the values, their counts, and the
	// greatest count that was left out; each written with %[1]s for the histogram. numeric: the values are texts of integers, and ordered as these.
	mostFrequent(numeric bool, n int) (values, counts, left string)
	// position is a row of fields, ordered by the first, then the second and so on.
	position(fields ...string) string
	// field is one of them, counted from 0.
	field(position string, i int) string
	// wide is an integer as one of 128 bits.
	wide(integer string) string
	// moderate is the double, or null where it is no number or is beyond ±1e140.
	moderate(value string) string
	// percentile is the value of rank ceil(p*n), an aggregate.
	percentile(value, p string) string
}

// step is a column and what it is computed by.
type step struct{ column, expr string }

// duckDB is the dialect of DuckDB.
type duckDB struct{}

// try boxes the value because a null may be right or a failure; and because TRY over CASE or COALESCE themselves writes past the end of
// its vector once a row has failed (DuckDB 1.5.5: it evaluates the rows one by one into a vector of one, and those two write at the
// row's own position). Inside a function they have a vector of their own.
func (duckDB) try(expr string) string { return "TRY(struct_pack(v := " + expr + "))" }

func (duckDB) tried(box string) string { return "struct_extract(" + box + ", 'v')" }

// tryCast casts, and is null where the value does not fit. Exact answers are DuckDB's to read, whoever computed the states.
func tryCast(expr, to string) string { return "TRY_CAST(" + expr + " AS " + to + ")" }

func (duckDB) unscaled(value string, t view.Type) string {
	if t.Scale == 0 {
		return "CAST(" + value + " AS HUGEINT)"
	}
	// the product of two decimals of up to 18 digits is one of 18 digits, and of others one of 38: it has to fit
	switch {
	case t.Precision+t.Scale < 18:
		return fmt.Sprintf("CAST(%s * %d AS BIGINT)", value, pow10(t.Scale))
	case t.Precision+t.Scale <= 38 && t.Scale < 19:
		return fmt.Sprintf("CAST(CAST(%s AS DECIMAL(38,%d)) * %d AS HUGEINT)", value, t.Scale, pow10(t.Scale))
	}
	return "CAST(replace(CAST(" + value + " AS VARCHAR), '.', '') AS HUGEINT)"
}

func (duckDB) halves(unscaled string) (high, low string) {
	const two64 = "18446744073709551616"
	low = "(" + unscaled + " & 18446744073709551615)"
	return "((" + unscaled + " - " + low + ") // " + two64 + ")", low
}

// joined is (high*2^64 + low)/10^scale as text, null where it does not fit 128 bits, in DuckDB's SQL.
func joined(high, low string, scale uint8) string {
	u := "TRY(CAST(" + high + " AS HUGEINT) * 18446744073709551616 + CAST(" + low + " AS HUGEINT))"
	if scale == 0 {
		return u
	}
	text := "ltrim(CAST(" + u + " AS VARCHAR), '-')"
	// at least one digit more than the scale, so that the point has a digit before it
	digits := fmt.Sprintf("(repeat('0', greatest(0, %d - length(%s))) || %s)", scale+1, text, text)
	return fmt.Sprintf("(CASE WHEN %s < 0 THEN '-' ELSE '' END || left(%s, -%d) || '.' || right(%s, %d))", u, digits, scale, digits, scale)
}

func (d duckDB) canonical(value string, t view.Type) string {
	switch t.Kind {
	case view.String:
		return value
	case view.Decimal:
		return "CAST(" + d.unscaled(value, t) + " AS VARCHAR)"
	case view.Timestamp:
		return "CAST(epoch_us(" + value + ") AS VARCHAR)"
	case view.Date:
		return "CAST(" + value + " - DATE '1970-01-01' AS VARCHAR)"
	}
	return "CAST(" + value + " AS VARCHAR)"
}

// RegisterFunction is the function of a text that the engine adds to DuckDB: register<<6|rank, an UINTEGER; null of null.
const RegisterFunction = "caudal_register"

func (duckDB) register(text, value string) []step {
	return []step{{packedName(value), RegisterFunction + "(" + text + ")"}}
}

// bin is the packed key in a DDSketch of a double that is finite or null. All dialects say it alike.
func bin(x string) string {
	// with an exponent the literal is a double; without one it would be a decimal
	gamma := strconv.FormatFloat(math.Log(ddGamma), 'e', -1, 64)
	k := fmt.Sprintf("(CAST(ceil(ln(abs(%s)) / %s) AS INTEGER) + %d)", x, gamma, ddOffset)
	return fmt.Sprintf("CASE WHEN %s > 0 THEN %s WHEN %s < 0 THEN -%s WHEN %s = 0 THEN 0 END", x, k, x, k, x)
}

func (duckDB) finite(value string) string {
	return "CASE WHEN isfinite(" + value + ") THEN " + value + " END"
}

func (duckDB) list(value string) string { return "list(" + value + ")" }

func (duckDB) distinctList(value string) string { return "list(DISTINCT " + value + ")" }

func (duckDB) histogram(value string) string { return "histogram(" + value + ")" }

func (duckDB) histogramKeys() string { return "map_keys(%[1]s)" }

func (duckDB) histogramCounts() string { return "map_values(%[1]s)" }

func (duckDB) sum(value, to string) string { return "CAST(sum(" + value + ") AS " + to + ")" }

func (duckDB) typeName(t view.Type) string { return t.SQL() }

// greatestRanks compares each register with its successor. A lambda that looked into the sorted list itself would copy that list for
// each of its elements.
func (duckDB) greatestRanks() string {
	const sorted = "list_sort(%[1]s)"
	pairs := "list_zip(" + sorted + ", " + sorted + "[2:])"
	return "list_transform(list_filter(" + pairs + ", lambda z: z[2] IS NULL OR z[1] >> 6 <> z[2] >> 6), lambda z: z[1])"
}

func (duckDB) mostFrequent(numeric bool, n int) (values, counts, left string) {
	order := ""
	if numeric {
		order = "x := CAST(e.key AS DECIMAL(38,0)), "
	}
	sorted := "list_sort(list_transform(map_entries(%[1]s), lambda e: struct_pack(n := -CAST(e.value AS BIGINT), " + order + "v := e.key)))"
	some := fmt.Sprintf("%s[:%d]", sorted, n)
	return "list_transform(" + some + ", lambda e: e.v)", "list_transform(" + some + ", lambda e: -e.n)",
		fmt.Sprintf("coalesce(-struct_extract(%s[%d], 'n'), 0)", sorted, n+1)
}

func (duckDB) position(fields ...string) string { return "row(" + strings.Join(fields, ", ") + ")" }

func (duckDB) field(position string, i int) string { return fmt.Sprintf("(%s)[%d]", position, i+1) }

func (duckDB) wide(integer string) string { return "CAST(" + integer + " AS HUGEINT)" }

func (duckDB) moderate(value string) string {
	return "CASE WHEN abs(" + value + ") <= 1e140 THEN " + value + " END"
}

func (duckDB) percentile(value, p string) string {
	return "quantile_disc(" + value + ", " + p + ")"
}

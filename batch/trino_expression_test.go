package batch

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/testservices"
	"github.com/caudal/caudal/internal/trino"
	"github.com/caudal/caudal/internal/trinosql"
	"github.com/caudal/caudal/internal/view"
)

// expressionColumns are the columns that expressions are tried on, with their values as both engines write them.
var expressionColumns = []struct {
	name   string
	kind   view.Type
	values []string
}{
	{"q", view.Type{Kind: view.Int64}, []string{"0", "1", "-1", "7", "-13", "9223372036854775807", "-9223372036854775808", "NULL", "1000000007", "3"}},
	{"u", view.Type{Kind: view.Decimal, Precision: 12, Scale: 3}, []string{"0", "2.5", "-2.345", "999999999.999", "-999999999.999", "NULL", "0.005", "10", "1.5"}},
	{"w", view.Type{Kind: view.Decimal, Precision: 18, Scale: 2}, []string{"0", "9999999999999999.99", "-9999999999999999.99", "12.34", "NULL", "999999999999999.99", "7"}},
	{"x", view.Type{Kind: view.Decimal, Precision: 30, Scale: 5}, []string{"0", "9999999999999999999999999.99999", "-1.00001", "NULL", "123456789012345678.5"}},
	{"d", view.Type{Kind: view.Double}, []string{"0", "-2.5", "1e300", "NULL", "3.25", "1e-9"}},
	{"f", view.Type{Kind: view.Bool}, []string{"TRUE", "FALSE", "NULL"}},
	{"s", view.Type{Kind: view.String}, []string{"''", "'a'", "'Straße'", "'C12345'", "'17850.0'", "' x '", "'ÉÀ ω'", "'e\u0301🤦🏼'", "NULL", "'100%'", "'it''s'"}},
	{"ts", view.Type{Kind: view.Timestamp}, []string{"TIMESTAMP '2011-01-02 03:04:05.123456'", "TIMESTAMP '1969-12-31 23:59:59.900000'", "TIMESTAMP '2024-02-29 00:00:00.000000'", "NULL", "TIMESTAMP '2011-10-30 01:30:00.000001'"}},
	{"dt", view.Type{Kind: view.Date}, []string{"DATE '2011-01-02'", "DATE '1969-12-31'", "DATE '2024-02-29'", "NULL"}},
	{"lt", view.Type{Kind: view.List, Item: view.String}, []string{"ARRAY['a', 'C12345', '']", "ARRAY[]", "NULL", "ARRAY['Straße', NULL]", "ARRAY[NULL, 'a']"}},
	{"ln", view.Type{Kind: view.List, Item: view.Int64}, []string{"ARRAY[1, 7, NULL, 9223372036854775807]", "NULL", "ARRAY[]", "ARRAY[3, 3]", "ARRAY[NULL]", "ARRAY[-13]", "ARRAY[0, 1, 7]"}},
}

// expressions are what the translation takes, each kind of node in its typical and its extreme uses.
var expressions = []string{
	"q", "u", "q * u", "u * q", "u * u", "w * w", "x * u", "x * 3", "u * 2", "u * 2.5", "u * 0.1", "q * 2", "q * q", "q + 1", "q - 1", "q + q", "u + 1", "u + w", "u - w",
	"w + w", "x + u", "x - w", "x + x", "d + 1", "d * u", "d - q", "-q", "-u", "- (q + 1)", "abs(q)", "abs(u)", "abs(d)", "q / 2", "u / nullif(q, 0)", "d / nullif(u, 0)",
	"q // 3", "q % 7", "q // nullif(q, 0)", "2 + 3 * 4", "(2 + 3) * 4", "10 - 4 - 3", "1.50 + q", "2147483648 + 1", "1e3 * q", "100000000000 - q",
	"q > 0", "q >= 1 and u > 0", "not (q = 1 or f)", "not f", "f", "u = 2.5", "u <> 2.5", "q = u", "d > u", "q < 2.5", "s = 'a'", "s < 'b'", "s <> ''", "ts < TIMESTAMP '2011-06-01 00:00:00'",
	"dt >= DATE '2011-01-02'", "q is null", "s is not null", "q is distinct from 1", "u is not distinct from 2.5", "q in (1, 2, 7)", "q not in (1, 7)", "s in ('a', 'C12345', null)",
	"q between -1 and 7", "u not between 0 and 3", "s like 'C%'", "s not like '%0'", "s like '_'", "f and q > 0 or s = 'a'", "f = (q > 0)",
	"case when q > 0 then 'up' when q < 0 then 'down' else 'flat' end", "case when f then u else 0 end", "case when f then q else 1.5 end", "case q when 1 then 'one' when 7 then 'seven' end",
	"case when f then d else q end", "if(f, q, 0)", "coalesce(u, 0)", "coalesce(u, w)", "coalesce(q, 5)", "coalesce(s, 'none')", "coalesce(d, u)", "nullif(q, 7)", "nullif(u, 2.5)", "nullif(s, '')",
	"q + q * q", "u + q * q", "s || (q * q)::varchar", "u = q * q", "d * (q * q)", "case when f then q * q else 1 end", "coalesce(1, q * q)",
	"upper(s)", "lower(s)", "length(s)", "s || '-' || s", "concat(s, '!', s)", "starts_with(s, 'C')", "contains(s, '.')", "contains(s, '')", "replace(s, '.', ',')", "left(s, 2)",
	"substr(s, 2)", "substr(s, 2, 2)", "split_part(s, '.', 1)", "split_part(s, '.', 2)", "nullif(split_part(s, '.', 1), '')",
	"year(ts)", "month(ts)", "day(ts)", "hour(ts)", "minute(ts)", "second(ts)", "quarter(ts)", "dayofweek(ts)", "isodow(ts)", "year(dt)", "dayofweek(dt)",
	"date_trunc('hour', ts)", "date_trunc('week', ts)", "date_trunc('month', dt)", "date_trunc('second', ts)",
	"cast(q as decimal(18,3))", "cast(q as double)", "cast(u as bigint)", "cast(u as decimal(5,1))", "cast(w as decimal(18,0))", "cast(x as bigint)", "cast(u as double)", "cast(x as decimal(38,10))",
	"q::varchar", "u::varchar", "f::varchar", "dt::varchar", "ts::date", "dt::timestamp", "cast(q as integer)", "-q::decimal(38,0)", "cast(q as decimal(38,0)) * q", "u::decimal(38,3) * w",
	"len(lt)", "length(ln)", "contains(lt, 'a')", "contains(lt, s)", "not contains(lt, s)", "list_contains(ln, q)", "contains(ln, 7)", "contains(ln, null::bigint)", "lt[1]", "ln[2] + q", "lt[3] is null", "contains(lt, 'a') or f",
	"len(ln) > 1 and ln[1] = 1", "upper(lt[2]) || s", "coalesce(len(lt), 0) = 0", "lt is null", "ln[4] * 2",
}

func TestTrinoComputesEveryTranslatedExpressionAsDuckDBDoes(t *testing.T) {
	t.Parallel()
	s := testservices.Trino(t)
	const rows = 60
	var columns []view.Column
	var names []string
	values := make([]string, rows)
	for k, c := range expressionColumns {
		columns, names = append(columns, view.Column{Name: c.name, Type: c.kind}), append(names, c.name)
		for i := range values {
			// columns of equal lengths would meet in the same pairs only
			values[i] += fmt.Sprintf(", CAST(%s AS %s)", c.values[(i+i/len(c.values)*k)%len(c.values)], "$"+c.name)
		}
	}
	table := func(typeName func(view.Type) string) string {
		lines := make([]string, rows)
		for i, v := range values {
			for _, c := range expressionColumns {
				v = strings.ReplaceAll(v, "$"+c.name+")", typeName(c.kind)+")")
			}
			lines[i] = fmt.Sprintf("(%d%s)", i, v)
		}
		return fmt.Sprintf("(VALUES %s) AS t(k, %s)", strings.Join(lines, ", "), strings.Join(names, ", "))
	}
	client, err := trino.Open(trino.Config{URL: s.URL, User: "caudal"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	checked := check(t, columns, expressions)
	compared := 0
	const atOnce = 24
	for first := 0; first < len(expressions); first += atOnce {
		some := expressions[first:min(first+atOnce, len(expressions))]
		duck, other := []string{"k"}, []string{"CAST(k AS VARCHAR)"}
		for i, expr := range some {
			e, err := trinosql.Translate(columns, expr)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			if e.Type != checked[first+i].Type {
				t.Fatalf("%s is a %s to DuckDB and a %s to the translation (%s)", expr, checked[first+i].Type, e.Type, checked[first+i].Err)
			}
			box := "TRY(struct_pack(v := (" + expr + ")))"
			duck = append(duck, fate(box, "struct_extract("+box+", 'v')", "epoch_us(%[1]s)", e.Type))
			box = "TRY(ARRAY[" + e.SQL + "])"
			other = append(other, fate(box, box+"[1]", trinosql.Micros("%[1]s"), e.Type))
		}
		want := map[string][]string{}
		for _, line := range queryRows(t, "SELECT concat_ws(chr(9), "+strings.Join(duck, ", ")+") FROM "+table(view.Type.SQL)) {
			fields := strings.Split(line, "\t")
			want[fields[0]] = fields[1:]
		}
		err := client.Query(t.Context(), "SELECT "+strings.Join(other, ", ")+" FROM "+table(trinosql.TypeSQL), func(row []sql.NullString) error {
			for i, expr := range some {
				got, want := row[i+1].String, want[row[0].String][i]
				compared++
				if got != want && !sameDouble(got, want) {
					t.Errorf("%s of row %s is %q to DuckDB and %q to Trino", expr, row[0].String, want, got)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if compared != rows*len(expressions) {
		t.Errorf("%d values were compared, of %d", compared, rows*len(expressions))
	}
	t.Logf("%d expressions on %d rows: %d values compared", len(expressions), rows, compared)
}

// fate is the text of what came of an expression in a box: a value, a null, or a failure. %[1]s stands for the value in micros.
func fate(box, value, micros string, of view.Type) string {
	text := value
	if of.Kind == view.Timestamp {
		text = fmt.Sprintf(micros, value)
	}
	return fmt.Sprintf("CASE WHEN %s IS NULL THEN 'failed' WHEN %s IS NULL THEN 'null' ELSE '=' || CAST(%s AS VARCHAR) END", box, value, text)
}

// sameDouble says whether two texts are of one double.
func sameDouble(a, b string) bool {
	x, errX := strconv.ParseFloat(strings.TrimPrefix(a, "="), 64)
	y, errY := strconv.ParseFloat(strings.TrimPrefix(b, "="), 64)
	return errX == nil && errY == nil && (strings.Contains(a, "E") || strings.HasSuffix(a, "Infinity")) && x == y
}

// check has DuckDB type expressions.
func check(t *testing.T, columns []view.Column, exprs []string) []view.Checked {
	t.Helper()
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checker, err := engine.NewChecker(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	checked, err := checker.Check(columns, exprs)
	if err != nil {
		t.Fatal(err)
	}
	return checked
}

func TestWhatTrinoWouldComputeOtherwiseIsRefusedWithWhatToWriteInstead(t *testing.T) {
	var columns []view.Column
	for _, c := range expressionColumns {
		columns = append(columns, view.Column{Name: c.name, Type: c.kind})
	}
	for expr, mend := range map[string]string{
		"q / u":                         "nullif",
		"q % u":                         "integers",
		"q // q":                        "nullif",
		"cast(d as decimal(18,2))":      "decimals",
		"cast(s as bigint)":             "in the source",
		"q * 2 > 1 and f":               "CASE WHEN",
		"w + w between 0 and 1":         "CASE WHEN",
		"ts > '2011-01-01'":             "TIMESTAMP",
		"trim(s)":                       "those that have one",
		"sqrt(d)":                       "those that have one",
		"substr(s, -2)":                 "positions above zero",
		"substr(s, q)":                  "positions above zero",
		"replace(s, '', 'x')":           "texts",
		"date_trunc('decade', ts)":      "'year'",
		"s || q":                        "cast both",
		"case when f then s else q end": "cast one",
		"x * x * x * x * x * x * x * x": "fewer",
		"s similar to 'a'":              "",
		"ts - INTERVAL 1 DAY":           "",
		"contains(ln, 1.5)":             "cast what is looked for to int64",
		"lt = lt":                       "compare elements",
		"list_sum(ln)":                  "those that have one",
		"lower(lt)":                     "an element by its place, tags[1]",
		"ln[q]":                         "write it out",
		"ln[-1]":                        "write it out",
		"s[1]":                          "substr",
	} {
		_, err := trinosql.Translate(columns, expr)
		var refused *trinosql.Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Mend, mend) {
			t.Errorf("%s: got %v, and should be refused with %q", expr, err, mend)
		}
	}
}

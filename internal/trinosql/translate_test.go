package trinosql

import (
	"errors"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

var columns = []view.Column{
	{Name: "n", Type: view.Type{Kind: view.Int64}},
	{Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 3}},
	{Name: "x", Type: view.Type{Kind: view.Double}},
	{Name: "name", Type: view.Type{Kind: view.String}},
	{Name: "At", Type: view.Type{Kind: view.Timestamp}},
}

// What the SQL computes is compared with DuckDB by the tests of package batch, on a real Trino; these say what is written.
func TestExpressionsAreWrittenWithTheCastsThatMakeThemEqual(t *testing.T) {
	for expr, want := range map[string]string{
		`n * price`:                         `decimal(31,3) (CAST("n" AS DECIMAL(19,0)) * "price")`,
		`price * price`:                     `decimal(18,6) CAST(("price" * "price") AS DECIMAL(18,6))`,
		`2 + 3 * n`:                         `int64 (CASE WHEN ARRAY[(3 * "n")] IS NOT NULL THEN (2 + (3 * "n")) END)`,
		`price / nullif(n, 0)`:              `double (CAST("price" AS DOUBLE) / CAST((CASE WHEN ("n" = 0) THEN NULL ELSE "n" END) AS DOUBLE))`,
		`NAME like 'it''s%' and n = 1`:      `bool (("name" LIKE 'it''s%') AND ("n" = 1))`,
		`not n in (1, 2) or x is null`:      `bool ((NOT ("n" IN (1, 2))) OR ("x" IS NULL))`,
		`upper(name) || '!'`:                `string (replace(upper("name"), 'ß', 'ẞ') || '!')`,
		`case when n > 0 then 1.5 end`:      `decimal(2,1) (CASE WHEN ("n" > 0) THEN 1.5 ELSE CAST(NULL AS DECIMAL(2,1)) END)`,
		`dayofweek("At")`:                   `int64 (day_of_week("At") % 7)`,
		`at < timestamp '2026-01-02 03:04'`: `bool ("At" < CAST(TIMESTAMP '2026-01-02 03:04:00.000000' AS TIMESTAMP(6)))`,
		`at >= timestamp '2026-01-02'`:      `bool ("At" >= CAST(TIMESTAMP '2026-01-02 00:00:00.000000' AS TIMESTAMP(6)))`,
		`-n::varchar`:                       ``,
		`n between 1 and 3`:                 `bool (("n" >= 1) AND ("n" <= 3))`,
	} {
		e, err := Translate(columns, expr)
		var refused *Error
		switch got := e.Type.String() + " " + e.SQL; {
		case want == "" && !errors.As(err, &refused):
			t.Errorf("%s: got %s, %v, and should be refused", expr, got, err)
		case want != "" && (err != nil || got != want):
			t.Errorf("%s: got %s, %v\nwant %s", expr, got, err, want)
		}
	}
}

func TestACastToTheTypeOfAMeasureIsWrittenOrRefused(t *testing.T) {
	decimal := view.Type{Kind: view.Decimal, Precision: 18, Scale: 2}
	for expr, want := range map[string]string{"price": `CAST("price" AS DECIMAL(18,2))`, "n": `CAST("n" AS DECIMAL(18,2))`, "x": "", "name": ""} {
		e, err := Translate(columns, expr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Cast(decimal)
		if (err == nil) != (want != "") || got.SQL != want {
			t.Errorf("%s as %s: got %s, %v, want %s", expr, decimal, got.SQL, err, want)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	for _, s := range []string{"n * price", "case when n > 0 then 'a' end", "(((", "cast(n as decimal(18", "'", `"`, "name::", "in (", "e'x'", "1.2.3", "- - n", "not", "x is not distinct from"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Translate(columns, s)
		var refused *Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%q: %v is no refusal", s, err)
		}
		if err == nil && (e.SQL == "" || strings.Count(e.SQL, "(") != strings.Count(e.SQL, ")") && !strings.ContainsAny(s, `'"`)) {
			t.Fatalf("%q became %q", s, e.SQL)
		}
	})
}

package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

func newTestChecker(t *testing.T) *Checker {
	t.Helper()
	db, _ := openTest(t)
	c, err := NewChecker(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var retailColumns = []view.Column{
	{Name: "country", Type: typ(view.String)}, {Name: "quantity", Type: typ(view.Int64)}, {Name: "unit_price", Type: dec(12, 3)},
	{Name: "invoice_date", Type: typ(view.Timestamp)}, {Name: "ratio", Type: typ(view.Double)}, {Name: "gift", Type: typ(view.Bool)},
}

func TestCheckerTellsTypes(t *testing.T) {
	want := map[string]view.Type{
		"country":                          typ(view.String),
		"upper(country) || '!'":            typ(view.String),
		"quantity":                         typ(view.Int64),
		"quantity::smallint":               typ(view.Int64),
		"quantity * unit_price":            dec(31, 3),
		"unit_price":                       dec(12, 3),
		"quantity / 2":                     typ(view.Double),
		"quantity::hugeint":                typ(view.Int128),
		"ratio::float":                     typ(view.Double),
		"gift and unit_price >= 0":         typ(view.Bool),
		"invoice_date":                     typ(view.Timestamp),
		"invoice_date::date":               typ(view.Date),
		"coalesce(country, 'none')":        typ(view.String),
		"case when gift then 1 else 0 end": typ(view.Int64),
		"nullif(quantity, 0)":              typ(view.Int64),
		"[quantity]":                       {Kind: view.List, Item: view.Int64},
		"list_transform([quantity], lambda x: x + 1)[1]": typ(view.Int64),
		"quantity -- a comment":                          typ(view.Int64),
	}
	c := newTestChecker(t)
	for expr, wantType := range want {
		got, err := c.Check(retailColumns, []string{expr})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Err != "" || got[0].Volatile || got[0].Type != wantType {
			t.Errorf("%s: %+v, want type %v", expr, got[0], wantType)
		}
	}
}

func TestCheckerRefusesWhatIsNoFunctionOfTheRow(t *testing.T) {
	volatile := []string{"now()", "random()", "uuid()", "current_date", "current_timestamp", "quantity + random()", "today()", "nextval('s')", "gen_random_uuid()"}
	refused := map[string]string{
		"sum(quantity)":                "aggregate",
		"row_number() over ()":         "window",
		"(select 1)":                   "subquery",
		"exists(select 1)":             "subquery",
		"quantity in (select 1)":       "subquery",
		"*":                            "one expression",
		"contry":                       `"contry"`,
		"uper(country)":                `"uper"`,
		"checked.quantity":             "without a table",
		"quantity +":                   "syntax error",
		"quantity, country":            "one expression",
		"quantity) or (gift":           "syntax error",
		"quantity] from t where [gift": "one expression",
		"1; drop table checked":        "syntax error",
		"$1":                           "parameters",
		"country::integer + country":   "",
		"":                             "empty",
	}
	c := newTestChecker(t)
	for _, expr := range volatile {
		got, err := c.Check(retailColumns, []string{expr})
		if err != nil {
			t.Fatal(err)
		}
		if !got[0].Volatile && got[0].Err == "" {
			t.Errorf("%s passes as a function of the row: %+v", expr, got[0])
		}
	}
	for expr, want := range refused {
		got, err := c.Check(retailColumns, []string{expr})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Err == "" || !strings.Contains(got[0].Err, want) || strings.Contains(got[0].Err, "\n") {
			t.Errorf("%s: told %q, want %q in it", expr, got[0].Err, want)
		}
	}
}

func TestCheckerProposesNames(t *testing.T) {
	c := newTestChecker(t)
	got, err := c.Check(retailColumns, []string{"contry", "uper(country)"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"country", "upper"} {
		if len(got[i].Candidates) == 0 || got[i].Candidates[0] != want {
			t.Errorf("proposed %q (%s), want %s", got[i].Candidates, got[i].Err, want)
		}
	}
}

func TestDeriveComputesOverFinalisedRows(t *testing.T) {
	_, conn := openTest(t)
	cols := []view.Column{
		{Name: "revenue", Type: dec(18, 3)}, {Name: "lines", Type: typ(view.Int64)}, {Name: "country", Type: typ(view.String)}, {Name: "big", Type: typ(view.Int128)},
	}
	var rows [][]algebra.Value
	for i := range 5000 {
		lines := algebra.Int64Value(int64(i % 7))
		if i%11 == 0 {
			lines = algebra.Null()
		}
		country := algebra.StringValue(strings.Repeat("x", i%30) + "1")
		rows = append(rows, []algebra.Value{algebra.DecimalValue(algebra.Int128Of(int64(i)*500), 3), lines, country, algebra.Int128Value(algebra.Int128{Lo: uint64(i), Hi: 1})})
	}
	exprs := []string{"revenue / nullif(lines, 0)", "coalesce(country::tinyint, -1)", "big - 18446744073709551616", "lines"}
	got, err := conn.Derive(context.Background(), cols, rows, exprs)
	if err != nil || len(got) != len(rows) {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	for i, row := range got {
		quotient := algebra.Null()
		if i%7 != 0 && i%11 != 0 {
			quotient = algebra.FloatValue(float64(i) / 2 / float64(i%7))
		}
		number := algebra.Null() // the cast fails
		if i%30 == 0 {
			number = algebra.Int64Value(1)
		}
		if row[0] != quotient || row[1] != number || row[2].Int128() != algebra.Int128Of(int64(i)) || row[3] != rows[i][1] {
			t.Fatalf("row %d: %v from %v", i, row, rows[i])
		}
	}
}

package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// A product of an integer and a decimal is computed in 64 bits where it fits. Nobody may see it: sums, counts of failures and extremes are those of the same
// expression in brackets, which is left as it is; at the edges of what is narrow, of nulls, of the declared type, and of what DuckDB itself can multiply.
func TestANarrowProductIsTheProduct(t *testing.T) {
	minute, _ := view.ParseGrain("15m")
	src := everyType()
	rows := intake.NewRows(src)
	fillRows(rand.New(rand.NewPCG(5, 39)), src, rows, 800)
	for i := range rows.Len() {
		edge := []int64{99_999, 100_000, 999_999_999, 1_000_000_000, 9_999, math.MaxInt64, math.MinInt64, 0}[i%8]
		if i%3 == 0 {
			edge = -edge
		}
		if i%5 != 0 {
			rows.SetWord(src.Field("i"), i, edge)
		}
	}
	_, conn := openTest(t)
	appendRows(t, conn, "stored", src, rows, nil, rows.Len())
	for _, expr := range []string{"i * d4", "d9 * i", "i_n * d9_n", ` "i"*"d9" `, "i * d18", "d9 * d9", "i * i_n"} {
		for _, to := range []view.Type{dec(18, 2), dec(38, 4), dec(6, 3), dec(18, 1), typ(view.Double)} {
			var cells [2]string
			for k, written := range []string{expr, "(" + expr + ")"} {
				v := &view.View{Name: "v", Source: src, Location: time.UTC, Grains: []view.Grain{minute}, Measures: []view.Measure{
					{Name: "least", Agg: view.Min, Expr: written, Type: to, Input: to}, {Name: "most", Agg: view.Max, Expr: written, Type: to, Input: to}}}
				if to.Kind == view.Decimal {
					v.Measures = append(v.Measures, view.Measure{Name: "all", Agg: view.Sum, Expr: written, Type: to, Input: to})
				}
				plan, err := algebra.Compile(v)
				if err != nil {
					t.Fatal(err)
				}
				cells[k] = plan.BatchSQL(algebra.BatchOptions{From: "stored", Grain: minute})
			}
			narrow := strings.Contains(cells[0], "BETWEEN")
			if want := to.Kind == view.Decimal && strings.Contains(expr, "i") && strings.Contains(expr, "d") && expr != "i * d18" &&
				!(to.Scale == 1 && strings.Contains(expr, "9")); narrow != want {
				t.Errorf("%s as %s is computed in 64 bits: %t, want %t", expr, to, narrow, want)
			}
			apart := allRows(t, conn, fmt.Sprintf("SELECT count(*), (SELECT count(*) FROM (%[1]s)) FROM ((%[1]s EXCEPT ALL %[2]s) UNION ALL (%[2]s EXCEPT ALL %[1]s))", cells[0], cells[1]))[0]
			if apart[0].Int64() != 0 || apart[1].Int64() == 0 {
				t.Errorf("%s as %s: %v of %v cells differ", expr, to, apart[0], apart[1])
			}
		}
	}
}

package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// The batch layer groups the values of a cell before it counts them. Nobody may see it: every row and every column is that of one aggregation over all
// events, to the bit; also of filters and expressions that fail, dimensions that are null, and cells without a value.
func TestStagesMakeTheCellsThatOneAggregationMakes(t *testing.T) {
	minute, _ := view.ParseGrain("15m")
	month, _ := view.ParseGrain("1mo")
	src := everyType()
	rows := intake.NewRows(src)
	fillRows(rand.New(rand.NewPCG(3, 37)), src, rows, 4000)
	_, conn := openTest(t)
	appendRows(t, conn, "stored", src, rows, nil, rows.Len())
	dimensions := []view.Dimension{
		{Name: "b", Expr: "b_n", Type: typ(view.Bool)},
		{Name: "digit", Expr: "CAST(d4 AS TINYINT)", Type: typ(view.Int64)},
	}
	for name, c := range map[string]struct {
		where      string
		dimensions []view.Dimension
		options    algebra.BatchOptions
	}{
		"all sets":             {options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"a filter":             {where: "d4 >= -500", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"a filter that fails":  {where: "CAST(d4 AS TINYINT) > -100", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"no value at all":      {where: "CAST(d4 AS TINYINT) > 127", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"the finest set alone": {options: algebra.BatchOptions{Grain: minute, Sets: []uint32{3}}, dimensions: dimensions},
		"one dimension unused": {options: algebra.BatchOptions{Grain: minute, Sets: []uint32{0, 2}}, dimensions: dimensions},
		"no dimensions":        {options: algebra.BatchOptions{Grain: minute}},
		"months":               {options: algebra.BatchOptions{Grain: month, Starts: starts(month, rows)}, dimensions: dimensions},
		"buckets of its own":   {options: algebra.BatchOptions{From: "(SELECT *, i % 5 AS _bucket FROM stored)", Bucketed: true}, dimensions: dimensions},
	} {
		t.Run(name, func(t *testing.T) {
			v := &view.View{Name: "v", Source: src, Where: c.where, Location: time.UTC, Grains: []view.Grain{minute}, Dimensions: c.dimensions}
			for _, m := range everyMeasure(src) {
				staged := m.Agg == view.CountDistinct || m.Agg == view.Percentile
				if staged && slices.Contains([]string{"s_n", "i", "d38_n", "f_n", "ts_n"}, m.Expr) || m.Agg == view.Count {
					v.Measures = append(v.Measures, m.Measure)
				}
			}
			plan, err := algebra.Compile(v)
			if err != nil {
				t.Fatal(err)
			}
			if c.options.From == "" {
				c.options.From = "stored"
			}
			statements, cells := plan.StagedSQL(c.options)
			if len(statements) == 0 {
				t.Error("nothing is staged, so nothing is compared")
			}
			statements = append(statements, "CREATE OR REPLACE TEMP TABLE staged AS "+cells, "CREATE OR REPLACE TEMP TABLE plain AS "+plan.BatchSQL(c.options))
			for _, statement := range statements {
				if err := conn.Exec(context.Background(), statement); err != nil {
					t.Fatal(err)
				}
			}
			if n := allRows(t, conn, "SELECT count(*) FROM plain")[0][0].Int64(); n == 0 {
				t.Error("there are no cells to compare")
			}
			apart := allRows(t, conn, "SELECT count(*) FROM ((FROM plain EXCEPT ALL FROM staged) UNION ALL (FROM staged EXCEPT ALL FROM plain))")
			if n := apart[0][0].Int64(); n != 0 {
				t.Errorf("%d rows differ", n)
			}
		})
	}
}

// starts are those of the buckets of a grain that rows fall into.
func starts(g view.Grain, rows *intake.Rows) (list []int64) {
	first, last := rows.EventTime[0], rows.EventTime[0]
	for i := range rows.Len() {
		first, last = min(first, rows.EventTime[i]), max(last, rows.EventTime[i])
	}
	for at := g.Floor(first, time.UTC); at <= last; at = g.Next(at, time.UTC) {
		list = append(list, at)
	}
	return list
}

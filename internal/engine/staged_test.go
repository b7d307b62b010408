package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
	fillRows(rand.New(rand.NewPCG(3, 37)), src, rows, 900)
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
		numbered   bool // values repeat, in few cells
	}{
		"all sets":             {options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"a filter":             {where: "d4 >= -500", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"a filter that fails":  {where: "CAST(d4 AS TINYINT) > -100", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"no value at all":      {where: "CAST(d4 AS TINYINT) > 127", options: algebra.BatchOptions{Grain: minute}, dimensions: dimensions},
		"the finest set alone": {options: algebra.BatchOptions{Grain: minute, Sets: []uint32{3}}, dimensions: dimensions},
		"one dimension unused": {numbered: true, options: algebra.BatchOptions{Grain: minute, Sets: []uint32{0, 2}}, dimensions: dimensions},
		"few buckets":          {options: algebra.BatchOptions{Grain: minute, Few: starts(minute, rows)}, dimensions: dimensions},
		"no dimensions":        {numbered: true, options: algebra.BatchOptions{Grain: minute}},
		"months":               {numbered: true, options: algebra.BatchOptions{Grain: month, Starts: starts(month, rows)}, dimensions: dimensions},
		"buckets of its own":   {options: algebra.BatchOptions{From: "(SELECT *, i % 5 AS _bucket FROM stored)", Bucketed: true}, dimensions: dimensions},
	} {
		t.Run(name, func(t *testing.T) {
			v := &view.View{Name: "v", Source: src, Where: c.where, Location: time.UTC, Grains: []view.Grain{minute}, Dimensions: c.dimensions}
			for _, m := range everyMeasure(src) {
				staged := m.Agg == view.CountDistinct || m.Agg == view.Percentile
				if staged && slices.Contains([]string{"s_n", "d38_n", "ts_n"}, m.Expr) || m.Agg == view.Count || m.Agg == view.Sum && slices.Contains([]string{"i_n * d9", "d18_n"}, m.Expr) {
					v.Measures = append(v.Measures, m.Measure)
				}
			}
			for i, p := range []float64{0, 1e-9, 0.5, 1, 1.0 / 3} {
				v.Measures = append(v.Measures, view.Measure{Name: fmt.Sprint("p", i), Agg: view.Percentile, Expr: "f_n", Type: typ(view.Double), Input: typ(view.Double), P: p})
			}
			for i, expr := range []string{"i % 40", "CAST(d4_n AS TINYINT)", "left(s_n, 1)"} {
				in := typ(view.Int64)
				if i == 2 {
					in = typ(view.String)
				}
				v.Measures = append(v.Measures, view.Measure{Name: fmt.Sprint("r", i), Agg: view.CountDistinct, Expr: expr, Type: typ(view.Int64), Input: in})
			}
			plan, err := algebra.Compile(v)
			if err != nil {
				t.Fatal(err)
			}
			if c.options.From == "" {
				c.options.From = "stored"
			}
			run, plain := stages{t: t, conn: conn}, c.options
			plain.Few = nil
			if err := run.Exec("CREATE OR REPLACE TEMP TABLE plain AS " + plan.BatchSQL(plain)); err != nil {
				t.Fatal(err)
			}
			if n := allRows(t, conn, "SELECT count(*) FROM plain")[0][0].Int64(); n == 0 {
				t.Error("there are no cells to compare")
			}
			for _, c.options.Large = range []bool{false, true} {
				if c.options.Large {
					c.options.Sample = 20 // so that values which repeat are numbered
				}
				run.said = nil
				cells, err := plan.StagedSQL(c.options, &run)
				if err == nil {
					err = run.Exec("CREATE OR REPLACE TEMP TABLE staged AS " + cells)
				}
				if err != nil {
					t.Fatal(err)
				}
				apart := allRows(t, conn, "SELECT count(*) FROM ((FROM plain EXCEPT ALL FROM staged) UNION ALL (FROM staged EXCEPT ALL FROM plain))")
				if n := apart[0][0].Int64(); n != 0 {
					t.Errorf("large %t: %d rows differ", c.options.Large, n)
				}
				said := strings.Join(run.said, "\n")
				if picked := strings.Contains(said, "_rank"); picked != c.options.Large {
					t.Errorf("large %t: percentiles are picked: %t", c.options.Large, picked)
				}
				if numbered := strings.Contains(said, "bitstring_agg"); numbered != (c.options.Large && c.numbered) {
					t.Errorf("large %t: values are numbered: %t", c.options.Large, numbered)
				}
				// Large also compares what merges: the exact percentiles then have no aggregate of their own, which do not.
				if merged := strings.Contains(said, "_finest"); merged != (c.options.Large && len(c.dimensions) > 0 && len(c.options.Sets) != 1) {
					t.Errorf("large %t: coarser cells are merged from the finest: %t", c.options.Large, merged)
				}
				if !strings.Contains(said, "_registers") {
					t.Errorf("large %t: no values are grouped", c.options.Large)
				}
			}
		})
	}
}

// stages are run on a connection, and kept.
type stages struct {
	t    *testing.T
	conn *Conn
	said []string
}

func (s *stages) Exec(sql string) error {
	s.said = append(s.said, sql)
	return s.conn.Exec(context.Background(), sql)
}

func (s *stages) Number(sql string) (int64, error) {
	return allRows(s.t, s.conn, sql)[0][0].Int64(), nil
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

package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// Calendar buckets come from a table of their starts that Go computes: days of 23 and 25 hours among them.
func TestBatchBucketsAreTheGrainsOfGo(t *testing.T) {
	_, conn := openTest(t)
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "i", Type: typ(view.Int64)}}}
	v := &view.View{
		Name: "v", Source: src, Location: london,
		Dimensions: []view.Dimension{{Name: "odd", Expr: "i % 2 = 1", Type: typ(view.Bool)}, {Name: "i", Expr: "i", Type: typ(view.Int64)}},
		Measures: []view.Measure{
			{Name: "n", Agg: view.Count, Type: typ(view.Int64)}, {Name: "d", Agg: view.CountDistinct, Expr: "i", Type: typ(view.Int64), Input: typ(view.Int64)},
		},
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 9))
	from, until := time.Date(2025, 3, 25, 0, 0, 0, 0, london).UnixMicro(), time.Date(2025, 11, 2, 0, 0, 0, 0, london).UnixMicro()
	rows := intake.NewRows(src)
	for range 3000 {
		i := rows.Extend()
		rows.EventTime[i] = from + rnd.Int64N(until-from)
		if rnd.IntN(9) == 0 { // on the very start of a day
			rows.EventTime[i] = view.Grain{Unit: view.Day}.Floor(rows.EventTime[i], london)
		}
		rows.SetWord(0, i, rnd.Int64N(3))
	}
	appendRows(t, conn, "stored", src, rows, nil, rows.Len())
	for _, name := range []string{"15m", "1d", "1w", "1mo", "1y"} {
		grain, err := view.ParseGrain(name)
		if err != nil {
			t.Fatal(err)
		}
		var starts []int64
		for at := grain.Floor(from, london); at < until && grain.Unit != view.Fixed; at = grain.Next(at, london) {
			starts = append(starts, at)
		}
		options := algebra.BatchOptions{From: "stored", Grain: grain, Sets: []uint32{0, 1}, Starts: starts}
		want := map[string]int64{}
		for i := range rows.Len() {
			at := grain.Floor(rows.EventTime[i], london)
			want[fmt.Sprint(0, at, algebra.Null())]++
			want[fmt.Sprint(1, at, algebra.BoolValue(rows.Columns[0].Words[i] == 1))]++
		}
		got := allRows(t, conn, "SELECT _set, _bucket, d0, d1, _events FROM ("+plan.BatchSQL(options)+")")
		for _, row := range got {
			key := fmt.Sprint(row[0].Int64(), row[1].Int64(), row[2])
			if row[4].Int64() != want[key] || !row[3].IsNull() {
				t.Errorf("%s: cell %s has %d events, want %d", name, key, row[4].Int64(), want[key])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d cells, want %d", name, len(got), len(want))
		}
	}
}

// The sketch that batch writes is the same whatever order the rows are read in.
func TestBatchWritesSketchesInOneOrder(t *testing.T) {
	_, conn := openTest(t)
	v := retailView("country", orders, quantile)
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	appendRows(t, conn, "stored", v.Source, retailRows(20_000), nil, 20_000)
	var last string
	for _, order := range []string{"_row", "_row DESC", "hash(line_id)"} {
		sql := plan.BatchSQL(algebra.BatchOptions{From: "(SELECT * FROM stored ORDER BY " + order + ")", Grain: v.Grains[0]})
		rows := allRows(t, conn, "SELECT md5(string_agg(t::VARCHAR, '|' ORDER BY t)) FROM ("+sql+") AS t")
		if got := rows[0][0].Text(); last != "" && got != last {
			t.Errorf("read by %s the result differs", order)
		} else {
			last = got
		}
	}
}

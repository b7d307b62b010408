package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// retail is a source like the example's.
func retail() *view.Source {
	return &view.Source{Name: "orders", Fields: []view.Field{
		{Name: "line_id", Type: typ(view.String)}, {Name: "invoice_no", Type: typ(view.String)}, {Name: "stock_code", Type: typ(view.String)},
		{Name: "description", Type: typ(view.String), Nullable: true}, {Name: "quantity", Type: typ(view.Int64)},
		{Name: "invoice_date", Type: typ(view.Timestamp)}, {Name: "unit_price", Type: dec(12, 3)},
		{Name: "customer_id", Type: typ(view.String), Nullable: true}, {Name: "country", Type: typ(view.String)},
	}}
}

func retailRows(n int) *intake.Rows {
	rnd := rand.New(rand.NewPCG(5, 6))
	rows := intake.NewRows(retail())
	for k := range n {
		i := rows.Extend()
		rows.Partition[i], rows.Offset[i] = int64(k%4), int64(k)
		rows.EventTime[i] = 1_700_000_000_000_000 + int64(k)*2_000
		rows.SetBytes(0, i, fmt.Append(nil, "line-", k))
		rows.SetBytes(1, i, fmt.Append(nil, "C", 500000+k/8))
		rows.SetBytes(2, i, fmt.Append(nil, rnd.IntN(4000)))
		rows.SetBytes(3, i, []byte("WHITE HANGING HEART T-LIGHT HOLDER"))
		rows.SetWord(4, i, int64(1+rnd.IntN(24)))
		rows.SetWord(5, i, rows.EventTime[i])
		rows.SetWord(6, i, int64(100+rnd.IntN(20000)))
		if rnd.IntN(5) > 0 {
			rows.SetBytes(7, i, fmt.Append(nil, rnd.IntN(5000)))
		}
		rows.SetBytes(8, i, fmt.Append(nil, "country-", rnd.IntN(38)))
	}
	return rows
}

func retailView(dimension string, measures ...view.Measure) *view.View {
	minute, _ := view.ParseGrain("1m")
	v := &view.View{Name: "sales", Source: retail(), Location: time.UTC, Grains: []view.Grain{minute}, Measures: measures, Where: "unit_price >= 0"}
	v.Dimensions = append(v.Dimensions, view.Dimension{Name: dimension, Expr: dimension, Type: typ(view.String)})
	return v
}

var (
	lines    = view.Measure{Name: "lines", Agg: view.Count, Type: typ(view.Int64)}
	revenue  = view.Measure{Name: "revenue", Agg: view.Sum, Expr: "quantity * unit_price", Type: dec(18, 3), Input: dec(18, 3)}
	orders   = view.Measure{Name: "orders", Agg: view.CountDistinct, Expr: "invoice_no", Type: typ(view.Int64), Input: typ(view.String)}
	clients  = view.Measure{Name: "customers", Agg: view.CountDistinct, Expr: "customer_id", Type: typ(view.Int64), Input: typ(view.String)}
	quantile = view.Measure{Name: "p95", Agg: view.Percentile, Expr: "quantity * unit_price", P: 0.95, Type: typ(view.Double), Input: dec(31, 3)}

	opening   = view.Measure{Name: "opening", Agg: view.First, Expr: "unit_price", Type: dec(12, 3), Input: dec(12, 3)}
	closing   = view.Measure{Name: "closing", Agg: view.Last, Expr: "unit_price", Type: dec(12, 3), Input: dec(12, 3)}
	deviation = view.Measure{Name: "deviation", Agg: view.StddevSamp, Expr: "unit_price", Type: typ(view.Double), Input: dec(12, 3)}
	products  = view.Measure{Name: "products", Agg: view.TopK, K: 10, Expr: "stock_code", Type: typ(view.Array), Input: typ(view.String)}
	sizes     = view.Measure{Name: "sizes", Agg: view.Histogram, Bounds: []string{"1", "5", "10", "20"}, Expr: "quantity", Type: typ(view.Array), Input: typ(view.Int64)}
)

// BenchmarkPartial is the query of one micro-batch of 50,000 events, and the merge of its rows into states, per event.
func BenchmarkPartial(b *testing.B) {
	for name, v := range map[string]*view.View{
		"count":             retailView("country", lines),
		"count+sum":         retailView("country", lines, revenue),
		"count+sum/4000":    retailView("stock_code", lines, revenue),
		"distinct":          retailView("country", orders),
		"two-distinct":      retailView("country", orders, clients),
		"percentile":        retailView("country", quantile),
		"first+last":        retailView("country", opening, closing),
		"stddev":            retailView("country", deviation),
		"top_k":             retailView("country", products),
		"histogram":         retailView("country", sizes),
		"the-whole-example": retailView("country", lines, revenue, orders, clients, quantile),
	} {
		b.Run(name, func(b *testing.B) { benchmarkPartial(b, v) })
	}
}

func benchmarkPartial(b *testing.B, v *view.View) {
	db, err := Open(Options{Threads: 1, MemoryLimit: "2GB"})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		b.Fatal(err)
	}
	in, err := conn.RegisterRows("orders", v.Source)
	if err != nil {
		b.Fatal(err)
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		b.Fatal(err)
	}
	stmt, err := conn.Prepare(plan.PartialSQL(in.From()))
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.Close()
	const n = 50_000
	rows := retailRows(n)
	slots := bucketsOf(v, rows)
	cells := map[string]*algebra.State{}
	var key []byte
	groups := 0
	before := cpuTime(b)
	b.ResetTimer()
	for b.Loop() {
		in.Set(rows, slots, n)
		groups = 0
		err := stmt.Run(context.Background(), func(c *Chunk) error {
			groups += c.Len()
			for i := range c.Len() {
				row := c.Row(i)
				key = plan.AppendRowKey(append(key[:0], byte(row.Int64(0)>>26)), row, 1)
				s := cells[string(key)]
				if s == nil {
					s = plan.New()
					cells[string(key)] = s
				}
				plan.MergeRow(s, row, 1+len(v.Dimensions))
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/n, "cpu-ns/event")
	b.ReportMetric(float64(groups), "groups")
}

// cpuTime is what the process has used so far, in nanoseconds: on a busy machine it tells more than the clock.
func cpuTime(b *testing.B) int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}

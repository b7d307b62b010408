package speed

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// BenchmarkMerge merges what the compiled query makes of 50,000 events into the cells in memory, and encodes those that changed: what a
// micro-batch costs between the engine and Redis, per row of the query.
func BenchmarkMerge(b *testing.B) {
	for _, name := range []string{"per_country", "per_product", "per_user", "per_day"} {
		b.Run(name, func(b *testing.B) { benchmarkMerge(b, name) })
	}
}

func benchmarkMerge(b *testing.B, name string) {
	const events = 50_000
	project, err := engine.Parse(context.Background(), []view.File{{Path: "caudal.yaml", Data: []byte(strings.Replace(shopYAML, "TOPIC", "orders", 1))}, {Path: "views/v.yaml", Data: []byte(benchViews[name])}}, func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	db, err := engine.Open(engine.Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	v := project.Views[0]
	lane, err := newLane(db, 0, v.Source, project.Views)
	if err != nil {
		b.Fatal(err)
	}
	defer lane.close()
	rows := intake.NewRows(v.Source)
	fold := intake.NewFold(lane.schema, intake.Start())
	for i := range events {
		value := fmt.Appendf(nil, `{"id":"o-%d","at":%d,"user":"u%d","country":"C%02d","amount":%d.25,"product":"P%d"}`, i, 1_774_728_000_000+int64(i)/5, i*7919%20_000, i%40, i%200, i%2000)
		if verdict := fold.Append(intake.Record{Offset: int64(i), Value: value}, rows); verdict.Kind != intake.Event {
			b.Fatalf("event %d is none: %+v", i, verdict)
		}
	}
	q := lane.queries[0]
	q.out.reset(1, 1)
	batch := microBatch{rows: rows, parts: []*part{{marks: make([]mark, events)}}, positions: map[int64]int{0: 0}}
	lane.slots.fill(&batch, [][]span{{{0, events}}}, q.base)
	lane.input.Set(rows, lane.slots.rows, events)
	err = q.stmt.Run(context.Background(), func(c *engine.Chunk) error {
		for i := range c.Len() {
			if err := q.out.add(c.Row(i), lane.slots.list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	q.out.sort()
	g := newGroup(live.Group{View: v.Name}, q.plan, view.Speed{})
	g.adopt(live.Meta{Inst: "i", Token: "t", Starts: []int64{0}}, nil)
	var refs []ref
	var arena []byte
	var counts live.Counts
	all := q.out.rows(0, 0)
	b.ReportAllocs()
	for b.Loop() {
		g.endBatch()
		refs = g.resolve(&q.out, all, 1, refs[:0])
		_, arena = g.merge(&q.out, all, refs, len(g.grains), &counts, arena[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/row")
	b.ReportMetric(float64(len(all)), "rows")
}

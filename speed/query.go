package speed

import (
	"context"
	"fmt"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// lane is what a definition of a source needs to be computed: its decode plan, its relation in the engine and the prepared query of each of
// its views. It outlives generations of the consumer group, which come one after the other.
type lane struct {
	src     *view.Source
	loop    int // which of the loops that share the source's partitions
	loops   int
	schema  *intake.Schema
	conn    *engine.Conn
	input   *engine.Input
	queries []*query
	slots   slots // of the query that runs
}

// query is one view's.
type query struct {
	view  *view.View
	plan  *algebra.Plan
	stmt  *engine.Stmt
	base  int64    // size of a base bucket, µs
	split int      // parts that each partition of the next micro-batch is split into
	spans [][]span // of the micro-batch in hand, by its partitions
	out   partials
}

func newLane(db *engine.DB, number int, src *view.Source, views []*view.View) (*lane, error) {
	l := &lane{src: src}
	var err error
	if l.schema, err = intake.NewSchema(src); err != nil {
		return nil, err
	}
	if l.conn, err = db.Connect(); err != nil {
		return nil, err
	}
	if l.input, err = l.conn.RegisterRows(fmt.Sprintf("caudal_rows_%d_of_%s", number, src.Name), src); err != nil {
		return nil, err
	}
	for _, v := range views {
		plan, err := algebra.Compile(v)
		if err != nil {
			return nil, err
		}
		stmt, err := l.conn.Prepare(plan.PartialSQL(l.input.From()))
		if err != nil {
			return nil, fmt.Errorf("prepare view %s: %w", v.Name, err)
		}
		l.queries = append(l.queries, &query{view: v, plan: plan, stmt: stmt, base: v.Base().Size.Microseconds(), split: 1, out: partials{plan: plan}})
	}
	return l, nil
}

// share is which of the partitions that a generation gives to this worker are the lane's.
func (l *lane) share(partitions []int) (mine []int) {
	for i, p := range slices.Sorted(slices.Values(partitions)) {
		if i%l.loops == l.loop {
			mine = append(mine, p)
		}
	}
	return mine
}

func (l *lane) close() {
	for _, q := range l.queries {
		q.stmt.Close()
	}
	l.conn.Close()
}

// compute runs a view's query over the micro-batch, split by offset so that no part of it leads to more than limit cells. The split
// that was right is where the next micro-batch begins; it is relaxed slowly.
func (l *lane) compute(ctx context.Context, q *query, b *microBatch, view, limit int) error {
	grains := len(q.view.Grains)
	for {
		q.spans = q.spans[:0]
		most, longest := 0, 0
		for _, s := range b.parts {
			g := s.p.groups[view]
			off, _ := g.begin()
			spans := s.spans(off, g.bounds(), q.split, nil)
			q.spans = append(q.spans, spans)
			most = max(most, len(spans))
			for _, r := range spans {
				longest = max(longest, r.hi-r.lo)
			}
		}
		q.out.reset(len(b.parts), max(most, 1))
		if b.rows.Len() == 0 || most == 0 {
			q.out.sort()
			return nil
		}
		l.slots.fill(b, q.spans, q.base)
		l.input.Set(b.rows, l.slots.rows, b.rows.Len())
		err := q.stmt.Run(ctx, func(c *engine.Chunk) error {
			for i := range c.Len() {
				if err := q.out.add(c.Row(i), l.slots.list); err != nil {
					return err
				}
			}
			return nil
		})
		l.input.Clear()
		if err != nil {
			return fmt.Errorf("compute view %s over %d rows: %w", q.view.Name, b.rows.Len(), err)
		}
		cells := q.out.sort() * grains
		if cells <= limit || longest <= 1 {
			if cells < limit/4 && q.split > 1 {
				q.split /= 2
			}
			return nil
		}
		for ratio := (cells + limit - 1) / limit; ratio > 1; ratio = (ratio + 1) / 2 {
			q.split *= 2
		}
	}
}

package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
)

// batchQuery is how the stored rows of a snapshot answer a question.
type batchQuery struct {
	plan     *algebra.Plan
	q        *question
	snap     *snapshot
	set      uint32 // the stored grouping set that is read
	oneToOne bool   // every row falls into a cell of its own
}

// newBatchQuery picks the grouping set.
func newBatchQuery(plan *algebra.Plan, q *question, snap *snapshot) batchQuery {
	set, ok := smallestSet(plan.Sets(), q.set())
	if !ok {
		panic(fmt.Sprintf("BUG: view %s stores no set with the dimensions %b", plan.View.Name, q.set()))
	}
	b := batchQuery{plan: plan, q: q, snap: snap, set: set}
	var answered uint32
	for _, d := range q.dims {
		answered |= 1 << d
	}
	b.oneToOne = q.grain != nil && set&^(answered|q.filter.pinned()) == 0
	return b
}

// touchedBuckets bounds the list of buckets whose states are read apart; with more of them the states of all are read.
const touchedBuckets = 100

// run adds the stored rows to the cells, which hold the speed layer's share already. States are read only where something has to be
// merged: the exact answers of an untouched bucket need none.
func (b batchQuery) run(ctx context.Context, c *engine.Conn, cs *cells) error {
	if len(b.snap.manifest.Files) == 0 {
		return nil
	}
	touched := cs.buckets()
	for _, s := range b.q.spans {
		switch {
		case !b.oneToOne || len(touched) > touchedBuckets:
			if err := b.runSpan(ctx, c, cs, s, "", true); err != nil {
				return err
			}
		case len(touched) == 0:
			if err := b.runSpan(ctx, c, cs, s, "", false); err != nil {
				return err
			}
		default:
			list := make([]string, len(touched))
			for i, bucket := range touched {
				list[i] = fmt.Sprint(bucket)
			}
			in := "_bucket IN (" + strings.Join(list, ",") + ")"
			if err := b.runSpan(ctx, c, cs, s, " AND NOT "+in, false); err != nil {
				return err
			}
			if err := b.runSpan(ctx, c, cs, s, " AND "+in, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// runSpan reads the rows of one span. Everything in the SQL is a number, a name of ours, or a literal that Value.SQL has quoted.
func (b batchQuery) runSpan(ctx context.Context, c *engine.Conn, cs *cells, s span, buckets string, states bool) error {
	columns := []string{"_bucket"}
	for i := range b.plan.View.Dimensions {
		columns = append(columns, fmt.Sprintf("d%d", i))
	}
	firstCount := len(columns)
	columns = append(columns, "_events", "_late", "_errors")
	firstExact := len(columns)
	for _, m := range b.q.stored {
		columns = append(columns, b.plan.ExactColumns(m)...)
	}
	firstState := -1
	if states {
		firstState = len(columns)
		for _, col := range b.plan.StateColumns() {
			columns = append(columns, col.Name)
		}
	}
	var where strings.Builder
	where.WriteString(b.snap.files() + buckets)
	if s.from != beginning {
		fmt.Fprintf(&where, " AND _bucket >= %d", s.from)
	}
	if s.to != forever {
		fmt.Fprintf(&where, " AND _bucket < %d", s.to)
	}
	for _, condition := range b.q.filter.prefilter() {
		where.WriteString(" AND " + condition)
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns, ", "), b.snap.tables.name(s.grain.Name, b.set), where.String())
	var dims []algebra.Value
	err := c.Query(ctx, sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			cs.looked++
			dims = b.plan.ReadKey(row, 1, dims[:0])
			if !b.q.filter.passes(dims) {
				continue
			}
			if err := cs.addBatch(row.Int64(0), dims, row, firstCount, firstExact, firstState); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read batch results of %s: %w", b.plan.View.Name, err)
	}
	return nil
}

// buckets lists the buckets of the cells.
func (cs *cells) buckets() []int64 {
	seen := map[int64]bool{}
	for k := range cs.byKey {
		seen[k.bucket] = true
	}
	list := make([]int64, 0, len(seen))
	for b := range seen {
		list = append(list, b)
	}
	slices.Sort(list)
	return list
}

// required are the conditions that a cell must meet whatever the rest of the filter says.
func (f *filter) required() []predicate {
	switch root := f.root.(type) {
	case nil:
		return nil
	case allOf:
		return root
	}
	return []predicate{f.root}
}

// pinned are the dimensions that the filter leaves only one value.
func (f *filter) pinned() uint32 {
	var dims uint32
	for _, p := range f.required() {
		if c, ok := p.(comparison); ok && c.op == equal {
			dims |= 1 << c.dim
		}
		if o, ok := p.(oneOf); ok && len(o.values) == 1 {
			dims |= 1 << o.dim
		}
	}
	return dims
}

// prefilter is what of the filter DuckDB can look at before rows are read: conditions that follow from the filter, over literals made
// from typed values. The filter itself is applied to every row all the same.
func (f *filter) prefilter() []string {
	var conditions []string
	for _, p := range f.required() {
		switch p := p.(type) {
		case comparison:
			if p.op == equal {
				conditions = append(conditions, fmt.Sprintf("d%d = %s", p.dim, p.value.SQL()))
			}
		case oneOf:
			literals := make([]string, len(p.values))
			for i, v := range p.values {
				literals[i] = v.SQL()
			}
			conditions = append(conditions, fmt.Sprintf("d%d IN (%s)", p.dim, strings.Join(literals, ", ")))
		}
	}
	return conditions
}

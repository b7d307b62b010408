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
	b.oneToOne = q.grain != nil && q.paned == nil && set&^(answered|q.filter.pinned()) == 0
	return b
}

// touchedBuckets bounds the list of buckets whose states are read apart; with more of them the states of all are read.
const touchedBuckets = 100

// run adds the stored rows to the cells, which hold the speed layer's share already. States are read only where something has to be
// merged: the exact answers of an untouched bucket need none.
func (b batchQuery) run(ctx context.Context, st *store, cs *cells) error {
	if len(b.snap.manifest.Files) == 0 {
		return nil
	}
	// Later buckets have no stored rows; to name them would make another statement of each minute.
	touched := slices.DeleteFunc(cs.buckets(), func(bucket int64) bool { return bucket >= b.snap.to })
	for _, s := range b.q.spans {
		switch {
		case !b.oneToOne || len(touched) > touchedBuckets:
			if err := b.runSpan(ctx, st, cs, s, "", true); err != nil {
				return err
			}
		case len(touched) == 0:
			if err := b.runSpan(ctx, st, cs, s, "", false); err != nil {
				return err
			}
		default:
			list := make([]string, len(touched))
			for i, bucket := range touched {
				list[i] = fmt.Sprint(bucket)
			}
			in := "_bucket IN (" + strings.Join(list, ",") + ")"
			if err := b.runSpan(ctx, st, cs, s, " AND NOT "+in, false); err != nil {
				return err
			}
			if err := b.runSpan(ctx, st, cs, s, " AND "+in, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// runSpan reads the rows of one span, from memory if they are kept there.
func (b batchQuery) runSpan(ctx context.Context, st *store, cs *cells, s span, buckets string, states bool) error {
	columns := b.columns(states)
	sql := b.sql(columns, s, buckets)
	key := rowsKey{b.snap, b.plan.Selection(), b.q.set(), sql}
	rows, done, err := st.rows.get(ctx, key)
	if err != nil {
		return fmt.Errorf("wait for the batch results of %s: %w", b.plan.View.Name, err)
	}
	if done == nil {
		for i := range rows {
			if err := b.add(cs, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	defer done()
	conn, put, err := st.reader(ctx)
	if err != nil {
		return err
	}
	defer put()
	keep := &keptRows{key: key}
	err = conn.Query(ctx, sql, func(chunk *engine.Chunk) error { return b.addChunk(cs, chunk, columns, keep, st.rows.largest()) })
	if err != nil {
		return fmt.Errorf("read batch results of %s: %w", b.plan.View.Name, err)
	}
	if keep.bytes > st.rows.largest() {
		return nil
	}
	if b.set != b.q.set() && states {
		keep.replace(b.plan, mergedOver(b.plan, keep.rows, b.q.set()))
	}
	st.rows.keep(keep)
	return nil
}

// batchColumns are those that a statement reads, and where each kind begins.
type batchColumns struct {
	names               []string
	count, exact, state int // state is -1 where none is read
}

func (b batchQuery) columns(states bool) batchColumns {
	c := batchColumns{names: []string{"_bucket"}, state: -1}
	for i := range b.plan.View.Dimensions {
		c.names = append(c.names, fmt.Sprintf("d%d", i))
	}
	c.count = len(c.names)
	c.names = append(c.names, "_events", "_late", "_errors")
	c.exact = len(c.names)
	for _, m := range b.q.stored {
		c.names = append(c.names, b.plan.ExactColumns(m)...)
	}
	if states {
		c.state = len(c.names)
		for _, col := range b.plan.StateColumns() {
			c.names = append(c.names, col.Name)
		}
	}
	return c
}

// sql reads the rows of one span. Everything in it is a number, a name of ours, or a literal that Value.SQL has quoted.
func (b batchQuery) sql(columns batchColumns, s span, buckets string) string {
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
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns.names, ", "), b.snap.tables.name(s.grain.Name, b.set), where.String())
}

// addChunk decodes the rows of a chunk and adds them. They are noted in keep too, until it has grown beyond limit bytes.
func (b batchQuery) addChunk(cs *cells, chunk *engine.Chunk, columns batchColumns, keep *keptRows, limit int64) error {
	rows := make([]storedRow, chunk.Len())
	var states []algebra.State
	if columns.state >= 0 {
		states = b.plan.NewStates(chunk.Len())
	}
	for i := range rows {
		row, r := chunk.Row(i), &rows[i]
		r.bucket, r.dims, r.rows = row.Int64(0), b.plan.ReadKey(row, 1, nil), 1
		if keep.bytes > limit && !b.q.filter.Passes(r.dims) {
			cs.looked++
			continue
		}
		r.counts = counts{row.Int64(columns.count), row.Int64(columns.count + 1), row.Int64(columns.count + 2)}
		r.exact = make([]algebra.Value, len(b.q.stored))
		at := columns.exact
		for k, m := range b.q.stored {
			r.exact[k] = b.plan.ReadExact(row, at, m)
			at += len(b.plan.ExactColumns(m))
		}
		if columns.state >= 0 {
			r.state = &states[i]
			if err := b.plan.ReadState(row, columns.state, r.state); err != nil {
				return err
			}
		}
		keep.note(b.plan, r, limit)
		if err := b.add(cs, r); err != nil {
			return err
		}
	}
	return nil
}

// add adds a row that passes the filter.
func (b batchQuery) add(cs *cells, r *storedRow) error {
	cs.looked++
	if !b.q.filter.Passes(r.dims) {
		return nil
	}
	return cs.addStored(r)
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

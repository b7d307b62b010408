package serving

import (
	"fmt"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// source says which layers a row comes from.
type source string

const (
	fromBatch source = "batch"
	fromSpeed source = "speed"
	fromBoth  source = "merged"
	fromLake  source = "lake"

	fromNothing source = "none"   // no event is in the row: what it is compared with has some
	fromFill    source = "filled" // no event is in the row, and its numbers are those that fill gives it
)

// cell is one row of the answer in the making: a bucket, or the whole range, and values of the dimensions asked for.
type cell struct {
	bucket int64 // µs UTC; 0 where the query has no grain
	end    int64 // of a window's row: of a hop exclusive, of a session the time of its last event
	dims   []algebra.Value
	rows   int             // rows of batch that fell into it
	counts counts          // of both layers
	exact  []algebra.Value // exact answers of question.stored, of the only row
	batch  *algebra.State  // nil: no row, or a row whose state was not needed
	speed  *algebra.State  // nil: no events
	live   bool            // events of the speed layer are in it

	unsettled bool    // a session that may begin earlier: see windows.Row
	panes     []*cell // of a window's row, where question.keep says so
}

// counts are what every cell counts, whatever its measures.
type counts struct{ events, late, errors int64 }

func (c *counts) add(o counts) {
	c.events += o.events
	c.late += o.late
	c.errors += o.errors
}

func (c *cell) source() source {
	switch {
	case !c.live:
		return fromBatch
	case c.rows == 0:
		return fromSpeed
	}
	return fromBoth
}

// answer is the merge: exact values of batch where nothing else fell into the cell, else the merged states; for what cannot be added
// up, batch's exact value plus what the merged sketch adds to batch's own (SEAM, "one late event").
func (c *cell) answer(p *algebra.Plan, stored []int) []algebra.Answer {
	answers := make([]algebra.Answer, len(stored))
	if c.rows == 1 && c.speed == nil {
		for i := range stored {
			answers[i] = p.Exactly(c.exact[i], stored[i])
		}
		return answers
	}
	merged := c.batch
	switch {
	case merged == nil:
		merged = c.speed
	case c.speed != nil:
		merged = p.New()
		p.Merge(merged, c.batch)
		p.Merge(merged, c.speed)
	}
	for i, m := range stored {
		if c.rows == 1 {
			answers[i] = p.Combine(c.exact[i], c.batch, merged, m, c.speed.Events())
		} else {
			answers[i] = p.Final(merged, m)
		}
		if p.View.Measures[m].Agg == view.CountDistinct && !answers[i].Exact && !answers[i].Value.IsNull() {
			answers[i].Bound = c.distinctBound(&answers[i], i)
		}
	}
	return answers
}

// distinctBound is the relative bound of a distinct count. Beside one row of batch the truth is not below its exact count, nor above it by
// more than speed's events: a late event makes a count of a million uncertain by one, not by five in a hundred.
func (c *cell) distinctBound(a *algebra.Answer, i int) float64 {
	count := max(1, a.Value.Float64())
	bound := a.Bound
	if c.rows == 1 && !c.exact[i].IsNull() {
		added := a.Value.Float64() - c.exact[i].Float64()
		bound = min(bound, max(added, float64(c.speed.Events())-added)/count)
	}
	return bound
}

// cells collects what the layers hold for a question, within the memory that a query may take.
type cells struct {
	plan      *algebra.Plan
	q         *question
	byKey     map[cellKey]*cell
	budget    int64 // bytes left
	key       []byte
	dims      []algebra.Value
	first     int64 // smallest and largest bucket seen, before merging into the range
	last      int64
	looked    int64           // stored rows and cells that were looked at
	unsettled bool            // of some session in the range it is not known where it begins
	others    map[int64]int64 // by bucket: events of the speed layer that may belong to other rows than they are in, or to none
}

type cellKey struct {
	bucket int64
	dims   string
}

func newCells(plan *algebra.Plan, q *question, budget int64) *cells {
	return &cells{plan: plan, q: q, byKey: map[cellKey]*cell{}, others: map[int64]int64{}, budget: budget, first: forever, last: beginning}
}

// cellBytes is roughly what an entry of byKey takes beside its values and states.
const cellBytes = 256

// find returns the cell that a bucket and the values of all dimensions fall into; all is not retained.
func (cs *cells) find(bucket int64, all []algebra.Value) (*cell, error) {
	cs.first, cs.last = min(cs.first, bucket), max(cs.last, bucket)
	if cs.q.grain == nil {
		bucket = 0
	}
	cs.dims = cs.dims[:0]
	for _, d := range cs.q.dims {
		cs.dims = append(cs.dims, all[d])
	}
	cs.key = algebra.AppendKey(cs.key[:0], cs.dims)
	if c := cs.byKey[cellKey{bucket, string(cs.key)}]; c != nil {
		return c, nil
	}
	c := &cell{bucket: bucket, dims: append([]algebra.Value(nil), cs.dims...)}
	cs.byKey[cellKey{bucket, string(cs.key)}] = c
	return c, cs.charge(int64(cellBytes + 2*len(cs.key) + 48*(len(cs.dims)+len(cs.q.stored))))
}

// charge takes memory from the query's budget.
func (cs *cells) charge(bytes int64) error {
	if cs.budget -= bytes; cs.budget >= 0 {
		return nil
	}
	return tooLarge(fmt.Sprintf("the answer has more than %d cells, which do not fit into the memory of one query", len(cs.byKey)-1),
		"ask for fewer dimensions, a shorter range, a coarser grain, or filter by a dimension")
}

// addTo merges a state into the one at *into, which is made if it is nil.
func (cs *cells) addTo(into **algebra.State, merge func(dst *algebra.State)) error {
	before := 0
	if *into == nil {
		*into = cs.plan.New()
	} else {
		before = cs.plan.Size(*into)
	}
	merge(*into)
	return cs.charge(int64(cs.plan.Size(*into) - before))
}

// addSpeed adds one cell of the speed layer that passed the filter.
func (cs *cells) addSpeed(bucket int64, all []algebra.Value, state *algebra.State) error {
	c, err := cs.find(bucket, all)
	if err != nil {
		return err
	}
	c.counts.add(counts{state.Events(), state.Late(), state.Errors()})
	c.live = true
	return cs.addTo(&c.speed, func(dst *algebra.State) { cs.plan.Merge(dst, state) })
}

// addStored adds one stored row that passed the filter.
func (cs *cells) addStored(r *storedRow) error {
	c, err := cs.find(r.bucket, r.dims)
	if err != nil {
		return err
	}
	c.counts.add(r.counts)
	if c.rows += r.rows; c.rows == 1 {
		c.exact = r.exact
	}
	if r.state == nil {
		if c.rows > 1 || c.speed != nil {
			panic(fmt.Sprintf("BUG: the state of a row of view %s was not read, yet has to be merged", cs.plan.View.Name))
		}
		return nil
	}
	return cs.addTo(&c.batch, func(dst *algebra.State) { cs.plan.Merge(dst, r.state) })
}

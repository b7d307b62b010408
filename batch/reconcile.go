package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// comparison sets what the layers answered before a publish beside what they answer after it: the old snapshot merged with the epochs
// that the cut closed against the new snapshot, at one grain, each combination of dimension values and their total.
type comparison struct {
	job       *job
	conn      *engine.Conn
	plan      *algebra.Plan
	unit      string
	grain     view.Grain
	full      uint32         // the grouping set of all dimensions
	totals    bool           // the view has dimensions, so a total is another cell
	stored    bool           // the totals are in the view files
	estimates bool           // some answers of a merge are estimates
	limits    limited        // what the limits of the speed layer did to the periods in hand
	unread    map[int]string // partitions of which the speed layer did not hold every record between the cuts, and why
	book      *book
	scratch   *algebra.State
}

// cell is one answer before the publish.
type cell struct {
	place
	exact  []algebra.Value // of the old snapshot, by measure; nil where it had no such cell
	batch  *algebra.State
	merged *algebra.State
	speed  int64 // events that the speed layer saw
}

// outcome is what the records make of a cell.
type outcome struct {
	exact  []algebra.Value // by measure
	events int64
	state  *algebra.State // nil where nobody needs it
}

// prior is what the records make of a cell before a cause for which other events are left out now.
type prior struct {
	outcome
	then ledger.Class // the cause
}

// Bounds of the cells in memory: periods that are compared at once, of days and of longer units.
const (
	daysAtOnce  = 32
	longsAtOnce = 4
)

// cheapRows bounds what the files of a unit may hold for the ledger to look at it beside the shortest one.
const cheapRows = 20_000

// rowsOf is how many rows the run computed in the files of a unit.
func (j *job) rowsOf(unit string) int64 {
	rows := int64(0)
	for _, f := range j.files {
		if f.Unit == unit {
			rows += f.Rows
		}
	}
	return rows
}

// reconcile writes the ledger of a job whose files are computed. What it finds stops no publish: the new answers come from the log alone.
func (c *computation) reconcile(ctx context.Context, j *job) error {
	if err := c.runner.step("before-reconcile"); err != nil {
		return err
	}
	b, began := j.newBook(), time.Now()
	if j.role != Answering && j.current.Run == lake.FirstRun {
		b.Comparable, b.Reason = false, "no answer came from this definition before"
	} else if err := c.compareLayers(ctx, j, b); err != nil {
		return err
	}
	c.runner.cfg.Logger.Debug("reconciled", "view", j.view.Name, "cells", b.Cells, "changed", b.Changed, "seconds", time.Since(began).Seconds())
	return b.put(ctx)
}

// comparedGrain is a grain that the ledger looks at, in the files of a unit.
type comparedGrain struct {
	unit  string
	grain view.Grain
}

// comparedGrains are the coarsest grain of each unit's files: few cells, and every record is in one of each. The first is always compared,
// the longer ones where they are cheap.
func comparedGrains(v *view.View) []comparedGrain {
	var list []comparedGrain
	for _, u := range units {
		if grains := grainsOf(v, u.name); len(grains) > 0 {
			list = append(list, comparedGrain{u.name, grains[len(grains)-1]})
		}
	}
	return list
}

// compareLayers compares the answers of both layers before the publish with those of batch after it.
func (c *computation) compareLayers(ctx context.Context, j *job, b *book) error {
	unread, err := j.untiled(ctx)
	if err != nil {
		return err
	}
	if j.current.Run == lake.FirstRun && len(unread) == len(j.cuts) && len(unread) > 0 {
		// Nothing was answered before, so that nothing changed: the first run over a long history need not list all of it.
		b.Comparable, b.Reason = false, "there was no answer before: "+j.reasons(unread)
		return nil
	}
	for {
		err := c.compareGrains(ctx, j, b, unread)
		var failed *speedError
		if ctx.Err() == nil && errors.As(err, &failed) && unread[failed.partition] == "" {
			// All again without the partition, as a query would have answered.
			unread[failed.partition] = failed.Error()
			b.erase()
			continue
		}
		if len(unread) > 0 {
			b.Comparable, b.Reason = false, j.reasons(unread)
		}
		return err
	}
}

// reasons says why partitions are unread, those of one reason together.
func (j *job) reasons(unread map[int]string) string {
	byReason := map[string][]string{}
	for _, slot := range slices.Sorted(maps.Keys(unread)) {
		name := fmt.Sprint(slot)
		if of, partition := j.unslot(slot); !newest(slot) {
			name = fmt.Sprintf("%d of life %d", partition, of.Incarnation)
		}
		byReason[unread[slot]] = append(byReason[unread[slot]], name)
	}
	list := make([]string, 0, len(byReason))
	for reason, partitions := range byReason {
		list = append(list, fmt.Sprintf("partition %s: %s", strings.Join(partitions, ", "), reason))
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

func (c *computation) compareGrains(ctx context.Context, j *job, b *book, unread map[int]string) error {
	for i, g := range comparedGrains(j.view) {
		if i > 0 && j.rowsOf(g.unit) > cheapRows {
			continue
		}
		cmp := &comparison{job: j, conn: c.conn, plan: j.plan, unit: g.unit, grain: g.grain, full: j.plan.Sets()[0], unread: unread, book: b, scratch: j.plan.New()}
		cmp.totals = len(j.view.Dimensions) > 0
		cmp.stored = slices.Contains(j.plan.Sets(), 0)
		for m := range j.view.Measures {
			cmp.estimates = cmp.estimates || !j.plan.Additive(m)
		}
		b.Grains = append(b.Grains, g.grain.Name)
		atOnce := longsAtOnce
		if g.unit == units[0].name {
			atOnce = daysAtOnce
		}
		for some := range slices.Chunk(ofUnit(j.periods, g.unit), atOnce) {
			if err := cmp.compare(ctx, some); err != nil {
				return err
			}
		}
	}
	return nil
}

func ofUnit(periods []period, unit string) []period {
	var of []period
	for _, p := range periods {
		if p.unit == unit {
			of = append(of, p)
		}
	}
	return of
}

// untiled says of which partitions the speed layer's epochs do not cover exactly the records between the two cuts, and why.
func (j *job) untiled(ctx context.Context) (map[int]string, error) {
	unread := map[int]string{}
	patience := evenWithin
	for _, p := range slices.Sorted(maps.Keys(j.cuts)) {
		if offsets, ok := j.between[p]; ok {
			unread[p] = fmt.Sprintf("the lake begins at offset %d, before the first snapshot's boundary %d", offsets[0], offsets[1])
			continue
		}
		if !j.spoke(p) {
			continue
		}
		m, ok, err := j.peekEven(ctx, p, &patience)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			unread[p] = err.Error()
		case !ok:
			unread[p] = "the speed layer holds nothing"
		default:
			if reason := j.untiledBy(m, p); reason != "" {
				unread[p] = reason
			}
		}
	}
	return unread, nil
}

// spoke says whether answers before the publish held records of a slot from the speed layer.
func (j *job) spoke(slot int) bool {
	return j.takes(slot) || j.from(slot) != j.cuts[slot].Offset
}

// untiledBy says why the epochs of a state do not cover exactly the records between the two cuts; "" where they do. Of a life that is over
// all epochs count that there are: the next snapshot is the last word on it.
func (j *job) untiledBy(m live.Meta, slot int) string {
	from, to := j.from(slot), j.cuts[slot].Offset
	if m.Holds(from) && (m.Holds(to) || !newest(slot) && m.Off >= to) {
		return j.unevenBy(m, slot)
	}
	return fmt.Sprintf("the speed layer has the epochs %v, which do not tile the offsets from %d to %d", m.Starts, from, to)
}

// from is V of the snapshot before.
func (j *job) from(slot int) int64 {
	if cut, ok := j.was[slot]; ok {
		return cut.Offset
	}
	return j.starts[slot] // 0 in a life that is over
}

// compare looks at the cells of some periods.
func (c *comparison) compare(ctx context.Context, periods []period) error {
	cells, err := c.before(ctx, periods)
	if err != nil {
		return err
	}
	p, err := c.priors(ctx, periods)
	if err != nil {
		return err
	}
	sums := map[int64]*algebra.State{} // of totals that are not stored
	err = c.rows(ctx, c.job.files, periods, func(r *storedRow) error {
		before := cells[r.name]
		if before == nil {
			before = c.empty(r.bucket, r.total, r.dims())
		}
		delete(cells, r.name)
		after, err := c.outcome(r)
		if err != nil {
			return err
		}
		if c.totals && !c.stored {
			if sums[r.bucket] == nil {
				sums[r.bucket] = c.plan.New()
			}
			c.plan.Merge(sums[r.bucket], after.state)
		}
		c.judge(before, c.prior(p, before, r.name), after)
		return nil
	})
	if err != nil {
		return err
	}
	for bucket, state := range sums {
		name := totalName(bucket)
		before := cells[name]
		if before == nil {
			before = c.empty(bucket, true, nil)
		}
		delete(cells, name)
		c.judge(before, c.prior(p, before, name), c.final(state))
	}
	// Answers that the new snapshot has not at all.
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		c.judge(cells[name], c.prior(p, cells[name], name), c.nothing())
	}
	return nil
}

// judge notes the measures of a cell whose answers changed. priors are what the records make of it before each cause for which other events
// are left out now, in order; none where these are the same.
func (c *comparison) judge(before *cell, priors []prior, after outcome) {
	c.book.Cells++
	erasing := slices.ContainsFunc(priors, func(p prior) bool { return p.then == ledger.Erasure })
	for i := range c.job.view.Measures {
		m := &c.job.view.Measures[i]
		if !m.Agg.Stored() {
			continue
		}
		was := c.answer(before, i)
		if same(was, after.exact[i]) {
			continue
		}
		counted := after // by whom batch and speed agree about which records count
		if len(priors) > 0 {
			counted = priors[0].outcome
		}
		steps := []step{{value: was.Value}}
		if !same(was, counted.exact[i]) {
			steps = append(steps, step{c.cause(before, was, counted, i), counted.exact[i]})
		}
		at := counted.exact[i]
		for k, p := range priors {
			to := after.exact[i]
			if k+1 < len(priors) {
				to = priors[k+1].exact[i]
			}
			if algebra.Compare(at, to) != 0 || k+1 == len(priors) && len(steps) == 1 {
				steps = append(steps, step{p.then, to})
			}
			at = to
		}
		c.book.add(before.place, m, steps, erasing)
	}
}

// answer is what a query answered for a measure of a cell before the publish.
func (c *comparison) answer(before *cell, measure int) algebra.Answer {
	if before.merged.Events() == 0 && before.exact == nil {
		return algebra.Answer{Exact: true} // there was no row
	}
	if before.exact == nil {
		return c.plan.Combine(algebra.Null(), before.batch, before.merged, measure, before.speed)
	}
	return c.plan.Combine(before.exact[measure], before.batch, before.merged, measure, before.speed)
}

// cause is why an answer was not what the same records, by batch's account, make of it.
func (c *comparison) cause(before *cell, was algebra.Answer, counted outcome, measure int) ledger.Class {
	if !was.Exact && counted.state != nil && before.merged.Events() == counted.state.Events() && c.plan.Agree(before.merged, counted.state, measure) {
		return ledger.SketchError
	}
	if class := c.limitedBy(before, counted); class != "" {
		return class
	}
	if len(c.unread) > 0 || c.job.loses() || c.lostTo(before, counted) {
		return ledger.Coverage
	}
	return ledger.Unexplained
}

// same says whether an answer stayed what it was; sums of doubles up to the order in which they were added.
func same(was algebra.Answer, now algebra.Value) bool {
	if was.Value.IsNull() || now.IsNull() {
		return was.Value.IsNull() == now.IsNull()
	}
	if !was.Exact && was.Bound == 0 {
		a, b := was.Value.Float64(), now.Float64()
		return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
	}
	return algebra.Compare(was.Value, now) == 0
}

// loses says whether this publish is the first without records that the speed layer had counted of a life that is over.
func (j *job) loses() bool {
	for slot := range j.cuts {
		if j.takes(slot) {
			return true
		}
	}
	return false
}

package seamtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving"
)

// heal takes all faults back, waits until everything is whole again (DESIGN 12.8), and compares all answers: live, then from a batch over
// what changed, then from a full one.
func (c *chaos) heal() {
	c.note("", "heal")
	c.gate.set(false)
	for _, s := range c.stores {
		s.calm()
	}
	c.batches.calm()
	for name, r := range c.workers {
		r.steps.calm()
		r.stop()
		delete(c.workers, name)
	}
	for name, k := range c.keepers {
		k.steps.calm()
		c.must(c.stopArchive(name))
	}
	c.must(c.startWorker("a", "", calmPace()))
	c.must(c.startArchive("x", "", 0))
	c.batching.Wait()
	c.must(c.failure())
	c.must(c.unlock())   // a fault may have kept a run from giving its lock back
	c.must(c.archived()) // the speed layer waits for it where it alone can tell what is missing
	if err := c.flushed(); err != nil {
		c.must(fmt.Errorf("%w; the worker says %+v", err, c.workers["a"].speed.Status()))
	}
	c.compareAll(true)
	c.must(c.compareLake())
	for _, full := range []bool{false, true} {
		c.must(c.finalBatch(fmt.Sprintf("final-%v", full), full))
		c.must(c.flushed())
		c.compareAll(false)
	}
	c.healReplays()
	c.must(c.estimates.check())
}

func (c *chaos) finalBatch(run string, full bool) error {
	report, err := c.World.batch(batch.RunOptions{RunID: run, Full: full})
	if err != nil {
		return err
	}
	for _, v := range report.Views {
		c.note("", "  %s: %s below %v", v.View, v.Snapshot, v.Cuts)
		if v.Unexplained > 0 {
			return fmt.Errorf("%w: the ledger of %s has %d answers that changed and nobody knows why", errWrong, v.Snapshot, v.Unexplained)
		}
	}
	return nil
}

// askWhole asks until the answer is whole: on a busy machine Redis may take longer to answer than a query waits for it. Every answer on the way is compared.
func (c *chaos) askWhole(q serving.Query, first bool) *serving.Result {
	var r *serving.Result
	fresh := true
	c.must(c.until("an answer that is whole after everything was healed", func() error {
		var err error
		r, err = c.ask(q, fresh)
		c.must(err)
		c.tally.Queries++
		fresh = false
		gone := slices.ContainsFunc(r.Provenance.Partitions, func(p serving.Coverage) bool { return len(p.Missing) > 0 })
		if r.Provenance.Partial && !(first && (gone || len(r.Provenance.Incomplete) > 0 || c.inLife() > 1)) {
			return errors.New(r.Provenance.Reason)
		}
		return nil
	}))
	return r
}

// compareAll asks for everything; nothing may be behind the log, nor partial. Before the first batch some may be left to it by the limits of the
// speed layer, some be of lives that are over, and some gone.
func (c *chaos) compareAll(first bool) {
	ends, err := c.ends()
	c.must(err)
	for _, q := range []serving.Query{
		{View: "sales", Grain: "1m", Dimensions: []string{"country"}, Limit: 1_000_000}, {View: "sales", Grain: "1m", Limit: 1_000_000},
		{View: "sales", Grain: "1h", Dimensions: []string{"country"}}, {View: "sales", Grain: "1h"}, {View: "sales", Grain: "1d", Dimensions: []string{"country"}},
		{View: "sales", Grain: "1d"}, {View: "sales"}, {View: "people", Grain: "1d"}, {View: "people"},
		{View: "sales", Window: "last_3h"}, {View: "sales", Window: "last_5m", Dimensions: []string{"country"}, Limit: 1_000_000}, {View: "sales", Window: "visits", Limit: 1_000_000},
	} {
		r := c.askWhole(q, first)
		for _, p := range r.Provenance.Partitions {
			if p.Incarnation == c.inLife() && p.Served != ends[p.Partition] {
				c.must(fmt.Errorf("partition %d is served up to %d of %d after everything was healed", p.Partition, p.Served, ends[p.Partition]))
			}
		}
	}
}

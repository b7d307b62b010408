package seamtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/batch"
)

// replayPatience bounds how long a replay of a plan waits for layers that are down; it then fails, as for a person who gives up.
const replayPatience = 5 * time.Second

// replay changes the definition of sales, and starts a replay, an undo or a drop beside what follows, unless a batch runs.
func (c *chaos) replay() {
	select {
	case c.busy <- struct{}{}:
	default:
		return
	}
	name := []string{"shop", "large"}[c.random.IntN(2)]
	c.must(c.define(name))
	fuse := 0
	if c.random.IntN(2) == 0 {
		fuse = 1 + c.random.IntN(24)
	}
	c.runs++
	o := batch.ReplayOptions{RunID: fmt.Sprintf("p%d", c.runs), Switch: c.random.IntN(3) > 0}
	what := []string{"replay", "replay", "replay", "undo", "drop"}[c.random.IntN(5)]
	c.note("", "%s %s begins, sales is defined as %s, switch %v, fuse %d", what, o.RunID, name, o.Switch, fuse)
	c.batches.light(fuse)
	c.batching.Go(func() {
		c.carryOutReplay(what, o)
		<-c.busy
	})
}

func (c *chaos) carryOutReplay(what string, o batch.ReplayOptions) {
	ctx, cancel := context.WithTimeout(c.ctx, replayPatience)
	defer cancel()
	var done batch.Replayed
	var err error
	switch what {
	case "replay":
		done, err = c.World.replay(ctx, o)
	case "undo":
		done, err = c.runner.Undo(ctx, "sales", o)
		err = c.unlockAfter(err)
	default:
		_, err = c.runner.Drop(ctx, "sales")
		err = c.unlockAfter(err)
	}
	fault := ""
	switch {
	case errors.Is(err, errCrash):
		fault = what + " crash"
	case err == nil && done.Switched:
		fault = "switch of definitions"
	case err == nil && done.Rebuilt != nil:
		fault = "replay"
	case err == nil && what == "drop":
		fault = "drop of definitions"
	}
	c.note(fault, "%s %s ends: %v; %+v", what, o.RunID, err, done.Definition)
	for _, v := range done.Rebuilt {
		if v.Unexplained > 0 {
			c.fail(fmt.Errorf("%w: the ledger of %s has %d answers that changed and nobody knows why", errWrong, v.Snapshot, v.Unexplained))
		}
	}
	if l := done.Difference; l != nil && l.Unexplained > 0 {
		c.fail(fmt.Errorf("%w: a switch has %d answers that nobody can explain", errWrong, l.Unexplained))
	}
}

// healReplays goes to the other definition, if there is one, where everything has to be as whole, and lets go of it.
func (c *chaos) healReplays() {
	a, _, err := c.lake.Active(c.ctx, "sales")
	c.must(err)
	if a.Previous != "" {
		_, err := c.runner.Undo(c.ctx, "sales", batch.ReplayOptions{})
		c.must(err)
		c.note("", "sales answers from %s again", c.nameOf(a.Previous))
		c.compareAll(false)
	}
	_, err = c.runner.Drop(c.ctx, "sales")
	c.must(err)
	c.compareAll(false)
}

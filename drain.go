package main

import (
	"context"
	"errors"
	"time"
)

// defaultNotice is how long a process that serves goes on taking questions after SIGTERM, while /readyz says that it is about to stop: balancers that
// look every second or two have gone elsewhere by then.
const defaultNotice = 3 * time.Second

// drainTime is how long open requests may take to finish at shutdown, and when the definitions have changed.
const drainTime = 10 * time.Second

// errDraining is what /readyz says of a process that has been told to stop.
var errDraining = errors.New("the process is being stopped")

// readyTime is how long what is to answer after a change of definitions may take to load what it answers from, while what was there before answers.
const readyTime = 5 * time.Second

// awaitReady waits until the parts have what they answer from, for readyTime at most: a view that is new has no snapshot before a batch.
func (p *parts) awaitReady(ctx context.Context) {
	if p.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.server.Ready() != nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

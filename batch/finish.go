package batch

import (
	"context"
	"time"
)

// finishTime is what a step may take after the process was told to end: finished now it need not be done again.
const finishTime = 20 * time.Second

// finishing is a context for a step that is to be finished although ctx ends: it ends finishTime later, or when cancel is called.
func finishing(ctx context.Context) (_ context.Context, cancel func()) {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(finishTime, end)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return work, func() { stop(); end() }
}

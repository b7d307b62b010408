package main

import (
	"context"
	"fmt"
)

// Shares of the interactive demo: what is sent before the first batch, and how fast the rest flows (records per second and topic).
const (
	firstPart = retailLines * 7 / 10
	restRate  = 400
)

// show loads the first part of the history, runs the batch over it, and lets the rest flow while the page is open.
func (d *demonstration) show(ctx context.Context) error {
	if err := d.send(ctx, firstPart, 0); err != nil {
		return err
	}
	if d.state.Stage == 0 {
		if err := d.batch(ctx); err != nil {
			return err
		}
		if err := d.keep(func(s *demoState) { s.Stage = 1 }); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.stdout, `
The first part of the history is batched; the rest flows through the speed layer while you look.

  page   %[1]s
  try    ./bin/caudal query revenue --measures net_revenue --dimensions country --order=-net_revenue --limit 5 --project %[2]s
         ./bin/caudal status --project %[2]s
         ./bin/caudal batch run --project %[2]s

Ctrl-C stops it; started again, it goes on where it was.

`, d.url, d.dir)
	if err := d.send(ctx, 0, restRate); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	<-ctx.Done()
	return nil
}

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
)

func statusCommand(a *app) *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:     "status",
		Short:   "Lag of both layers, watermark, freshness and snapshot, per view and partition",
		Example: "  caudal status\n  caudal status --watch\n  caudal status -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return a.watchStatus(c.Context())
			}
			s, text, err := a.fetchStatus(c.Context())
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(json.RawMessage(text))
			}
			return a.printStatus(s)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "show it again every 2 s, until Ctrl-C: drawn over itself on a terminal, elsewhere a line for each view that changed")
	return c
}

func (a *app) printStatus(s serving.Status) error {
	var rows [][]string
	for _, v := range s.Views {
		for _, p := range v.Partitions {
			state := "ok"
			if !p.Healthy {
				state = p.Reason
			}
			if p.Other > 0 {
				state += fmt.Sprintf(", %d events under __other__", p.Other)
			}
			if p.Deferred > 0 {
				state += fmt.Sprintf(", %d left to the batch", p.Deferred)
			}
			rows = append(rows, []string{
				v.View, fmt.Sprint(p.Partition), number(p.LogEnd), fmt.Sprint(p.Batch), number(p.Speed), number(p.Archive),
				number(p.Lag.Speed), number(p.Lag.Archive), p.Watermark, v.Snapshot, state,
			})
		}
		if v.Error != "" {
			rows = append(rows, []string{v.View, "", "", "", "", "", "", "", "", v.Snapshot, v.Error})
		}
	}
	if a.output == "table" {
		for _, b := range s.Batch {
			of := "all views"
			if b.View != "" {
				of = "view " + b.View
			}
			fmt.Fprintf(a.stdout, "a batch of %s is asked for since %s (%s): %s\n", of, b.Since, b.Cause, b.Reason)
		}
	}
	return a.print(s, []string{"view", "partition", "log end", "batch", "speed", "archive", "speed lag", "archive lag", "watermark", "snapshot", "state"}, rows)
}

func number(n *int64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

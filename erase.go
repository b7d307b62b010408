package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch"
)

func eraseCommand(a *app) *cobra.Command {
	var o batch.EraseOptions
	c := &cobra.Command{
		Use:   "erase --source SOURCE --where CONDITION",
		Short: "Forget events for good: in the lake, in the views, in Redis",
		Long: "Takes the events that meet the condition, and the dead letters that are named, out of the lake, computes the views without them, deletes what\n" +
			"older snapshots and Redis hold of them, and looks again. Records that are produced later stay. It cannot be undone. One that was stopped is\n" +
			"finished by the same command. Look first with --dry-run.",
		Example: "  caudal erase --source orders --where \"customer_id = '17850'\" --contains 17850 --dry-run\n  caudal erase --source orders --where \"customer_id = '17850'\" --contains 17850 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Source == "" {
				return usageError{errors.New("--source is missing")}
			}
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				show := &stepProgress{app: a}
				o.Progress = show.step
				report, err := r.Erase(c.Context(), o)
				show.end()
				if errors.Is(err, batch.ErrCondition) {
					return usageError{err}
				}
				if err != nil {
					return err
				}
				return a.printErasure(report)
			})
		},
	}
	c.Flags().StringVar(&o.Source, "source", "", "of which source")
	c.Flags().StringVar(&o.Where, "where", "", "which events: SQL over the source's columns, as the where of a view")
	c.Flags().StringVar(&o.Contains, "contains", "", "dead letters too whose key, bytes or reason contain this text")
	c.Flags().BoolVar(&o.AllDead, "all-dead-letters", false, "all dead letters of the source too")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only tell what there is")
	return c
}

func (a *app) printErasure(r batch.EraseReport) error {
	if a.output == "table" {
		fmt.Fprint(a.stdout, r)
		return nil
	}
	return a.print(r, []string{"source", "erasure", "events", "dead_letters", "files", "dates", "left"}, [][]string{{
		r.Source, strconv.Itoa(r.Erasure), strconv.FormatInt(r.Events, 10), strconv.FormatInt(r.DeadLetters, 10), strconv.Itoa(r.Files), strings.Join(r.Dates, " "),
		strconv.FormatInt(r.Left, 10),
	}})
}

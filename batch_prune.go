package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch"
)

func batchPruneCommand(a *app) *cobra.Command {
	var o batch.PruneOptions
	c := &cobra.Command{
		Use:   "prune [VIEW…]",
		Short: "Delete the snapshots beyond batch.snapshots, and files that none names any more",
		Long: "The current snapshot and those to which a rollback is promised to be instant stay, whatever their number. Files that no snapshot names\n" +
			"are deleted a day after they were written. Of definitions that are not in use, see `caudal replay --drop`, everything is deleted. Raw\n" +
			"segments and dead letters are never touched.",
		Example: "  caudal batch prune --dry-run\n  caudal batch prune revenue -o json",
		RunE: func(c *cobra.Command, args []string) error {
			o.Views = args
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				pruned, err := r.Prune(c.Context(), o)
				if err != nil {
					return err
				}
				return a.printPruned(pruned)
			})
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	return c
}

func (a *app) printPruned(pruned []batch.Pruned) error {
	rows := make([][]string, len(pruned))
	for i, p := range pruned {
		rows[i] = []string{p.View, shownHash(p.Definition), strconv.Itoa(len(p.Snapshots)), strconv.Itoa(p.Files), strconv.FormatInt(p.Bytes, 10), strings.Join(p.Snapshots, " ")}
	}
	if err := a.print(pruned, []string{"view", "definition", "snapshots", "files", "bytes", "deleted"}, rows); err != nil {
		return fmt.Errorf("print what was pruned: %w", err)
	}
	return nil
}

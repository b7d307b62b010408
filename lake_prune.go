package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func lakePruneCommand(a *app) *cobra.Command {
	var o table.PruneOptions
	c := &cobra.Command{
		Use:   "prune [SOURCE…]",
		Short: "Delete the versions beyond lake.versions, and files that none names any more",
		Long: "A version goes when it is neither among the newest (lake.versions.keep) nor young (lake.versions.age). The current one stays, and so does one\n" +
			"that an export, a training set or a model refers to: `caudal lake versions` shows who. Files that no version names are deleted a day after they\n" +
			"were written. Raw segments are never touched.",
		Example: "  caudal lake prune --dry-run\n  caudal lake prune orders -o json",
		RunE: func(c *cobra.Command, args []string) error {
			o.Sources = args
			return a.withCompactor(c.Context(), func(t *table.Compactor) error {
				pruned, err := t.Prune(c.Context(), o)
				if err != nil {
					return err
				}
				rows := make([][]string, len(pruned))
				for i, p := range pruned {
					rows[i] = []string{p.Source, strconv.Itoa(len(p.Versions)), strconv.Itoa(p.Files), digits(p.Bytes), strings.Join(p.Versions, " "), strings.Join(p.Referred, " ")}
				}
				return a.print(pruned, []string{"source", "versions", "files", "bytes", "deleted", "kept for who refers to them"}, rows)
			})
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	return c
}

func lakeReleaseCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "release SOURCE VERSION REFERENCE",
		Short:   "End a reference to a version, such as that of an export that nobody will carry on",
		Example: "  caudal lake release orders 3 export-1f3a9c",
		Args:    cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withLake(c.Context(), func(_ *view.Project, _ string, l *lake.Lake) error {
				v, err := table.Open(c.Context(), l, args[0], args[1])
				if err != nil {
					return err
				}
				if err := l.DeleteTableRef(c.Context(), args[0], v.ID, args[2]); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "version %s of %s is not kept for %s any more\n", v.ID, args[0], args[2])
				return nil
			})
		},
	}
}

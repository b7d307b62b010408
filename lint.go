package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
)

func lintCommand(a *app) *cobra.Command {
	withLake := false
	c := &cobra.Command{
		Use:     "lint",
		Short:   "Check the definitions: every mistake with its file, line, column and mend",
		Example: "  caudal lint --project examples/retail\n  caudal lint --lake",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, project, err := a.openProject(c.Context())
			if err == nil && withLake {
				err = checkLake(c.Context(), project, dir)
			}
			var problems view.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			if len(problems) == 0 {
				if a.output != "table" {
					return a.print([]view.Problem{}, problemHeader, nil)
				}
				fmt.Fprintf(a.stdout, "%s: %d sources, %d views, %d training sets, %d alerts, no mistakes\n", project.Name, len(project.Sources), len(project.Views), len(project.Trainings), len(project.Alerts))
				return nil
			}
			if err := a.printProblems(problems); err != nil {
				return err
			}
			return errReported
		},
	}
	c.Flags().BoolVar(&withLake, "lake", false, "check, too, that the sources can go on with what the project's lake holds of them, as a role does that starts")
	return c
}

// checkLake compares the sources of a project with the definitions that its lake holds rows of.
func checkLake(ctx context.Context, project *view.Project, dir string) error {
	l, err := openLake(ctx, project, dir)
	if err != nil {
		return err
	}
	return l.CheckSources(ctx, project)
}

var problemHeader = []string{"file", "line", "column", "what", "mend"}

func (a *app) printProblems(problems view.Problems) error {
	if a.output == "table" {
		for _, p := range problems {
			fmt.Fprintln(a.stdout, p.Error())
		}
		return nil
	}
	rows := make([][]string, len(problems))
	for i, p := range problems {
		rows[i] = []string{p.File, strconv.Itoa(p.Line), strconv.Itoa(p.Column), p.What, p.Mend}
	}
	return a.print(problems, problemHeader, rows)
}

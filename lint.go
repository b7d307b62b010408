package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
)

func lintCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "lint",
		Short:   "Check the definitions: every mistake with its file, line, column and mend",
		Example: "  caudal lint --project examples/retail",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := findProject(a.projectDir)
			if err != nil {
				return err
			}
			project, err := loadProject(c.Context(), dir)
			var problems view.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			if len(problems) == 0 {
				if a.output != "table" {
					return a.print([]view.Problem{}, problemHeader, nil)
				}
				fmt.Fprintf(a.stdout, "%s: %d sources, %d views, %d training sets, no mistakes\n", project.Name, len(project.Sources), len(project.Views), len(project.Trainings))
				return nil
			}
			if err := a.printProblems(problems); err != nil {
				return err
			}
			return errReported
		},
	}
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

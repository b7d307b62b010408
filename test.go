package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/trial"
	"github.com/caudal/caudal/internal/view"
)

// testOptions are the flags of `caudal test`.
type testOptions struct {
	run   string
	seams int
}

func testCommand(a *app) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the inline tests of the views and alerts: the same events through speed, through batch, and through the merge of both",
		Long: "Each test's events are sent to an embedded broker and go through the roles as they are, in this process: the answer of the speed layer, that of a\n" +
			"batch, and those that are merged where the batch came between two events have to be what the test expects, and the same as each other.\n" +
			"An alert is judged after each event, and has to tell what its test expects, whichever layer answers.",
		Example: "  caudal test --project examples/retail\n  caudal test --run 'sales: refund' -o json\n  caudal test --seams 100     # a batch between any two events",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.projectDir = args[0]
			}
			return a.test(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.run, "run", "", "only tests whose name, \"view: test\" or \"alert name: test\", this regular expression matches")
	c.Flags().IntVar(&o.seams, "seams", 1, "places between two events of a test that a batch is put to, at most; 0: speed alone and batch alone are compared")
	return c
}

// test runs the inline tests of the project and says how each came out.
func (a *app) test(ctx context.Context, o testOptions) error {
	pattern, err := regexp.Compile(o.run)
	if err != nil {
		return usageError{fmt.Errorf("--run: %w", err)}
	}
	if o.seams < 0 {
		return usageError{fmt.Errorf("--seams %d is below 0", o.seams)}
	}
	_, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	cases := trial.Cases(project, pattern.MatchString)
	if len(cases) == 0 && o.run != "" {
		return usageError{fmt.Errorf("no test is called like %q: there are %s", o.run, testNames(project))}
	}
	began := time.Now()
	outcomes, err := trial.Run(ctx, trial.Config{Project: project, Cases: cases, Seams: o.seams, Logger: a.logger(slog.LevelError)})
	if err != nil {
		return err
	}
	return a.printOutcomes(outcomes, time.Since(began))
}

// testNames lists the tests of a project.
func testNames(p *view.Project) string {
	var names []string
	for _, c := range trial.Cases(p, func(string) bool { return true }) {
		names = append(names, strconv.Quote(c.Name()))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// printOutcomes reports the tests; a failed one makes the command fail.
func (a *app) printOutcomes(outcomes []trial.Outcome, took time.Duration) error {
	failed := 0
	var rows [][]string
	for _, o := range outcomes {
		if !o.Passed {
			failed++
		}
		rows = append(rows, []string{o.View, o.Alert, o.Test, o.File, strconv.Itoa(o.Line), strconv.FormatBool(o.Passed), o.Error, strconv.Itoa(len(o.Differences))})
	}
	switch {
	case a.output != "table":
		if outcomes == nil {
			outcomes = []trial.Outcome{}
		}
		if err := a.print(outcomes, []string{"view", "alert", "test", "file", "line", "passed", "error", "differences"}, rows); err != nil {
			return err
		}
	case len(outcomes) == 0:
		fmt.Fprintln(a.stdout, "no view and no alert has a test: add `tests:` to a file of views/ or alerts/ (docs/testing.md)")
	default:
		for _, o := range outcomes {
			a.printOutcome(o)
		}
		fmt.Fprintf(a.stdout, "%d passed, %d failed in %.1f s\n", len(outcomes)-failed, failed, took.Seconds())
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// printOutcome says how one test came out, and of a failed one what differs.
func (a *app) printOutcome(o trial.Outcome) {
	if o.Passed {
		fmt.Fprintf(a.stdout, "ok    %s\n", o.Name())
		return
	}
	fmt.Fprintf(a.stdout, "FAIL  %s\n", o.Name())
	if o.Error != "" {
		fmt.Fprintf(a.stdout, "      %s:%d: %s\n", o.File, o.Line, o.Error)
	}
	for _, d := range o.Differences {
		what := strings.Join(filled(d.Row, d.Column, d.Note), ": ")
		fmt.Fprintf(a.stdout, "      %s:%d: %s\n", d.File, d.Line, what)
		for _, v := range [][2]string{{"expected", d.Expected}, {"speed", d.Speed}, {"merged", d.Merged}, {"batch", d.Batch}} {
			if v[1] != "" {
				fmt.Fprintf(a.stdout, "        %-8s  %s\n", v[0], v[1])
			}
		}
	}
}

// filled are the texts that are not empty.
func filled(texts ...string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

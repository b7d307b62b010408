// The caudal command: one binary for every role and for the people who look after them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones of the definitions, on machines that have no zone files

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in how a command was called, as against a command that failed.
type usageError struct{ error }

func execute(ctx context.Context, args []string, stdout, stderr *os.File) int {
	return exitStatus(ctx, newRoot(stdout, stderr, adjust{}), args, stderr)
}

// exitStatus carries a command out and says what went wrong.
func exitStatus(ctx context.Context, root *cobra.Command, args []string, stderr *os.File) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "caudal: %v\nRun 'caudal --help' for usage.\n", err)
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	default:
		fmt.Fprintf(stderr, "caudal: %v\n", err)
		return exitFailed
	}
}

// errReported ends a command whose output has already said what failed.
var errReported = errors.New("failed")

// app is what every command shares: the global flags and where to print.
type app struct {
	projectDir string
	output     string
	stdout     *os.File
	stderr     *os.File
	adjust     adjust
	log        logging
}

func newRoot(stdout, stderr *os.File, adjust adjust) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr, adjust: adjust}
	root := &cobra.Command{
		Use:           "caudal",
		Short:         "Lambda-architecture analytics in one binary: fast answers from Redis, exact ones from the lake, one merged truth",
		Example:       "  caudal demo\n  caudal dev\n  caudal query revenue --measures net_revenue --dimensions country --grain 1mo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return nil
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return errors.Join(a.checkOutput(), a.log.check()) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.PersistentFlags().StringVar(&a.projectDir, "project", "", "folder of caudal.yaml (default: the current folder and its parents)")
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "table", "table, json or csv")
	root.PersistentFlags().StringVar(&a.log.format, "log-format", "text", "logs on standard error: text or json")
	root.PersistentFlags().StringVar(&a.log.chosen, "log-level", "", "debug, info, warn or error (default: info for roles, warn elsewhere)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		demoCommand(a), initCommand(a), devCommand(a), lintCommand(a), testCommand(a), runCommand(a), produceCommand(a),
		queryCommand(a), explainCommand(a), batchCommand(a), replayCommand(a), statusCommand(a), doctorCommand(a), deadLettersCommand(a), alertsCommand(a), eraseCommand(a), exportCommand(a), modelsCommand(a), lakeCommand(a), tokenCommand(a),
	)
	wrapArgs(root)
	a.completeNames(root)
	if err := root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("BUG: the completion of --output: " + err.Error())
	}
	if err := root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions(logFormats, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("BUG: the completion of --log-format: " + err.Error())
	}
	return root
}

// wrapArgs makes a wrong number of arguments, or an unknown subcommand, a usage error (exit status 2).
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch"
)

func batchCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "batch",
		Short:   "The batch layer: recompute the exact answer and publish it",
		Example: "  caudal batch run\n  caudal batch list revenue\n  caudal batch rollback revenue 000003-20261120T020000Z-abcdef",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say run, list, rollback or prune")}
		},
	}
	c.AddCommand(batchRunCommand(a), batchListCommand(a), batchRollbackCommand(a), batchPruneCommand(a))
	return c
}

// withRunner runs do with the project's batch runner.
func (a *app) withRunner(ctx context.Context, do func(*batch.Runner) error) error {
	return a.withServices(ctx, func(s *services) error {
		boundHeap(batchBytes(s.project))
		r, err := s.runner(0)
		if err != nil {
			return err
		}
		return do(r)
	})
}

// runner is the batch layer over the connections of s. lockTTL is how long a run that was killed blocks the next; 0: the default.
func (s *services) runner(lockTTL time.Duration) (*batch.Runner, error) {
	config := batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, Logger: s.log, Trace: s.trace, LockTTL: lockTTL}
	var err error
	if config.TrinoTLS, err = tlsConfig(s.project.Batch.Trino.TLS, s.dir); err != nil {
		return nil, fmt.Errorf("batch.trino.tls: %w", err)
	}
	if f := s.adjust.batch; f != nil {
		f(&config)
	}
	r, err := batch.NewRunner(config)
	if err != nil {
		return nil, fmt.Errorf("set up the batch: %w", err)
	}
	return r, nil
}

// schedule runs batches every Project.Batch.Every, and early where one is asked for.
func (s *services) schedule(metrics prometheus.Registerer) (*batch.Schedule, error) {
	r, err := s.runner(0)
	if err != nil {
		return nil, err
	}
	c, err := batch.NewSchedule(batch.ScheduleConfig{Runner: r, Every: s.project.Batch.Every, Registerer: metrics})
	if err != nil {
		return nil, fmt.Errorf("set up the batch: %w", err)
	}
	return c, nil
}

func batchRunCommand(a *app) *cobra.Command {
	var o batch.RunOptions
	c := &cobra.Command{
		Use:     "run [VIEW…]",
		Short:   "Cut, wait for the archive, recompute what changed, check, publish: what cron calls",
		Long:    "Safe to call twice: an overlapping run is refused, and a run that fails leaves the old snapshot serving.",
		Example: "  caudal batch run\n  caudal batch run revenue --full",
		RunE: func(c *cobra.Command, args []string) error {
			o.Views = args
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				show := &stepProgress{app: a}
				o.Progress = show.step
				report, err := r.Run(c.Context(), o)
				show.end()
				if err != nil && c.Context().Err() != nil {
					return fmt.Errorf("stopped: `caudal batch run --run %s` goes on with the same cut: %w", report.Run, err)
				}
				if err != nil {
					return err
				}
				return a.printReport(report)
			})
		},
	}
	c.Flags().BoolVar(&o.Full, "full", false, "compute all dates, not only those that changed")
	c.Flags().StringVar(&o.RunID, "run", "", "go on with the cut of an earlier run that did not finish")
	return c
}

// stepProgress shows the steps of a run, a line for each phase.
type stepProgress struct {
	*app
	phase string
	bar   *progress
	done  int64
}

func (p *stepProgress) step(s batch.Step) {
	phase := s.Phase
	if s.View != "" {
		phase += " " + s.View
	}
	if phase != p.phase {
		p.end()
		p.phase, p.bar = phase, newProgress(p.stderr, phase, "done", s.Total)
	}
	p.done = s.Done
	p.bar.at(s.Done, s.Note)
}

func (p *stepProgress) end() {
	if p.bar != nil {
		p.bar.end(p.done, "")
	}
	p.bar = nil
}

func (a *app) printReport(r batch.Report) error {
	if a.output == "table" {
		fmt.Fprint(a.stdout, r)
		return nil
	}
	rows := make([][]string, len(r.Views))
	for i, v := range r.Views {
		rows[i] = []string{v.View, v.Snapshot, strconv.FormatInt(v.Events, 10), strconv.FormatInt(v.Duplicates, 10), strconv.FormatInt(v.Late, 10),
			strconv.FormatInt(v.Dead, 10), strconv.Itoa(v.Periods), strconv.FormatFloat(v.Seconds, 'f', 1, 64)}
	}
	return a.print(r, []string{"view", "snapshot", "events", "duplicates", "late", "dead", "periods", "seconds"}, rows)
}

func batchListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list [VIEW…]", Short: "The snapshots that are kept, oldest first", Example: "  caudal batch list revenue -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				lists, err := r.List(c.Context(), args)
				if err != nil {
					return err
				}
				var rows [][]string
				for _, l := range lists {
					for _, s := range l.Snapshots {
						current := ""
						if s.Current {
							current = "current"
						}
						rows = append(rows, []string{l.View, string(l.Role), s.ID, s.Created.Format(time.RFC3339), strconv.FormatInt(s.Events, 10), current})
					}
				}
				return a.print(lists, []string{"view", "definition", "snapshot", "created", "events", ""}, rows)
			})
		},
	}
}

func batchRollbackCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "rollback VIEW SNAPSHOT", Short: "Make an earlier snapshot the one that answers rest on",
		Example: "  caudal batch rollback revenue 000003-20261120T020000Z-abcdef", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withRunner(c.Context(), func(r *batch.Runner) error {
				m, err := r.Rollback(c.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "%s answers from snapshot %s again\n", args[0], m.ID)
				return nil
			})
		},
	}
}

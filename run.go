package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
)

func runCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "run",
		Short:   "Run one role, for production",
		Example: "  caudal run speed --http :9101\n  caudal run serve --http :8080",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{errors.New("name a role: speed, archive, batch, serve, watch or all")}
		},
	}
	for _, role := range []struct {
		name, short string
		roles       roles
	}{
		{"speed", "Keep the windowed aggregates in Redis", roles{speed: true}},
		{"archive", "Write every record to the lake", roles{archive: true}},
		{"batch", "Run batches every batch.every, and early where one is asked for; compact tables every lake.compact_every", roles{batch: true}},
		{"serve", "Answer queries over HTTP and SQL", roles{serve: true}},
		{"watch", "Judge alerts and tell sinks, and send rows of views to topics", roles{watch: true}},
		{"all", "All of these in one process; batches only where batch.every says how often", roles{speed: true, archive: true, batch: true, serve: true, watch: true}},
	} {
		r := role.roles
		sub := &cobra.Command{
			Use: role.name, Short: role.short, Args: cobra.NoArgs,
			Example: "  caudal run " + role.name + " --project /etc/caudal",
			RunE: func(c *cobra.Command, _ []string) error {
				r.sql.chosen = c.Flags().Changed("sql")
				return a.run(c, r)
			},
		}
		sub.Flags().StringVar(&r.admin, "admin", "", adminFlag)
		sub.Flags().StringVar(&r.http, "http", "127.0.0.1:8080", "where /livez, /readyz, /metrics and, for serve, the API listen; empty: nowhere")
		if r.serve {
			sub.Flags().StringVar(&r.sql.listen, "sql", defaultSQL, sqlFlag)
			sub.Flags().DurationVar(&r.notice, "notice", defaultNotice, "after SIGTERM, how long questions are still taken while /readyz says 503, so that balancers go elsewhere")
		}
		c.AddCommand(sub)
	}
	return c
}

func (a *app) run(c *cobra.Command, r roles) (err error) {
	begun := false
	defer func() {
		if !begun && c.Context().Err() != nil {
			err = nil // told to end before there was anything to finish: what failed, failed for that
		}
	}()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	dir, project, err := a.openProject(c.Context())
	if err != nil {
		return err
	}
	if err := mayAdmin(r.admin); err != nil {
		return err
	}
	s, err := a.prepare(c.Context(), project, dir, r)
	if err != nil {
		return err
	}
	begun = true
	boundHeap(r.outsideHeap(project))
	if r.onlyAnswers() {
		defer serving.TuneRuntime()()
	}
	l, d, err := a.begin(s, r)
	if err != nil {
		return err
	}
	a.tell(d)
	return a.live(c.Context(), d, l, r.notice, hangup, func(ctx context.Context, now *shift) (*shift, error) { return a.reread(ctx, now, r) })
}

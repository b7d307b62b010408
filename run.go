package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
)

func runCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "run",
		Short:   "Run one role, for production",
		Example: "  caudal run speed --http :9101\n  caudal run serve --http :8080",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{errors.New("name a role: speed, archive, batch, serve or all")}
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
		{"all", "All of these in one process; batches only where batch.every says how often", roles{speed: true, archive: true, batch: true, serve: true}},
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
	dir, project, err := a.openProject(c.Context())
	if err != nil {
		return err
	}
	if r == (roles{batch: true, http: r.http, sql: r.sql, admin: r.admin}) && project.Batch.Every == 0 && project.Lake.CompactEvery == 0 {
		return usageError{errors.New("the project does not say how often a batch runs: set batch.every (or lake.compact_every) in caudal.yaml, or let cron call `caudal batch run`")}
	}
	for _, address := range r.addresses() {
		if err := mayServe(project, address); r.serve && err != nil {
			return err
		}
	}
	if err := mayAdmin(r.admin); err != nil {
		return err
	}
	s, err := connect(c.Context(), project, dir, a.logger(slog.LevelInfo))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.adjust = a.adjust
	if err := s.ensureTopics(c.Context()); err != nil {
		return err
	}
	if err := s.checkSources(c.Context()); err != nil {
		return err
	}
	p, err := s.assemble(r)
	if err != nil {
		return err
	}
	if p.http != nil {
		fmt.Fprintf(a.stderr, "listening on %s\n", p.url())
	}
	if p.sql != nil {
		fmt.Fprintf(a.stderr, "SQL: psql %s\n", p.sql.url())
	}
	if p.admin != nil {
		fmt.Fprintf(a.stderr, "admin: http://%s/debug/pprof/\n", p.admin.Addr())
	}
	p.level = &a.log.level
	begun = true
	return p.run(c.Context())
}

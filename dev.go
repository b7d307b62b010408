package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
)

func devCommand(a *app) *cobra.Command {
	var http string
	c := &cobra.Command{
		Use:     "dev [DIR]",
		Short:   "All roles in one process; services that the project leaves out are embedded and kept under .caudal/",
		Example: "  caudal dev examples/retail --http 127.0.0.1:8080",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := a.projectDir
			if len(args) == 1 {
				dir = args[0]
			}
			dir, err := findProject(dir)
			if err != nil {
				return err
			}
			project, err := loadProject(c.Context(), dir)
			if err != nil {
				return err
			}
			return a.whole(c.Context(), project, dir, http, func(ctx context.Context, w *whole) error {
				fmt.Fprintf(a.stdout, "%s runs: %s\n", project.Name, w.parts.url())
				<-ctx.Done()
				return nil
			})
		},
	}
	c.Flags().StringVar(&http, "http", "127.0.0.1:8080", "where the API and the page listen")
	return c
}

// whole is all of caudal in one process, with the services that the project leaves out embedded.
type whole struct {
	*services
	parts *parts
}

// whole runs everything while inside runs, tells other commands where it is, and stops everything when inside returns.
func (a *app) whole(ctx context.Context, project *view.Project, dir, http string, inside func(context.Context, *whole) error) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(smallGarbage)
	}
	stop, err := embedServices(project, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s, err := open(ctx, project, dir, true, a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.ensureTopics(ctx); err != nil {
		return err
	}
	p, err := s.assemble(roles{speed: true, archive: true, serve: true, http: http, small: true})
	if err != nil {
		return err
	}
	withdraw, err := newRunning(project, p.url()).announce(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, withdraw()) }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ran := make(chan error, 1)
	go func() {
		ran <- p.run(ctx)
		cancel()
	}()
	err = inside(ctx, &whole{services: s, parts: p})
	cancel()
	if runErr := <-ran; runErr != nil {
		return errors.Join(runErr, err)
	}
	return err
}

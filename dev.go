package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func devCommand(a *app) *cobra.Command {
	var at addresses
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
			at.sql.chosen = c.Flags().Changed("sql")
			return a.dev(c.Context(), project, dir, at)
		},
	}
	c.Flags().StringVar(&at.http, "http", "127.0.0.1:8080", "where the API and the page listen")
	c.Flags().StringVar(&at.sql.listen, "sql", defaultSQL, sqlFlag)
	return c
}

// whole is all of caudal in one process, with the services that the project leaves out embedded.
type whole struct {
	*services
	parts *parts
	url   string // of the API
}

// dev runs everything over the project, and starts the roles anew whenever its definitions are saved and hold no mistake; views that were
// changed are rebuilt beside and then answer anew. The embedded services go on meanwhile.
func (a *app) dev(ctx context.Context, project *view.Project, dir string, at addresses) (err error) {
	stop, err := embedServices(project, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	embedded := newRunning(project, "")
	for {
		var next *view.Project
		err := a.over(ctx, project, dir, at, func(ctx context.Context, w *whole) error {
			fmt.Fprintf(a.stdout, "%s runs: %s\n", project.Name, w.url)
			ctx, cancel := context.WithCancel(ctx)
			adopted := make(chan struct{})
			go func() { defer close(adopted); w.adopt(ctx, a) }()
			var err error
			next, err = a.changed(ctx, dir, w.lake)
			cancel()
			<-adopted
			return err
		})
		if err != nil || next == nil {
			return err
		}
		embedded.fill(next)
		project = next
	}
}

// lookAgain is how often dev looks whether a definition was saved.
const lookAgain = 500 * time.Millisecond

// changed waits until the definitions in dir were saved and hold no mistake, and returns them; nil when ctx ends. Mistakes are printed,
// and what runs goes on.
func (a *app) changed(ctx context.Context, dir string, l *lake.Lake) (*view.Project, error) {
	before, err := readProject(dir)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-tick.C:
		}
		now, err := readProject(dir)
		if err != nil {
			fmt.Fprintf(a.stderr, "%v: what runs goes on\n", err)
			continue
		}
		if reflect.DeepEqual(before, now) {
			continue
		}
		before = now
		project, err := loadProject(ctx, dir)
		if err == nil {
			err = l.CheckSources(ctx, project)
		}
		var problems view.Problems
		switch {
		case errors.As(err, &problems):
			fmt.Fprintln(a.stderr, "the definitions were saved with mistakes; what runs goes on")
			for _, p := range problems {
				fmt.Fprintln(a.stderr, p.Error())
			}
		case err != nil:
			return nil, err
		default:
			fmt.Fprintln(a.stderr, "the definitions were saved: starting anew")
			return project, nil
		}
	}
}

// whole runs everything while inside runs, with the services that the project leaves out embedded, and stops everything when inside returns.
func (a *app) whole(ctx context.Context, project *view.Project, dir string, at addresses, inside func(context.Context, *whole) error) (err error) {
	stop, err := embedServices(project, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return a.over(ctx, project, dir, at, inside)
}

// over runs all roles over the project's services while inside runs, and tells other commands where they are.
func (a *app) over(ctx context.Context, project *view.Project, dir string, at addresses, inside func(context.Context, *whole) error) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(smallGarbage)
	}
	s, err := open(ctx, project, dir, true, a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	if err := s.ensureTopics(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	if err := s.checkSources(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	l, d, err := a.begin(s, roles{speed: true, archive: true, batch: true, serve: true, watch: true, http: at.http, sql: at.sql, small: true})
	if err != nil {
		return err
	}
	announced := newRunning(project, d.url())
	if d.sql != nil {
		announced.SQL = d.sql.url()
		fmt.Fprintf(a.stderr, "SQL: psql %s\n", d.sql.url())
	}
	withdraw, err := announced.announce(dir)
	if err != nil {
		return errors.Join(err, d.abandon(), l.end())
	}
	defer func() { err = errors.Join(err, withdraw()) }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ran := make(chan error, 1)
	go func() {
		ran <- a.live(ctx, d, l, 0, nil, nil)
		cancel()
	}()
	err = inside(ctx, &whole{services: s, parts: l.parts, url: d.url()})
	cancel()
	if runErr := <-ran; runErr != nil {
		return errors.Join(runErr, err)
	}
	return err
}

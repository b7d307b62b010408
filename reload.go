package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// errReload ends what runs so that it begins anew with the definitions that were saved.
var errReload = errors.New("the definitions are read again")

// reloadNotice is how long connections end after the answer in hand before what answers is changed, so that hardly any is cut between two questions.
const reloadNotice = time.Second

// prepare connects to what a project runs on, and looks whether the roles can run with it. Nothing of the project is changed but that topics are
// made which do not exist.
func (a *app) prepare(ctx context.Context, project *view.Project, dir string, r roles, at *sockets) (_ *services, err error) {
	if r.batch && !r.speed && !r.archive && !r.serve && project.Batch.Every == 0 && project.Lake.CompactEvery == 0 {
		return nil, usageError{errors.New("the project does not say how often a batch runs: set batch.every (or lake.compact_every) in caudal.yaml, or let cron call `caudal batch run`")}
	}
	for _, address := range r.addresses() {
		if err := mayServe(project, address); r.serve && err != nil {
			return nil, err
		}
	}
	s, err := connect(ctx, project, dir, a.logger(slog.LevelInfo))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.adjust, s.sockets = a.adjust, at
	if err := s.ensureTopics(ctx); err != nil {
		return nil, err
	}
	return s, s.checkSources(ctx)
}

// live runs the roles over the services until ctx ends, or until the process was sent a hangup and the definitions that are saved then can be
// run: next is what is to run with them; nil: nothing.
func (a *app) live(ctx context.Context, s *services, r roles, hangup <-chan os.Signal) (next *services, err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	p, err := s.assemble(r)
	if err != nil {
		return nil, err
	}
	p.level = &a.log.level
	a.tell(p)
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- p.run(running) }()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-hangup:
		}
		taken, err := a.reread(ctx, s, r)
		if err != nil {
			s.log.Error("the definitions that are saved cannot be run; what runs goes on", "error", err)
			continue
		}
		s.log.Info("the definitions were read again: starting anew with them")
		stop(errReload)
		if err := <-ended; err != nil {
			return nil, errors.Join(err, taken.close())
		}
		return taken, nil
	}
}

// reread prepares what is saved now in the folder of what runs.
func (a *app) reread(ctx context.Context, running *services, r roles) (*services, error) {
	project, err := loadProject(ctx, running.dir)
	if err != nil {
		return nil, err
	}
	if project.Name != running.project.Name {
		return nil, fmt.Errorf("the project is now named %s, and %s runs: start a process for it", project.Name, running.project.Name)
	}
	return a.prepare(ctx, project, running.dir, r, running.sockets)
}

// tell says where the parts listen.
func (a *app) tell(p *parts) {
	if p.http != nil {
		fmt.Fprintf(a.stderr, "listening on %s\n", p.url())
	}
	if p.sql != nil {
		fmt.Fprintf(a.stderr, "SQL: psql %s\n", p.sql.url())
	}
	if p.admin != nil {
		fmt.Fprintf(a.stderr, "admin: http://%s/debug/pprof/\n", p.admin.Addr())
	}
}

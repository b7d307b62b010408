package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/caudal/caudal/internal/view"
)

// prepare connects to what a project runs on, and looks whether the roles can run with it. Nothing of the project is changed but that topics are
// made which do not exist.
func (a *app) prepare(ctx context.Context, project *view.Project, dir string, r roles) (_ *services, err error) {
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
	s.adjust = a.adjust
	if err := s.ensureTopics(ctx); err != nil {
		return nil, err
	}
	return s, s.checkSources(ctx)
}

// reread makes what is saved now, in the folder of what runs, ready to take its place.
func (a *app) reread(ctx context.Context, now *shift, r roles) (*shift, error) {
	dir := now.services.dir
	project, err := loadProject(ctx, dir)
	if err != nil {
		return nil, err
	}
	if running := now.services.project.Name; project.Name != running {
		return nil, fmt.Errorf("the project is now named %s, and %s runs: start a process for it", project.Name, running)
	}
	s, err := a.prepare(ctx, project, dir, r)
	if err != nil {
		return nil, err
	}
	return s.shift(r)
}

// tell says where a process listens.
func (a *app) tell(d *doors) {
	if url := d.url(); url != "" {
		fmt.Fprintf(a.stderr, "listening on %s\n", url)
	}
	if d.sql != nil {
		fmt.Fprintf(a.stderr, "SQL: psql %s\n", d.sql.url())
	}
	if d.admin != nil {
		fmt.Fprintf(a.stderr, "admin: http://%s/debug/pprof/\n", d.admin.Addr())
	}
}

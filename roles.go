package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/serving/auth"
	"github.com/caudal/caudal/serving/ingest"
	"github.com/caudal/caudal/serving/watch"
	"github.com/caudal/caudal/speed"
)

// roles says which parts a process runs.
type roles struct {
	speed, archive, serve bool
	watch                 bool          // alerts, and rows to topics
	batch                 bool          // on the schedules of batch.every and lake.compact_every, if there are any
	http                  string        // listen address; "" = no HTTP
	admin                 string        // likewise of the admin port
	sql                   sqlAddress    // likewise of SQL, for who serves
	notice                time.Duration // from SIGTERM on, in which /readyz says so and questions are still taken
	again                 bool          // others have answered in this process before: who comes waits until they can be followed
	small                 bool          // shares a machine with everything else: bounds for a laptop, not for a server
}

// Bounds of a process that is small: bytes of cells, of open chunks, of a query's cells, of kept batch rows, of a fetch, DuckDB's limit, and how much garbage
// the heap may hold beside what lives, in percent.
const (
	smallFetch   = 256 << 10
	smallGarbage = 50
	smallCells   = 64 << 20
	smallChunks  = 24 << 20
	smallQueries = 48 << 20
	smallRows    = 16 << 20
	smallEngine  = "192MB"
)

// speedAge is how long what was read of the speed layer answers queries for the same cells: short beside the half second in which an event is
// to be seen.
const speedAge = 100 * time.Millisecond

// parts are the running parts of one process.
type parts struct {
	speed    *speed.Worker
	archive  *batch.Archive
	schedule *batch.Schedule // nil: no batch by itself
	tables   *table.Schedule // nil: no compaction by itself
	server   *serving.Server
	watcher  *watch.Watcher
	asker    *serving.Server // whom the watcher asks, where the process does not serve
	registry *prometheus.Registry
	http     net.Listener
	admin    net.Listener   // nil: no admin port
	level    *slog.LevelVar // that the admin port changes
	sql      *sqlDoor       // nil: no SQL

	certificate *auth.Certificate // nil: connections are not encrypted
	notice      time.Duration
	again       bool
	draining    atomic.Bool // the process is being stopped
	log         *slog.Logger
	sockets     *sockets
}

// assemble makes the parts that r names over the connections of s, and listens, but starts nothing.
func (s *services) assemble(r roles) (*parts, error) {
	p := &parts{registry: prometheus.NewRegistry(), notice: r.notice, again: r.again, log: s.log, sockets: s.sockets}
	speedConfig := speed.Config{Trace: s.trace, Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, Logger: s.log, Metrics: p.registry}
	archiveConfig := batch.ArchiveConfig{Trace: s.trace, Project: s.project, Stream: s.stream, Lake: s.lake, Logger: s.log, Registerer: p.registry}
	servingConfig := serving.Config{Trace: s.trace, Project: s.project, Lake: s.lake, Live: s.live, Stream: s.stream, Logger: s.log, Registerer: p.registry, SpeedAge: speedAge,
		Produce: func(topic string) ingest.Writer { return s.stream.Producer(topic) }}
	if r.small {
		speedConfig.Loops, speedConfig.Memory, speedConfig.EngineMemory = 1, smallCells, smallEngine
		archiveConfig.Memory = smallChunks
		servingConfig.SpeedCache, servingConfig.BatchCache, servingConfig.Engine.MemoryLimit = smallQueries, smallRows, smallEngine
	}
	if f := s.adjust.speed; f != nil {
		f(&speedConfig)
	}
	if f := s.adjust.archive; f != nil {
		f(&archiveConfig)
	}
	var err error
	if r.speed {
		p.speed, err = speed.New(speedConfig)
		if err != nil {
			return nil, fmt.Errorf("set up the speed layer: %w", err)
		}
	}
	if r.archive {
		p.archive, err = batch.NewArchive(archiveConfig)
		if err != nil {
			return nil, fmt.Errorf("set up the archive: %w", err)
		}
	}
	if r.batch && s.project.Batch.Every > 0 {
		if p.schedule, err = s.schedule(p.registry); err != nil {
			return nil, err
		}
	}
	if r.batch && s.project.Lake.CompactEvery > 0 {
		if p.tables, err = s.compactions(); err != nil {
			return nil, err
		}
	}
	if addresses := r.addresses(); r.serve && len(addresses) > 0 { // whoever asks within the process has the services in hand
		if servingConfig.Guard, err = s.guard(addresses); err != nil {
			return nil, err
		}
		if p.certificate, err = s.certificate(); err != nil {
			return nil, err
		}
	}
	if r.serve {
		p.server, err = serving.New(servingConfig)
		if err != nil {
			return nil, fmt.Errorf("set up serving: %w", err)
		}
	}
	if r.watch {
		if err := s.watch(p, servingConfig); err != nil {
			return nil, err
		}
	}
	if r.admin != "" {
		if p.admin, err = listenAdmin(s.sockets, r.admin); err != nil {
			return nil, err
		}
	}
	if r.http != "" {
		p.http, err = s.sockets.listen("HTTP", r.http)
		if err != nil {
			return nil, fmt.Errorf("listen for HTTP: %w", err)
		}
	}
	if r.serve && r.sql.listen != "" {
		if p.sql, err = s.openSQL(p, r, servingConfig.Guard); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// url is the base address of the API; "" without HTTP.
func (p *parts) url() string {
	if p.http == nil {
		return ""
	}
	if p.certificate != nil {
		return "https://" + p.http.Addr().String()
	}
	return "http://" + p.http.Addr().String()
}

// run runs the parts until ctx ends or one of them fails. What answers questions goes on until those who asked have their answers.
func (p *parts) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	start := func(ctx context.Context, name string, run func(context.Context) error) {
		g.Go(func() error {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if p.speed != nil {
		start(ctx, "speed", p.speed.Run)
	}
	if p.archive != nil {
		start(ctx, "archive", p.archive.Run)
	}
	if p.schedule != nil {
		start(ctx, "batch", p.schedule.Run)
	}
	if p.tables != nil {
		start(ctx, "tables", p.tables.Run)
	}
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	defer shut()
	g.Go(func() error {
		defer shut()
		return p.takeLeave(ctx)
	})
	answering, answered := context.WithCancel(context.WithoutCancel(ctx))
	defer answered()
	var doors sync.WaitGroup
	door := func(name string, serve func(context.Context) error) {
		doors.Add(1)
		start(open, name, func(ctx context.Context) error {
			defer doors.Done()
			p.follow(ctx)
			return serve(ctx)
		})
	}
	if p.http != nil {
		door("http", p.serveHTTP)
	}
	if p.sql != nil {
		door("sql", p.sql.serve)
	}
	if p.admin != nil {
		start(answering, "admin", func(ctx context.Context) error { return serveAdmin(ctx, p.admin, p.level) })
	}
	for _, server := range []*serving.Server{p.server, p.asker} {
		if server != nil {
			start(answering, "serving", server.Run)
		}
	}
	if p.watcher != nil {
		start(ctx, "watch", p.watcher.Run)
	}
	g.Go(func() error {
		<-open.Done()
		doors.Wait()
		answered()
		return nil
	})
	err := g.Wait()
	if p.sql != nil {
		err = errors.Join(err, p.sql.close())
	}
	for _, server := range []*serving.Server{p.server, p.asker} {
		if server != nil {
			err = errors.Join(err, server.Close())
		}
	}
	return err
}

// handler is the API where the process serves, and what an operator asks of every role where it does not.
func (p *parts) handler() http.Handler {
	if p.server != nil {
		return p.server.Handler()
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// ready tells why the process cannot do its work yet.
func (p *parts) ready() error {
	if p.draining.Load() {
		return errDraining
	}
	if p.speed != nil && !p.speed.Status().Ready() {
		return errors.New("speed: a partition is being taken and not served yet")
	}
	if p.watcher != nil {
		return p.watcher.Ready()
	}
	return nil
}

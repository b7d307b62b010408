package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	small                 bool          // shares a machine with everything else: bounds for a laptop, not for a server
}

// onlyAnswers says whether the process does nothing but answer queries.
func (r roles) onlyAnswers() bool { return r.serve && !r.speed && !r.archive && !r.batch && !r.watch }

// Bounds of a process that is small: bytes of a fetch, records of a micro-batch, how much garbage the heap may hold beside what lives, in percent, bytes of
// cells, of open chunks, of a query's cells and of kept batch rows, and DuckDB's limit.
const (
	smallFetch   = 256 << 10
	smallBatch   = 20_000
	smallGarbage = 50
	smallCells   = 64 << 20
	smallChunks  = 24 << 20
	smallQueries = 48 << 20
	smallRows    = 16 << 20
	smallEngine  = "192MB"
)

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

	guard       *auth.Guard       // of who comes in; nil: of nobody
	certificate *auth.Certificate // nil: connections are not encrypted
	draining    atomic.Bool       // the process is being stopped
	log         *slog.Logger
}

// assemble makes the parts that r names over the connections of s, but starts nothing.
func (s *services) assemble(r roles) (*parts, error) {
	p := &parts{registry: prometheus.NewRegistry(), log: s.log}
	speedConfig := speed.Config{Trace: s.trace, Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, Logger: s.log, Metrics: p.registry}
	archiveConfig := batch.ArchiveConfig{Trace: s.trace, Project: s.project, Stream: s.stream, Lake: s.lake, Logger: s.log, Registerer: p.registry}
	servingConfig := serving.Config{Trace: s.trace, Project: s.project, Lake: s.lake, Live: s.live, Stream: s.stream, Logger: s.log, Registerer: p.registry, AnswerAge: serving.AnswerAge, SpeedAge: serving.SpeedAge,
		Produce: func(topic string) ingest.Writer { return s.stream.Producer(topic) }}
	if r.small {
		speedConfig.Loops, speedConfig.BatchRecords, speedConfig.Memory, speedConfig.EngineMemory = 1, smallBatch, smallCells, smallEngine
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
		if p.guard, err = s.guard(addresses); err != nil {
			return nil, err
		}
		servingConfig.Guard = p.guard
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
	return p, nil
}

// servers are those that have answers to bring up to date.
func (p *parts) servers() (list []*serving.Server) {
	for _, server := range []*serving.Server{p.server, p.asker} {
		if server != nil {
			list = append(list, server)
		}
	}
	return list
}

// close gives back what parts that are not at work hold.
func (p *parts) close() error {
	var errs []error
	for _, server := range p.servers() {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
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

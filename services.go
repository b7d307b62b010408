package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/trace"
	"github.com/caudal/caudal/internal/view"
)

// stateDir is where a project keeps its embedded services' data.
func stateDir(dir string) string { return filepath.Join(dir, ".caudal") }

// services are one process's connections to what a project runs on.
type services struct {
	project *view.Project
	dir     string // of the project
	stream  *stream.Client
	live    *live.Redis
	lake    *lake.Lake
	log     *slog.Logger
	trace   *trace.Tracer // nil: the environment names no collector
	adjust  adjust
	closers []func() error // in the order of opening
}

// connect opens the services that the project names. Those that it leaves out are taken from the `caudal dev` that runs in dir; where
// none runs, that is an error that says so.
func connect(ctx context.Context, project *view.Project, dir string, log *slog.Logger) (*services, error) {
	if len(project.Kafka.Brokers) == 0 || len(project.Redis.Addrs) == 0 {
		running, err := findRunning(dir)
		if err != nil {
			return nil, err
		}
		running.fill(project)
	}
	return open(ctx, project, dir, false, log)
}

// open connects to the services of a project in which every address is filled in. The lake defaults to a folder of the project. small
// keeps the buffers of a process small that shares its machine with everything else.
func open(ctx context.Context, project *view.Project, dir string, small bool, log *slog.Logger) (_ *services, err error) {
	s := &services{project: project, dir: dir, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.trace, err = trace.Open(ctx, log); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.trace.Close)
	kafka := stream.Config{
		Brokers: project.Kafka.Brokers, SASL: stream.SASL(project.Kafka.SASL),
		OnError: func(err error) { log.Warn("kafka: trying again", "error", err) },

		SessionTimeout: project.Kafka.SessionTimeout,
	}
	if small {
		kafka.FetchBytes = smallFetch
	}
	if kafka.TLS, err = tlsConfig(project.Kafka.TLS, dir); err != nil {
		return nil, fmt.Errorf("kafka.tls: %w", err)
	}
	s.stream, err = stream.Connect(kafka)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	s.closers = append(s.closers, s.stream.Close)
	redis := live.Config{Addrs: project.Redis.Addrs, Cluster: project.Redis.Cluster, Username: project.Redis.Username, Password: project.Redis.Password}
	if redis.TLS, err = tlsConfig(project.Redis.TLS, dir); err != nil {
		return nil, fmt.Errorf("redis.tls: %w", err)
	}
	s.live, err = live.Connect(redis)
	if err != nil {
		return nil, fmt.Errorf("connect to Redis: %w", err)
	}
	s.closers = append(s.closers, s.live.Close)
	if s.lake, err = openLake(ctx, project, dir); err != nil {
		return nil, err
	}
	return s, nil
}

// openLake opens the lake of the project in dir, which defaults to a folder of it.
func openLake(ctx context.Context, project *view.Project, dir string) (*lake.Lake, error) {
	url := project.Lake.URL
	if url == "" {
		url = filepath.Join(stateDir(dir), "lake")
	}
	cache := project.Lake.Cache
	if cache == "" {
		cache = filepath.Join(stateDir(dir), "cache")
	}
	store, err := lake.Open(ctx, url, lake.Options{
		CacheDir: cache, Endpoint: project.Lake.Endpoint, Region: project.Lake.Region,
		AccessKey: project.Lake.AccessKey, SecretKey: project.Lake.SecretKey, PathStyle: project.Lake.PathStyle,
	})
	if err != nil {
		return nil, fmt.Errorf("open the lake: %w", err)
	}
	return lake.New(store), nil
}

// withLake runs do over the project and its lake alone: no broker and no Redis is needed.
func (a *app) withLake(ctx context.Context, do func(project *view.Project, dir string, l *lake.Lake) error) error {
	dir, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	l, err := openLake(ctx, project, dir)
	if err != nil {
		return err
	}
	return do(project, dir, l)
}

// close ends the connections, the last one first.
func (s *services) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// ensureTopics makes the topics of the project's sources that do not exist yet.
func (s *services) ensureTopics(ctx context.Context) error {
	for _, src := range s.project.Sources {
		if err := s.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
			return fmt.Errorf("make topic %s: %w", src.Topic, err)
		}
	}
	return nil
}

// checkSources refuses sources that cannot go on with what the lake holds of their topics. A lake that is away for a moment refuses nothing: the
// archive looks again before it writes.
func (s *services) checkSources(ctx context.Context) error {
	err := s.lake.CheckSources(ctx, s.project)
	var refused view.Problems
	if err == nil || errors.As(err, &refused) {
		return err
	}
	s.log.Warn("not seen whether the sources can go on with what the lake holds", "error", err)
	return nil
}

// embedServices starts the services that the project leaves out, keeps their data under the project's .caudal folder, and fills their
// addresses in. The returned function stops them.
func embedServices(project *view.Project, dir string) (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for i := len(stops) - 1; i >= 0; i-- {
			errs = append(errs, stops[i]())
		}
		return errors.Join(errs...)
	}
	if err := os.MkdirAll(stateDir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the embedded services: %w", err)
	}
	if len(project.Kafka.Brokers) == 0 {
		broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: filepath.Join(stateDir(dir), "broker")})
		if err != nil {
			return nil, fmt.Errorf("start the embedded broker: %w", err)
		}
		stops = append(stops, broker.Close)
		project.Kafka.Brokers = broker.Addrs()
		// Whoever deletes the broker's folder means it: its topics begin their next life in the lake.
		if project.Kafka.Cluster, err = broker.ClusterID(); err != nil {
			return nil, errors.Join(err, stop())
		}
	}
	if len(project.Redis.Addrs) == 0 {
		redis, err := embedded.StartRedis("127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start the embedded Redis: %w", err), stop())
		}
		stops = append(stops, redis.Close)
		project.Redis.Addrs = []string{redis.Addr()}
	}
	return stop, nil
}

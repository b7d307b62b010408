package trial

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
	"github.com/caudal/caudal/speed"
)

// layers are all roles in this process, over services that are thrown away afterwards.
type layers struct {
	project *view.Project
	stream  *stream.Client
	live    *live.Redis
	lake    *lake.Lake
	archive *batch.Archive
	runner  *batch.Runner
	server  *serving.Server
	ahead   atomic.Int64 // ns that the server's clock is ahead: moving it on makes the next query look at everything anew
	closers []func() error
}

// engineMemory bounds each of the layers' engines. The serving layer's holds the answers of every path at once.
const engineMemory = "1GB"

// start starts the layers over the topics of the trials.
func start(ctx context.Context, cfg Config, trials []*trial, dir string) (_ *layers, err error) {
	l := &layers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.stop())
		}
	}()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		return nil, err
	}
	l.closers = append(l.closers, broker.Close)
	redis, err := embedded.StartRedis("")
	if err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	l.closers = append(l.closers, redis.Close)
	l.project = projectOf(cfg.Project, trials)
	l.project.Kafka.Brokers, l.project.Redis.Addrs = broker.Addrs(), []string{redis.Addr()}
	if l.stream, err = stream.Connect(stream.Config{Brokers: broker.Addrs(), HeartbeatInterval: 50 * time.Millisecond, SessionTimeout: 10 * time.Second}); err != nil {
		return nil, err
	}
	l.closers = append(l.closers, l.stream.Close)
	if l.live, err = live.Connect(live.Config{Addrs: l.project.Redis.Addrs}); err != nil {
		return nil, err
	}
	l.closers = append(l.closers, l.live.Close)
	store, err := lake.Open(ctx, filepath.Join(dir, "lake"), lake.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	l.lake = lake.New(store)
	for _, s := range l.project.Sources {
		if err := l.stream.EnsureTopic(ctx, s.Topic, s.Partitions); err != nil {
			return nil, err
		}
	}
	return l, l.roles(cfg, dir)
}

// projectOf is a project that has nothing but the views of the trials, and nobody else's services or bounds.
func projectOf(p *view.Project, trials []*trial) *view.Project {
	out := &view.Project{Name: p.Name, Speed: p.Speed, Batch: view.Batch{MemoryLimit: engineMemory, Threads: 1, Engine: view.EngineDuckDB, Snapshots: 10, InstantRollbacks: 1}}
	out.Speed.CoarseFlush = 0
	for _, t := range trials {
		for _, w := range t.paths {
			out.Views = append(out.Views, w.view)
			out.Sources = append(out.Sources, w.view.Source)
		}
	}
	return out
}

// roles makes the roles, and runs those that work by themselves.
func (l *layers) roles(cfg Config, dir string) (err error) {
	worker, err := speed.New(speed.Config{Project: l.project, Stream: l.stream, Live: l.live, Lake: l.lake, Logger: cfg.Logger,
		BatchWait: 2 * time.Millisecond, EngineMemory: engineMemory, EngineTemp: dir})
	if err != nil {
		return err
	}
	if l.archive, err = batch.NewArchive(batch.ArchiveConfig{Project: l.project, Stream: l.stream, Lake: l.lake, Logger: cfg.Logger, AskEvery: 100 * time.Millisecond}); err != nil {
		return err
	}
	if l.runner, err = batch.NewRunner(batch.Config{Project: l.project, Stream: l.stream, Lake: l.lake, Live: l.live, Logger: cfg.Logger,
		TempDir: dir, Engine: engine.Options{Threads: 1, TempDir: dir}}); err != nil {
		return err
	}
	l.server, err = serving.New(serving.Config{Project: l.project, Lake: l.lake, Live: l.live, Stream: l.stream, Logger: cfg.Logger,
		Engine: engine.Options{Threads: 1, MemoryLimit: engineMemory}, CacheDir: dir,
		Clock: func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }})
	if err != nil {
		return err
	}
	l.closers = append(l.closers, l.server.Close)
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return worker.Run(ctx) })
	g.Go(func() error { return l.archive.Run(ctx) })
	l.closers = append(l.closers, func() error {
		cancel()
		if err := g.Wait(); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	return nil
}

// stop ends everything, the last first.
func (l *layers) stop() error {
	var errs []error
	for i := len(l.closers) - 1; i >= 0; i-- {
		errs = append(errs, l.closers[i]())
	}
	l.closers = nil
	return errors.Join(errs...)
}

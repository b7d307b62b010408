package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving"
)

// What issue 5 aims at on two cores: milliseconds, queries and events a second.
const (
	aimQuery   = 10.0
	aimVisible = 500.0
	queryRate  = 1_000
	eventRate  = 50_000
)

// How long the load goes on: until it is steady, and while it is measured.
const (
	warmUp   = 5 * time.Second
	measured = 20 * time.Second
)

// The limits of serving: the stored rows of the same queries read in DuckDB, without HTTP, without the speed layer, with nothing beside it.
const (
	limitDirectP50 = "DuckDB alone reading the batch rows of the same queries, p50"
	limitDirectP99 = "DuckDB alone reading the batch rows of the same queries, p99"
)

// servingPath measures a dashboard's queries over HTTP, alone and then at a fixed rate while events come in, and how long an event takes to
// be in an answer. A day of n events is in batch; everything that comes later is live.
func servingPath(ctx context.Context, n int) (_ []row, err error) {
	s, err := openStage(ctx, dashboard, realKafka, realRedis)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, cancel := context.WithCancel(ctx)
	running, ctx := errgroup.WithContext(ctx)
	defer func() {
		cancel()
		if ended := running.Wait(); err == nil && !errors.Is(ended, context.Canceled) {
			err = ended
		}
	}()
	day := newEvents(1)
	day.ids, day.first, day.step = "day", time.Now().Add(-24*time.Hour).UnixMicro(), (24*time.Hour).Microseconds()/int64(n)
	if err := s.fill(ctx, day, n); err != nil {
		return nil, err
	}
	defer serving.TuneRuntime()() // as `caudal run serve` does
	base, err := s.startLayers(ctx, running)
	if err != nil {
		return nil, err
	}
	runner, err := batch.NewRunner(batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, TempDir: s.dir})
	if err != nil {
		return nil, err
	}
	if _, err := runner.Run(ctx, batch.RunOptions{}); err != nil {
		return nil, fmt.Errorf("run the batch: %w", err)
	}
	direct, err := s.readDirectly(ctx)
	if err != nil {
		return nil, err
	}
	client := newClient(base)
	before, err := cpu()
	if err != nil {
		return nil, err
	}
	alone, err := client.oneByOne(ctx, len(direct))
	if err != nil {
		return nil, err
	}
	after, err := cpu()
	if err != nil {
		return nil, err
	}
	loaded, err := s.underLoad(ctx, client)
	if err != nil {
		return nil, err
	}
	memory, err := peak()
	rows := []row{
		{Item: "i", Name: limitDirectP50, Value: direct.at(0.5), Unit: milliseconds},
		{Item: "i", Name: limitDirectP99, Value: direct.at(0.99), Unit: milliseconds},
		{Item: "i", Name: "merged query over HTTP, one after another, p50", Value: alone.at(0.5), Unit: milliseconds, Limit: limitDirectP50},
		{Item: "i", Name: "merged query over HTTP, one after another, p99", Value: alone.at(0.99), Unit: milliseconds, Limit: limitDirectP99},
		{Name: "processor time of such a query and its client", Value: float64((after - before).Microseconds()) / float64(len(alone)), Unit: "µs"},
	}
	return append(append(rows, loaded...), row{Name: "peak memory of that process (serving, clients)", Value: memory, Unit: mebibytes}), err
}

// underLoad asks at a fixed rate while events come in at another.
func (s *stage) underLoad(ctx context.Context, client *client) (_ []row, err error) {
	ctx, cancel := context.WithCancel(ctx)
	feeding, ctx := errgroup.WithContext(ctx)
	defer func() {
		cancel()
		if ended := feeding.Wait(); err == nil && !errors.Is(ended, context.Canceled) {
			err = ended
		}
	}()
	if err := s.along(ctx, feeding, duty{Project: dashboard, Feed: true}, 0); err != nil {
		return nil, err
	}
	if _, err := client.openLoop(ctx, warmUp); err != nil {
		return nil, err
	}
	visible := client.watchProbes(ctx, s.stream.Producer(s.topic.Name))
	spent, err := cpu()
	if err != nil {
		return nil, err
	}
	before, err := s.logged(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	queries, err := client.openLoop(ctx, measured)
	lasted := time.Since(began).Seconds()
	after, loggedErr := s.logged(ctx)
	spentAfter, cpuErr := cpu()
	cancel()
	seen, watched := visible()
	if err := errors.Join(err, loggedErr, cpuErr, watched); err != nil {
		return nil, err
	}
	meanwhile := fmt.Sprintf("merged query at %d q/s while %d events/s come in", queryRate, eventRate)
	return []row{
		{Item: "i", Name: meanwhile + ", p50", Value: queries.took.at(0.5), Unit: milliseconds, Limit: limitDirectP50},
		{Item: "i", Name: meanwhile + ", p99", Value: queries.took.at(0.99), Unit: milliseconds, Limit: limitDirectP99, Aim: aimQuery},
		{Item: "i", Name: "queries answered meanwhile", Value: queries.rate, Unit: "queries/s", Aim: 0.98 * queryRate},
		{Name: "of them partial", Value: float64(queries.partial), Unit: "queries"},
		{Name: "events taken in meanwhile", Value: float64(after-before) / lasted, Unit: perSecond, Aim: 0.98 * eventRate},
		{Name: "cores that serving and its clients got meanwhile", Value: (spentAfter - spent).Seconds() / lasted, Unit: cores},
		{Item: "j", Name: "event to visible in a query meanwhile, p50", Value: seen.at(0.5), Unit: milliseconds},
		{Item: "j", Name: "event to visible in a query meanwhile, p99", Value: seen.at(0.99), Unit: milliseconds, Aim: aimVisible},
	}, nil
}

// startLayers runs all three layers, those that write in a process of their own, and returns the address of the API once the speed layer has counted the backlog.
func (s *stage) startLayers(ctx context.Context, running *errgroup.Group) (base string, err error) {
	if err := s.along(ctx, running, duty{Project: dashboard, Speed: true, Archive: true}, yielding); err != nil {
		return "", err
	}
	server, err := serving.New(serving.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake, CacheDir: s.dir, AnswerAge: serving.AnswerAge, SpeedAge: serving.SpeedAge})
	if err != nil {
		return "", err
	}
	s.closers = append(s.closers, server.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	api := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: 5 * time.Second}
	running.Go(func() error { return server.Run(ctx) })
	running.Go(func() error {
		<-ctx.Done()
		return api.Close()
	})
	running.Go(func() error {
		if err := api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if err := await(ctx, nil, s.counted); err != nil {
		return "", err
	}
	return "http://" + listener.Addr().String(), nil
}

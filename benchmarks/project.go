package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

//go:embed project dashboard country cells
var definitions embed.FS

// The embedded projects: the four rollups that the paths are measured with, the dashboard that serving is asked by, one rollup by itself, and one that has a cell for each user.
const (
	rollups     = "project"
	dashboard   = "dashboard"
	country     = "country"
	cellProject = "cells"
)

// loadProject reads an embedded project.
func loadProject(ctx context.Context, name string) (*view.Project, error) {
	var files []view.File
	err := fs.WalkDir(definitions, name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := definitions.ReadFile(path)
		files = append(files, view.File{Path: strings.TrimPrefix(path, name+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	return engine.Parse(ctx, files, os.LookupEnv)
}

// stage is a project over services of its own, with a backlog of events in its topic.
type stage struct {
	services
	project *view.Project
	dir     string // of what it keeps, removed at the end
	stream  *stream.Client
	live    *live.Redis
	lake    *lake.Lake
	topic   lake.Topic
	ends    []int64 // of the log, by partition
	closers []func() error
}

// newStage is a stage of the rollups over embedded services, with n events.
func newStage(ctx context.Context, n int) (*stage, error) {
	s, err := openStage(ctx, rollups, embeddedBroker, embeddedRedis)
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, newEvents(1), n); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startBroker starts a broker that keeps its log in a folder, and returns its addresses and what stops it.
type startBroker func(dir string) (addrs []string, stop func() error, err error)

func embeddedBroker(dir string) ([]string, func() error, error) {
	b, err := embedded.StartBroker(embedded.BrokerConfig{Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	return b.Addrs(), b.Close, nil
}

// startRedis starts a Redis and returns its address and what stops it.
type startRedis func() (addr string, stop func() error, err error)

func embeddedRedis() (string, func() error, error) {
	r, err := embedded.StartRedis("127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return r.Addr(), r.Close, nil
}

// openStage opens the services of an embedded project; nothing is in its topic yet.
func openStage(ctx context.Context, name string, broker startBroker, redis startRedis) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	dir, err := os.MkdirTemp("", "caudal-bench-")
	if err != nil {
		return nil, err
	}
	s.dir = dir
	s.closers = append(s.closers, func() error { return os.RemoveAll(dir) })
	s.Lake = dir + "/lake"
	var stop func() error
	if s.Brokers, stop, err = broker(dir + "/broker"); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, stop)
	if s.Redis, stop, err = redis(); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, stop)
	return s, s.connect(ctx, name)
}

// connect opens connections to the services of the stage.
func (s *stage) connect(ctx context.Context, name string) (err error) {
	if s.project, err = loadProject(ctx, name); err != nil {
		return err
	}
	if s.Partitions > 0 {
		s.project.Sources[0].Partitions = s.Partitions
	}
	if s.stream, err = stream.Connect(stream.Config{Brokers: s.Brokers, FetchBytes: 1 << 20}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.stream.Close)
	if s.live, err = live.Connect(live.Config{Addrs: []string{s.Redis}}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.live.Close)
	store, err := lake.Open(ctx, s.Lake, lake.Options{})
	if err != nil {
		return err
	}
	s.lake = lake.New(store)
	return nil
}

// fill sends n events and notes where the log ends.
func (s *stage) fill(ctx context.Context, source *eventSource, n int) error {
	src := s.project.Sources[0]
	if err := s.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
		return err
	}
	if err := s.send(ctx, source, n); err != nil {
		return err
	}
	return s.note(ctx)
}

// send sends n events.
func (s *stage) send(ctx context.Context, source *eventSource, n int) error {
	return s.writeTo(ctx, s.project.Sources[0].Topic, source.batches(n))
}

// writeTo sends batches of events to a topic, one after the other.
func (s *stage) writeTo(ctx context.Context, topic string, batches iter.Seq[[]stream.Message]) error {
	out := s.stream.Producer(topic)
	for batch := range batches {
		if err := out.Write(ctx, batch); err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return out.Close()
}

// sendWhenAsked makes n events, prints a line once it has them, and sends them after a SIGUSR2: to make them is the work of whoever has something to tell,
// which may be anywhere, and no work of the platform.
func (s *stage) sendWhenAsked(ctx context.Context, source *eventSource, n int) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	batches := slices.Collect(source.batches(n))
	fmt.Println("made")
	select {
	case <-asked:
		return s.writeTo(ctx, s.project.Sources[0].Topic, slices.Values(batches))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// note notes which topic it is, and where its log ends.
func (s *stage) note(ctx context.Context) error {
	src := s.project.Sources[0]
	topic, err := s.stream.Topic(ctx, src.Topic)
	if err != nil {
		return err
	}
	if s.topic, err = s.lake.Incarnation(ctx, src.Topic, lake.Identity{Cluster: topic.ClusterID, TopicID: topic.ID, Partitions: len(topic.Partitions)}); err != nil {
		return err
	}
	s.ends = s.ends[:0]
	for _, p := range topic.Partitions {
		_, end, err := s.stream.Bounds(ctx, src.Topic, p)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, end)
	}
	return nil
}

// counted says whether the speed layer has every record up to where the log ended when that was noted, in every view.
func (s *stage) counted(ctx context.Context) bool {
	want, done := s.progress(ctx)
	return done == want
}

// progress is how many records the speed layer should have, in every view, and how many it has.
func (s *stage) progress(ctx context.Context) (want, done int64) {
	for _, end := range s.ends {
		want += end * int64(len(s.project.Views))
	}
	for _, h := range s.heads(ctx) {
		done += h.Off
	}
	return want, done
}

// heads are the metas of all groups.
func (s *stage) heads(ctx context.Context) []live.Head {
	var groups []live.Group
	for _, v := range s.project.Views {
		for p := range s.ends {
			groups = append(groups, live.Group{Project: s.project.Name, Topic: s.topic.Name, Incarnation: s.topic.Incarnation, Partition: p, View: v.Name, Hash: v.Hash})
		}
	}
	return s.live.Heads(ctx, groups)
}

func (s *stage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/speed"
)

// The aims of issue 3: events per second of the speed path with everything in one process, and MiB of that process.
const (
	aimSpeed  = 200_000
	aimMemory = 500
)

const (
	perSecond = "events/s"
	mebibytes = "MiB"
)

// speedPath measures a backlog from the embedded broker to acknowledged flushes in the embedded Redis.
func speedPath(ctx context.Context, n int) (_ []row, err error) {
	s, err := newStage(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	worker, err := speed.New(speed.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake})
	if err != nil {
		return nil, err
	}
	took, err := until(ctx, worker.Run, func(ctx context.Context) (bool, error) { return s.counted(ctx), nil })
	if err != nil {
		return nil, err
	}
	memory, err := peak()
	return []row{
		{Item: "d", Name: "speed path, durable and deduplicated, 4 rollups", Value: float64(n) / took.Seconds(), Unit: perSecond, Limit: limitSpeed, Aim: aimSpeed},
		{Name: "peak memory of that process (broker, Redis and producer in it)", Value: memory, Unit: mebibytes, Aim: aimMemory},
	}, err
}

// archivePath measures a backlog from the embedded broker to committed chunks in a lake in a folder, with fsync.
func archivePath(ctx context.Context, n int) (_ []row, err error) {
	s, err := newStage(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	took, err := s.archive(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := peak()
	return []row{
		{Item: "e", Name: "archive path, to committed segments", Value: float64(n) / took.Seconds(), Unit: perSecond, Limit: limitArchive},
		{Name: "peak memory of that process", Value: memory, Unit: mebibytes},
	}, err
}

// archive commits the whole backlog to the lake, and says how long that took.
func (s *stage) archive(ctx context.Context) (time.Duration, error) {
	archive, err := batch.NewArchive(batch.ArchiveConfig{Project: s.project, Stream: s.stream, Lake: s.lake})
	if err != nil {
		return 0, err
	}
	asked := map[int]int64{}
	for p, end := range s.ends {
		asked[p] = end
	}
	archive.Close(s.topic.Name, asked)
	return until(ctx, archive.Run, func(ctx context.Context) (bool, error) {
		for p, end := range s.ends {
			next, _, _, err := s.lake.Next(ctx, s.topic, p)
			if err != nil || next < end {
				return false, err
			}
		}
		return true, nil
	})
}

// until runs a part until done says so, and returns how long that took.
func until(ctx context.Context, run func(context.Context) error, done func(context.Context) (bool, error)) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return 0, fmt.Errorf("it ended by itself: %w", err)
		case <-tick.C:
		}
		finished, err := done(ctx)
		if err != nil {
			return 0, err
		}
		if finished {
			took := time.Since(began)
			cancel()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				return 0, err
			}
			return took, nil
		}
	}
}

// peak is the largest resident set of this process so far, in MiB.
func peak() (float64, error) {
	return memoryOfProcess("self", "VmHWM:")
}

// demoMemory runs `caudal demo --once` as a user would.
func demoMemory(ctx context.Context, _ int) (_ []row, err error) {
	dir, err := os.MkdirTemp("", "caudal-bench-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "caudal")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/caudal/caudal").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	c := exec.CommandContext(ctx, binary, "demo", "--once", "--dir", filepath.Join(dir, "demo"), "-o", "json")
	began := time.Now()
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("demo --once: %w", err)
	}
	took := time.Since(began)
	memory := float64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	return []row{
		{Name: "demo --once, all answers checked at three moments", Value: took.Seconds(), Unit: "s"},
		{Name: "peak memory of demo --once", Value: memory, Unit: mebibytes, Aim: aimMemory},
	}, nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/speed"
)

// services are the addresses of a stage's services, for a process of its own.
type services struct {
	Brokers    []string `json:"brokers"`
	Redis      string   `json:"redis"`
	Lake       string   `json:"lake"`       // folder
	Partitions int      `json:"partitions"` // of the topic; 0: as the project says
}

// duty is what a process of its own does over the services of a stage.
type duty struct {
	services
	Project string // embedded
	Speed   bool
	Archive bool
	Batch   bool          // one full run
	Rest    time.Duration // the speed layer polls every millisecond, and says so after a SIGUSR2 and as many polls as in so long a time
	Feed    bool          // events of now at eventRate
	Fill    int           // so many events of the rollups' source, made beforehand and sent, after a SIGUSR2, as fast as they are taken
}

// runDuty does what another process asks for in JSON, until it is killed or has nothing left to do.
func runDuty(ctx context.Context, asked string) error {
	var d duty
	if err := json.Unmarshal([]byte(asked), &d); err != nil {
		return fmt.Errorf("read the duty: %w", err)
	}
	collectWhenAsked()
	profiled, err := startProfile(d.name())
	if err != nil {
		return err
	}
	s := &stage{services: d.services}
	err = s.connect(ctx, d.Project)
	if err == nil {
		err = s.work(ctx, d)
	}
	return errors.Join(err, s.close(), profiled())
}

// name says in a word what the duty is.
func (d *duty) name() string {
	switch {
	case d.Speed && d.Archive:
		return "layers"
	case d.Speed:
		return "speed"
	case d.Archive:
		return "archive"
	case d.Batch:
		return "batch"
	}
	return "producer"
}

func (s *stage) work(ctx context.Context, d duty) error {
	running, ctx := errgroup.WithContext(ctx)
	if d.Speed {
		cfg := speed.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake}
		if d.Rest > 0 {
			cfg.Poll, cfg.MemoryPoll, cfg.Steps = time.Millisecond, time.Millisecond, restingFor(d.Rest, s.project.Sources[0].Partitions)
		}
		worker, err := speed.New(cfg)
		if err != nil {
			return err
		}
		running.Go(func() error { return worker.Run(ctx) })
	}
	if d.Archive {
		archive, err := batch.NewArchive(batch.ArchiveConfig{Project: s.project, Stream: s.stream, Lake: s.lake})
		if err != nil {
			return err
		}
		running.Go(func() error { return archive.Run(ctx) })
	}
	if d.Batch {
		runner, err := batch.NewRunner(batch.Config{Project: s.project, Stream: s.stream, Lake: s.lake, Live: s.live, Engine: engine.Options{MemoryLimit: batchMemory}})
		if err != nil {
			return err
		}
		running.Go(func() error {
			_, err := runner.Run(ctx, batch.RunOptions{Full: true})
			return err
		})
	}
	if d.Feed {
		running.Go(func() error { return s.feed(ctx) })
	}
	if d.Fill > 0 {
		running.Go(func() error { return s.sendWhenAsked(ctx, newEvents(1), d.Fill) })
	}
	return running.Wait()
}

// yielding is how much the layers that write give way to those who ask, as the units in infra/systemd have it: what they do in bursts of
// tens of milliseconds may come a little later, and a query of one millisecond may not.
const yielding = 10

// process is this binary at a duty.
type process struct {
	*exec.Cmd
	said  io.Reader // what it prints
	ended chan struct{}
	err   error // how it ended
}

// start runs this binary once more over the services of the stage.
func (s *stage) start(d duty, niceness int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the benchmark's binary: %w", err)
	}
	d.services = s.services
	asked, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command("nice", "-n", strconv.Itoa(niceness), self, "-duty", string(asked)), ended: make(chan struct{})}
	p.Stderr = os.Stderr
	if p.said, err = p.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	go func() { p.err = p.Wait(); close(p.ended) }()
	return p, nil
}

// stop ends the process and returns the processor time that it took.
func (p *process) stop() (time.Duration, error) {
	if err := p.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	<-p.ended
	return p.ProcessState.UserTime() + p.ProcessState.SystemTime(), nil
}

// spent is the processor time that the process has taken so far.
func (p *process) spent() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of a process: %w", err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the state on, which is the third
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the processor time of a process: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// ticksPerSecond is the unit of processor times that Linux tells of others.
const ticksPerSecond = 100

// beside runs a process at a duty for as long as use takes, and returns the processor time that it took.
func (s *stage) beside(d duty, use func(*process) error) (time.Duration, error) {
	p, err := s.start(d, 0)
	if err != nil {
		return 0, err
	}
	err = use(p)
	used, stopErr := p.stop()
	return used, errors.Join(err, stopErr)
}

// along runs a process at a duty until ctx ends; it may not end before.
func (s *stage) along(ctx context.Context, running *errgroup.Group, d duty, niceness int) error {
	p, err := s.start(d, niceness)
	if err != nil {
		return err
	}
	running.Go(func() error {
		select {
		case <-p.ended:
			return fmt.Errorf("the process at %+v ended by itself: %w", d, p.err)
		case <-ctx.Done():
			_, err := p.stop()
			return errors.Join(ctx.Err(), err)
		}
	})
	return nil
}

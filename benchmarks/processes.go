package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sync/errgroup"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/speed"
)

// services are the addresses of a stage's services, for a process of its own.
type services struct {
	Brokers []string `json:"brokers"`
	Redis   string   `json:"redis"`
	Lake    string   `json:"lake"` // folder
}

// runLayers runs the speed layer and the archive of the dashboard over services that another process has started and names in JSON, until it is killed.
func runLayers(ctx context.Context, at string) error {
	s := &stage{}
	err := json.Unmarshal([]byte(at), &s.services)
	if err == nil {
		err = s.connect(ctx, dashboard)
	}
	if err == nil {
		err = s.work(ctx)
	}
	return errors.Join(err, s.close())
}

func (s *stage) work(ctx context.Context) error {
	worker, err := speed.New(speed.Config{Project: s.project, Stream: s.stream, Live: s.live, Lake: s.lake})
	if err != nil {
		return err
	}
	archive, err := batch.NewArchive(batch.ArchiveConfig{Project: s.project, Stream: s.stream, Lake: s.lake})
	if err != nil {
		return err
	}
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return worker.Run(ctx) })
	running.Go(func() error { return archive.Run(ctx) })
	return running.Wait()
}

// runFeed sends events at eventRate to the topic of services that another process has started and names in JSON, until it is killed.
func runFeed(ctx context.Context, at string) error {
	s := &stage{}
	err := json.Unmarshal([]byte(at), &s.services)
	if err == nil {
		err = s.connect(ctx, dashboard)
	}
	if err == nil {
		err = s.feed(ctx)
	}
	return errors.Join(err, s.close())
}

// yielding is how much the layers that write give way to those who ask, as the units in infra/systemd have it: what they do in bursts of
// tens of milliseconds may come a little later, and a query of one millisecond may not.
const yielding = "10"

// startWorkers runs the layers that write in a process of their own until ctx ends.
func (s *stage) startWorkers(ctx context.Context, running *errgroup.Group) error {
	return s.start(ctx, running, "-layers", yielding)
}

// startFeed lets events come in from a process of their own, as from any producer, until ctx ends.
func (s *stage) startFeed(ctx context.Context, running *errgroup.Group) error {
	return s.start(ctx, running, "-feed", "0")
}

// start runs this binary once more over the services of the stage until ctx ends.
func (s *stage) start(ctx context.Context, running *errgroup.Group, role, niceness string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the benchmark's binary: %w", err)
	}
	at, err := json.Marshal(s.services)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "nice", "-n", niceness, self, role, string(at))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	running.Go(func() error {
		if err := c.Wait(); ctx.Err() == nil {
			return fmt.Errorf("%s ended: %w", role, err)
		}
		return ctx.Err()
	})
	return nil
}

// runBroker runs a broker over a folder until its input ends, and prints its address.
func runBroker(dir string) error {
	b, err := embedded.StartBroker(embedded.BrokerConfig{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println(b.Addrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, b.Close())
}

// brokerProcess is runBroker in a process of its own.
func brokerProcess(dir string) ([]string, func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find the benchmark's binary: %w", err)
	}
	c := exec.Command(self, "-broker", dir)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the broker: %w", err)
	}
	stop := func() error { return errors.Join(in.Close(), c.Wait()) }
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the broker does not say its address: %w", err), stop())
	}
	return []string{addr}, stop, nil
}

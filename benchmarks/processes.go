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

// startWorkers runs the layers that write in a process of their own, as in production, until ctx ends: the system then lets a query of a
// millisecond go before a micro-batch of fifty.
func (s *stage) startWorkers(ctx context.Context, running *errgroup.Group) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the benchmark's binary: %w", err)
	}
	at, err := json.Marshal(s.services)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self, "-layers", string(at))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the speed layer and the archive: %w", err)
	}
	running.Go(func() error {
		if err := c.Wait(); ctx.Err() == nil {
			return fmt.Errorf("the speed layer and the archive ended: %w", err)
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

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// aimRest is what issue 8 aims at: MiB of a speed layer that has nothing to do.
const aimRest = 150

// cellStage is a stage of the cells' project whose Redis can be asked what it holds.
type cellStage struct {
	*stage
	redis *testservices.RedisServer
}

func openCells(ctx context.Context) (*cellStage, error) {
	c := &cellStage{}
	var err error
	c.stage, err = openStage(ctx, cellProject, embeddedBroker, func() (addr string, stop func() error, err error) {
		if c.redis, err = testservices.StartRedis(); err != nil {
			return "", nil, err
		}
		return c.redis.Addr(), c.redis.Stop, nil
	})
	if err != nil {
		return nil, err
	}
	src := c.project.Sources[0]
	if err := c.stream.EnsureTopic(ctx, src.Topic, src.Partitions); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// hold lets the speed layer have so many live cells, each of an event.
func (c *cellStage) hold(ctx context.Context, p *process, cells int) error {
	events := newEvents(1)
	events.users, events.step = cells, 1
	if err := c.fill(ctx, events, cells); err != nil {
		return err
	}
	if err := await(ctx, p.ended, c.counted); err != nil {
		return err
	}
	held, err := c.held(ctx)
	if err == nil && held != cells {
		err = fmt.Errorf("redis holds %d cells, not %d: do limits of the project refuse some?", held, cells)
	}
	return err
}

// held is how many cells Redis has.
func (c *cellStage) held(ctx context.Context) (cells int, err error) {
	for _, h := range c.heads(ctx) {
		if h.Err != nil {
			return 0, h.Err
		}
		cells += int(h.Cells)
	}
	return cells, nil
}

// memoryOf measures the speed layer's memory, and Redis', with so many live cells at rest.
func memoryOf(sizes ...int) func(context.Context, int) ([]row, error) {
	return func(ctx context.Context, _ int) (rows []row, err error) {
		for _, cells := range sizes {
			more, err := memoryWith(ctx, cells)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
		return rows, nil
	}
}

func memoryWith(ctx context.Context, cells int) (_ []row, err error) {
	c, err := openCells(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	before, err := c.used()
	if err != nil {
		return nil, err
	}
	var resting float64
	_, err = c.beside(duty{Project: cellProject, Speed: true}, func(p *process) error {
		if err := c.hold(ctx, p, cells); err != nil {
			return err
		}
		resting, err = p.atRest(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	after, err := c.used()
	aim := 0.0
	if cells <= 100_000 { // millions are what a project's limits keep out, and cost what they cost
		aim = aimRest
	}
	return []row{
		{Item: "k", Name: fmt.Sprintf("memory of the speed layer with %d live cells, at rest", cells), Value: resting, Unit: mebibytes, Aim: aim},
		{Item: "k", Name: fmt.Sprintf("Redis' memory for each of %d cells", cells), Value: (after - before) / float64(cells), Unit: "B/cell"},
	}, err
}

// restFor measures the speed layer's memory with 100,000 live cells after it has looked at Redis and the lake as often as in so long a time at
// rest: every millisecond, which is 900 times as often, with the garbage that this makes and the collections that it brings.
func restFor(rest time.Duration) func(context.Context, int) ([]row, error) {
	return func(ctx context.Context, _ int) (_ []row, err error) {
		c, err := openCells(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, c.close()) }()
		var after float64
		_, err = c.beside(duty{Project: cellProject, Speed: true, Rest: rest}, func(p *process) error {
			if err := c.hold(ctx, p, 100_000); err != nil {
				return err
			}
			if err := p.Process.Signal(syscall.SIGUSR2); err != nil { // the polls count from now on
				return err
			}
			if err := p.says("rested"); err != nil {
				return err
			}
			after, err = p.resident()
			return err
		})
		return []row{{Item: "k", Name: fmt.Sprintf("memory of the speed layer with 100000 live cells, after the polls of %.0f h at rest", rest.Hours()), Value: after, Unit: mebibytes, Aim: aimRest}}, err
	}
}

// rests is how long the layer must have had nothing to do before it is at rest: by then it has given back what micro-batches need.
const rests = 4 * time.Second

// atRest is the process' resident memory in MiB once it rests, after a collection, which Go itself begins after two minutes of rest.
func (p *process) atRest(ctx context.Context) (float64, error) {
	if err := p.stay(ctx, rests); err != nil {
		return 0, err
	}
	if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
		return 0, err
	}
	if err := p.says("collected"); err != nil {
		return 0, err
	}
	return p.resident()
}

// says waits until the process prints a line.
func (p *process) says(want string) error {
	line, err := bufio.NewReader(p.said).ReadString('\n')
	if got := strings.TrimSpace(line); err != nil || got != want {
		return errors.Join(err, fmt.Errorf("the process said %q, not %q", got, want))
	}
	return nil
}

// stay waits; the process may not end meanwhile.
func (p *process) stay(ctx context.Context, d time.Duration) error {
	select {
	case <-p.ended:
		return fmt.Errorf("the process ended by itself: %w", p.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// resident is the process' resident memory now, in MiB.
func (p *process) resident() (float64, error) {
	return memoryOfProcess(strconv.Itoa(p.Process.Pid), "VmRSS:")
}

// memoryOfProcess reads a line of what the system tells of a process' memory, in MiB.
func memoryOfProcess(pid, field string) (float64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("the system does not tell %s of process %s", field, pid)
}

// used is how much memory Redis takes, in bytes.
func (c *cellStage) used() (float64, error) {
	info, err := c.redis.Do("INFO", "memory")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "used_memory:"); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, errors.New("redis does not say how much memory it uses")
}

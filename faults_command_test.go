package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/serving/watch"
	"github.com/caudal/caudal/speed"
)

// The environment of a command of the fault tests.
const (
	stepsFile  = "CAUDAL_TEST_STEPS" // where it writes down each step that it comes to, one per line; without it nothing is adjusted
	faultAt    = "CAUDAL_TEST_FAULT" // stepFault
	clockShift = "CAUDAL_TEST_CLOCK" // file that says how far the clock is off, as a duration; it may change at any time
	ownGroup   = "CAUDAL_TEST_GROUP" // consumer group of a speed worker that is to own all partitions, whoever else does
)

// faultLockTTL is the time of a batch lock, and so what a killed run makes the next one wait for.
const faultLockTTL = 800 * time.Millisecond

// stepFault is what a process does to itself between two steps: when it comes to a step for the n-th time.
type stepFault struct {
	step string
	n    int
	do   string // kill: SIGKILL; stop: SIGSTOP, and on after SIGCONT; term: SIGTERM, and on; wait: until SIGTERM; "": nothing
}

// String is how the environment carries it.
func (f stepFault) String() string { return fmt.Sprintf("%s|%d|%s", f.step, f.n, f.do) }

func parseStepFault(text string) (f stepFault, err error) {
	parts := strings.Split(text, "|")
	if len(parts) != 3 {
		return f, fmt.Errorf("%s=%q is not STEP|N|WHAT", faultAt, text)
	}
	f.step, f.do = parts[0], parts[2]
	f.n, err = strconv.Atoi(parts[1])
	return f, err
}

// stepper does the fault of a process when its time has come. ctx is what SIGTERM ends.
type stepper struct {
	ctx   context.Context
	fault stepFault
	notes *os.File

	mu   sync.Mutex
	seen int
}

func (s *stepper) step(name string) error {
	if _, err := fmt.Fprintln(s.notes, name); err != nil {
		return err
	}
	s.mu.Lock()
	if name == s.fault.step {
		s.seen++
	}
	due := name == s.fault.step && s.seen == s.fault.n
	s.mu.Unlock()
	if !due {
		return nil
	}
	switch s.fault.do {
	case "kill":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	case "stop":
		return syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "term":
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-s.ctx.Done()
	case "wait":
		<-s.ctx.Done()
	}
	return nil
}

// faultAdjust makes a command small and quick, and carries out the faults that its environment names.
func faultAdjust(ctx context.Context) (adjust, error) {
	if os.Getenv(stepsFile) == "" {
		return adjust{}, nil
	}
	s := &stepper{ctx: ctx}
	var err error
	if s.notes, err = os.OpenFile(os.Getenv(stepsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return adjust{}, err
	}
	if text := os.Getenv(faultAt); text != "" {
		if s.fault, err = parseStepFault(text); err != nil {
			return adjust{}, err
		}
	}
	clock := func() time.Time {
		text, err := os.ReadFile(os.Getenv(clockShift))
		if err != nil {
			return time.Now()
		}
		by, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			return time.Now()
		}
		return time.Now().Add(by)
	}
	return adjust{
		speed: func(c *speed.Config) {
			c.BatchRecords, c.BatchWait, c.FlushCells, c.Poll, c.EngineMemory = 400, 10*time.Millisecond, 60, 200*time.Millisecond, "128MB"
			c.Steps = s.step
			c.ConsumerGroup = os.Getenv(ownGroup)
		},
		archive: func(c *batch.ArchiveConfig) {
			c.ChunkRecords, c.ChunkAge, c.AskEvery, c.Clock, c.Steps = 400, 300*time.Millisecond, 50*time.Millisecond, clock, s.step
		},
		watch: func(c *watch.Config) {
			c.Every, c.LockTTL, c.Backoff, c.Windows, c.Steps = 20*time.Millisecond, faultLockTTL, 20*time.Millisecond, 100_000, s.step
		},
		batch: func(c *batch.Config) { c.LockTTL, c.Clock, c.Steps = faultLockTTL, clock, s.step },
	}, nil
}

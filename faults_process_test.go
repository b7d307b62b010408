package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaultTwoWorkersOnOnePartition: two workers believe that they own every partition, and fight for each until one is gone.
func TestFaultTwoWorkersOnOnePartition(t *testing.T) {
	long(t)
	t.Parallel()
	s := siteOf(t, where{})
	archive := s.start("archive", none)
	s.ask()
	first := s.start("speed", none)
	s.produce(300)
	s.heals()
	s.group = s.name + "-other"
	second := s.start("speed", none)
	for range 10 {
		s.produce(200)
		s.batch()
	}
	if taken := strings.Count(s.said("speed"), "partition dropped"); taken < 4 {
		t.Errorf("the workers took the partitions from each other only %d times: they did not fight", taken)
	}
	first.kill()
	s.settles()
	second.terminate()
	archive.terminate()
}

// TestFaultWorkerFrozenPastItsSession: a worker is frozen between two steps until another has its partitions, and then wakes.
func TestFaultWorkerFrozenPastItsSession(t *testing.T) {
	long(t)
	t.Parallel()
	s := recorded(t)
	archive := s.start("archive", none)
	s.ask()
	s.each(s.atEveryStep("speed", "stop", 2), func(c stepFault) {
		frozen := s.start("speed", c)
		frozen.frozen(func() { s.produce(20) })
		other := s.start("speed", none)
		s.heals()
		s.produce(200)
		if s.runs++; s.runs%2 == 0 {
			s.batch() // so that it wakes in an epoch that has ended
		}
		frozen.signal(syscall.SIGCONT)
		s.produce(200)
		s.heals()
		other.terminate()
		s.produce(200)
		s.heals() // it has found out, and serves again
		frozen.terminate()
	})
	speed := s.start("speed", none)
	s.settles()
	speed.terminate()
	archive.terminate()
}

// TestFaultArchiveFrozenPastItsSession: another archive finishes what the frozen one had begun.
func TestFaultArchiveFrozenPastItsSession(t *testing.T) {
	long(t)
	t.Parallel()
	s := recorded(t)
	speed := s.start("speed", none)
	s.ask()
	names := s.recorded["archive"].names
	var cases []stepFault
	for _, name := range names {
		if !strings.HasPrefix(name, "after-file-") || name == "after-file-2" {
			cases = append(cases, stepFault{name, 2, "stop"})
		}
	}
	s.each(cases, func(c stepFault) {
		frozen := s.start("archive", c)
		frozen.frozen(func() { s.produce(20) })
		other := s.start("archive", none)
		s.archived()
		frozen.signal(syscall.SIGCONT)
		s.produce(200)
		s.archived()
		other.terminate()
		s.produce(200)
		s.archived()
		frozen.terminate()
	})
	archive := s.start("archive", none)
	s.settles()
	archive.terminate()
	speed.terminate()
}

// TestFaultBatchFrozenPastItsLock: a run is frozen until another has taken its lock over and published, and then wakes: whatever it
// still does, no answer goes back.
func TestFaultBatchFrozenPastItsLock(t *testing.T) {
	long(t)
	t.Parallel()
	s := recorded(t)
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.ask()
	var cases []stepFault
	names := s.recorded["batch"].names
	for _, name := range names {
		cases = append(cases, stepFault{name, 1, "stop"})
	}
	s.each(cases, func(c stepFault) {
		s.produce(200)
		s.heals()
		frozen := s.launch("batch", c, nil, "batch", "run", "--run", s.nextRun())
		frozen.frozen(func() {})
		s.produce(100)
		s.batch("--run", s.nextRun())
		s.heals()
		frozen.signal(syscall.SIGCONT)
		<-frozen.ended
		if frozen.err == nil && c.step != "after-drop" {
			s.t.Errorf("the run says that all went well: %s", lastLine(s.said("batch")))
		}
		s.heals()
		s.once("--run", s.nextRun())
		s.heals()
	})
	s.settles()
	speed.terminate()
	archive.terminate()
}

// TestFaultOneRunAtATime: a second run is refused while one is at work, whatever the machine's clock does meanwhile, and the lock of one
// that died does not stand for the hours that the clock has jumped.
func TestFaultOneRunAtATime(t *testing.T) {
	long(t)
	t.Parallel()
	s := siteOf(t, where{})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	for _, jump := range []string{"0s", "5h", "-5h"} {
		working := s.launch("batch", stepFault{"before-publish", 1, "wait"}, nil, "batch", "run", "--run", s.nextRun())
		s.until("the run is at work", func() error {
			if strings.Count(s.noted("batch"), "before-publish") == s.runs {
				return nil
			}
			return errors.New("it is not there yet")
		})
		s.setClock(jump)
		for range 2 {
			if _, err := s.tryBatch(); err == nil || !strings.Contains(err.Error(), "locked") {
				t.Errorf("with the clock at %s, beside a run at work: %v", jump, err)
			}
		}
		working.signal(syscall.SIGTERM)
		<-working.ended
	}
	s.setClock("5h")
	dead := s.launch("batch", stepFault{"after-cut", 1, "kill"}, nil, "batch", "run", "--run", s.nextRun())
	dead.killed(func() {})
	s.setClock("0s")
	s.batch()
	s.settles()
	speed.terminate()
	archive.terminate()
}

// TestFaultTheClockJumps: the clocks of the machine and of its producers jump forwards and backwards by hours.
func TestFaultTheClockJumps(t *testing.T) {
	long(t)
	t.Parallel()
	s := siteOf(t, where{})
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.ask()
	for i, jump := range []string{"0s", "7h", "-7h", "30h", "-48h", "10m"} {
		s.setClock(jump)
		s.produce(300)
		s.batch(fmt.Sprintf("--full=%v", i%2 == 0))
		by, err := time.ParseDuration(jump)
		s.check(err)
		s.shop.ShiftClock(by)
		s.produce(300)
		s.heals()
		s.archived()
	}
	s.settles()
	speed.terminate()
	archive.terminate()
}

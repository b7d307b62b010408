package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
)

// steps are the steps that a role has come to so far, in the order of the first time, with how often.
func (s *site) steps(role string) (names []string, counts map[string]int) {
	s.t.Helper()
	counts = map[string]int{}
	text, err := os.ReadFile(s.stepsOf(role))
	s.check(err)
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSpace(line)
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	return names, counts
}

// recording is what a role does when nothing goes wrong: its steps, in the order of the first time, and how often it came to each; a
// batch, in one run.
type recording struct {
	names  []string
	counts map[string]int
}

// atEveryStep are faults at the first time that a role comes to each of its steps, and at a later one, at most the n-th. The steps are
// those of the recording, so that a new one is in the list by itself. Of a step for each file the later times are not all there: the next
// file is one.
func (s *site) atEveryStep(role, do string, n int) []stepFault {
	s.t.Helper()
	var cases []stepFault
	names, counts := s.recorded[role].names, s.recorded[role].counts
	for _, name := range names {
		cases = append(cases, stepFault{name, 1, do})
		number := strings.TrimPrefix(name, "after-file-")
		if later := min(n, counts[name]); later > 1 && (number == name || number == "1") {
			cases = append(cases, stepFault{name, later, do})
		}
	}
	return cases
}

// recorded is a site whose roles have come to every step there is; none runs any more.
func recorded(t *testing.T) *site {
	t.Helper()
	s := siteOf(t, where{})
	speed, archive := s.start("speed", none), s.start("archive", none)
	for range 3 {
		s.produce(300)
		s.heals()
		s.archived()
	}
	s.batch()
	s.check(os.Remove(s.stepsOf("batch")))
	s.produce(300)
	s.batch()
	s.heals()
	speed.terminate()
	archive.terminate()
	for role, least := range map[string]int{"speed": 6, "archive": 5, "batch": 11} {
		names, counts := s.steps(role)
		if len(names) < least {
			t.Fatalf("%s has come to the steps %v only", role, names)
		}
		s.recorded[role] = recording{names, counts}
	}
	return s
}

// each runs a test for each case, as a subtest, until one has failed.
func (s *site) each(cases []stepFault, test func(stepFault)) {
	outer := s.t
	defer func() { s.t = outer }()
	for _, c := range cases {
		ok := outer.Run(fmt.Sprintf("%s,%d", c.step, c.n), func(t *testing.T) {
			s.t = t
			test(c)
		})
		if !ok {
			return
		}
	}
	outer.Logf("%d cases, %d answers compared", len(cases), s.shop.Compared())
}

// on runs a subtest on the site.
func (s *site) on(name string, test func()) {
	outer := s.t
	defer func() { s.t = outer }()
	outer.Run(name, func(t *testing.T) {
		s.t = t
		test()
	})
}

// eachRecorded runs parts of a test, each on a recorded site of its own: the answers of a part are not compared over the records of the others.
func eachRecorded(t *testing.T, parts map[string]func(*site)) {
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(recorded(t))
		})
	}
}

func TestFaultKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	eachRecorded(t, map[string]func(*site){
		"speed": func(s *site) { s.killedWhileServing("speed", s.start("archive", none), s.heals) },
		"archive": func(s *site) {
			s.killedWhileServing("archive", s.start("speed", none), func() { s.heals(); s.archived() })
		},
		"batch": (*site).killedBatch,
	})
}

// killedBatch kills a run at its steps while orders come in.
func (s *site) killedBatch() {
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.ask()
	s.each(handful(s.atEveryStep("batch", "kill", 2), 1), func(c stepFault) {
		s.produce(300)
		s.heals()
		run := s.nextRun()
		l := s.launch("batch", c, nil, "batch", "run", "--run", run)
		l.killed(func() { s.produce(5) })
		if s.runs%2 == 0 {
			run = s.nextRun() // cron does not know of the one that was killed
		}
		s.batch("--run", run)
		s.heals()
	})
	s.settles()
	speed.terminate()
	archive.terminate()
}

// killedWhileServing kills a role at its steps while orders come in, and starts it again as a supervisor would. beside runs all the time.
func (s *site) killedWhileServing(role string, beside *life, healed func()) {
	s.ask()
	s.each(handful(s.atEveryStep(role, "kill", 3), 1), func(c stepFault) {
		s.start(role, c).killed(func() { s.produce(20) })
		l := s.start(role, none)
		healed()
		l.terminate()
	})
	l := s.start(role, none)
	s.settles()
	l.terminate()
	beside.terminate()
}

// nextRun names a batch run.
func (s *site) nextRun() string {
	s.runs++
	return fmt.Sprintf("faults-%03d", s.runs)
}

// TestFaultTerminatedDuringAnyPhase: SIGTERM finishes the step in hand, so that the next life has nothing to do again.
func TestFaultTerminatedDuringAnyPhase(t *testing.T) {
	long(t)
	t.Parallel()
	eachRecorded(t, map[string]func(*site){
		"start": (*site).terminatedWhileStarting, "speed": (*site).terminatedSpeed, "archive": (*site).terminatedArchive, "batch": (*site).terminatedBatch,
	})
}

func (s *site) terminatedSpeed() {
	archive := s.start("archive", none)
	s.ask()
	s.each(s.atEveryStep("speed", "term", 3), func(c stepFault) {
		s.terminated("speed", c)
		if last := s.last("speed", "query", "after flush"); last != "after flush" {
			s.t.Errorf("what was computed is not in Redis: the last step of a micro-batch is %q", last)
		}
		l := s.start("speed", none)
		s.heals()
		l.terminate()
	})
	l := s.start("speed", none)
	s.settles()
	l.terminate()
	archive.terminate()
}

func (s *site) terminatedArchive() {
	speed := s.start("speed", none)
	s.ask()
	s.each(s.atEveryStep("archive", "term", 3), func(c stepFault) {
		s.terminated("archive", c)
		if _, counts := s.steps("archive"); counts["after-intent"] != counts["after-commit"] {
			s.t.Errorf("%d chunks were begun and %d committed", counts["after-intent"], counts["after-commit"])
		}
		l := s.start("archive", none)
		s.archived()
		l.terminate()
	})
	l := s.start("archive", none)
	s.settles()
	l.terminate()
	speed.terminate()
}

// terminatedWhileStarting: whenever SIGTERM comes, a role ends well, or of the signal itself before it listens for it.
func (s *site) terminatedWhileStarting() {
	for _, role := range []string{"speed", "archive"} {
		for after := time.Duration(0); after < 400*time.Millisecond; after += 50 * time.Millisecond {
			l := s.start(role, none)
			time.Sleep(after) // any moment will do
			l.signal(syscall.SIGTERM)
			<-l.ended
			var exit *exec.ExitError
			if errors.As(l.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
				continue
			}
			if l.err != nil {
				s.t.Errorf("%s, told to end %v after its start: %v: %s", role, after, l.err, lastLine(s.said(role)))
			}
		}
	}
}

// terminated starts a role that is told to end at a step, and waits until it has.
func (s *site) terminated(role string, c stepFault) {
	s.t.Helper()
	l := s.start(role, c)
	s.until(role+" was told to end", func() error {
		select {
		case <-l.ended:
			return nil
		default:
			s.produce(20)
			return fmt.Errorf("it runs")
		}
	})
	l.stops()
}

// last is the one of some steps that a role came to last.
func (s *site) last(role string, of ...string) (last string) {
	text, err := os.ReadFile(s.stepsOf(role))
	s.check(err)
	for line := range strings.Lines(string(text)) {
		if name := strings.TrimSpace(line); slices.Contains(of, name) {
			last = name
		}
	}
	return last
}

// terminatedBatch: a run that is told to end finishes the publish that it is in, gives its lock back, and can be gone on with.
func (s *site) terminatedBatch() {
	speed, archive := s.start("speed", none), s.start("archive", none)
	s.ask()
	s.each(s.atEveryStep("batch", "term", 2), func(c stepFault) {
		s.produce(300)
		s.heals()
		s.check(os.Remove(s.stepsOf("batch")))
		run := s.nextRun()
		l := s.launch("batch", c, nil, "batch", "run", "--run", run)
		<-l.ended
		_, counts := s.steps("batch")
		if counts[c.step] < c.n {
			s.t.Errorf("the run never came to its fault: %v", counts)
		}
		if counts["before-publish"] != counts["after-drop"] {
			s.t.Errorf("%d publishes were begun and %d finished", counts["before-publish"], counts["after-drop"])
		}
		if done := counts["after-drop"] == 2; done != (l.err == nil) {
			s.t.Errorf("%d views were published, yet the run ended with %v", counts["after-drop"], l.err)
		}
		again := s.once("--run", run)
		for _, v := range again.Views {
			if v.Snapshot == "" {
				s.t.Errorf("the run was gone on with, yet view %s was not published: %+v", v.View, v)
			}
		}
		s.heals()
	})
	s.settles()
	speed.terminate()
	archive.terminate()
}

// once is a batch run that has to succeed at once: no lock stands.
func (s *site) once(args ...string) batch.Report {
	s.t.Helper()
	report, err := s.tryBatch(args...)
	s.check(err)
	s.explained(report)
	return report
}

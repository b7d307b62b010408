package seamtest

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errCrash is what a role dies of where a test says so.
var errCrash = errors.New("crash")

// stepper is the Steps hook of one role: it lets a test crash the role at a step, or hold it there.
type stepper struct {
	mu      sync.Mutex
	crashAt string // name of a step
	fuse    int    // steps until a crash; 0: none
	holdAt  string
	held    chan struct{} // closed when the role stands at holdAt
	resume  chan struct{}
	passed  func(step string) // told of every step; may be nil
	crashes int
}

func (s *stepper) step(name string) error {
	if s.passed != nil {
		s.passed(name)
	}
	s.mu.Lock()
	if s.fuse > 0 {
		if s.fuse--; s.fuse == 0 {
			s.crashAt = name
		}
	}
	if s.crashAt == name {
		s.crashAt = ""
		s.crashes++
		s.mu.Unlock()
		return errCrash
	}
	var wait chan struct{}
	if s.holdAt == name {
		s.holdAt = ""
		close(s.held)
		wait = s.resume
	}
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return nil
}

// crash makes the role die when it next comes to a step.
func (s *stepper) crash(at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashAt = at
}

// light makes the role die n steps on.
func (s *stepper) light(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fuse = n
}

// hold makes the role stand still when it next comes to a step.
func (s *stepper) hold(at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdAt, s.held, s.resume = at, make(chan struct{}), make(chan struct{})
}

// awaitHeld returns once the role stands where it was told to.
func (s *stepper) awaitHeld(ctx context.Context) error {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("the role did not come to the step where it was to stand still"))
	defer cancel()
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pass lets a role that stands still go on to another step, where it stands still again.
func (s *stepper) pass(at string) {
	s.mu.Lock()
	stood := s.resume
	s.mu.Unlock()
	s.hold(at)
	close(stood)
}

// wake lets a role go on that stands still, or that was told to and has not come to the step.
func (s *stepper) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdAt = ""
	if s.resume != nil {
		close(s.resume)
		s.resume = nil
	}
}

// calm takes back whatever is still to happen.
func (s *stepper) calm() {
	s.wake()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashAt, s.fuse = "", 0
}

func (s *stepper) crashed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashes
}

package speed

import (
	"errors"
	"sync"
)

// fuse is a Steps hook that crashes the worker some steps after it was lit.
type fuse struct {
	mu   sync.Mutex
	left int // steps until the crash; 0: none
}

// light sets the steps until the crash; 0 takes it back.
func (f *fuse) light(steps int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = steps
}

func (f *fuse) step(string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		if f.left--; f.left == 0 {
			return errors.New("crash")
		}
	}
	return nil
}

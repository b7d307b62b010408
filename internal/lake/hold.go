package lake

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Holding says which lock is held for what.
type Holding struct {
	Name       string
	Owner      string
	What       string        // that is done under it, such as "erasure"
	TTL        time.Duration // how long the lock holds without being renewed
	Clock      func() time.Time
	Died       func(err error) bool // whether what was done ended as if the process had died, and so without a release; nil: never. For tests
	Unreleased func(err error)      // is told why the lock was not released, and so falls free by itself after TTL
}

// Hold calls f under a lock, which is renewed meanwhile; f's context ends if the lock is lost. ErrLocked if somebody else holds it.
func (l *Lake) Hold(ctx context.Context, h Holding, f func(context.Context) error) error {
	lock, err := l.Lock(ctx, h.Name, h.Owner+", "+h.What, h.Clock(), h.TTL)
	if err != nil {
		return fmt.Errorf("begin %s: %w", h.What, err)
	}
	held, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		if err := lock.renew(held, h); err != nil {
			cancel(fmt.Errorf("%s lost its lock: %w", h.What, err))
		}
	}()
	err = f(held)
	lost := context.Cause(held) != nil && ctx.Err() == nil
	if lost {
		err = errors.Join(err, context.Cause(held))
	}
	cancel(nil)
	<-renewed
	if h.Died != nil && h.Died(err) {
		return err
	}
	release, done := context.WithTimeout(context.WithoutCancel(ctx), h.TTL/4)
	defer done()
	if free := lock.Release(release); free != nil && !lost {
		h.Unreleased(free)
	}
	return err
}

// renew renews the lock until ctx ends, or until it is lost.
func (k *Lock) renew(ctx context.Context, h Holding) error {
	tick := time.NewTicker(h.TTL / 4)
	defer tick.Stop()
	until := time.Now().Add(h.TTL) // by time that passes, not by the clock
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			err := k.Renew(ctx, h.Clock(), h.TTL)
			if err == nil {
				until = now.Add(h.TTL)
			} else if errors.Is(err, ErrLocked) || time.Until(until) < h.TTL/4 {
				return err
			}
		}
	}
}

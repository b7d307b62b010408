package seamtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// Fault is a way in which a lake fails once.
type Fault string

// The faults of an object store. A refusal (412, 409) is only told where it may be told: of a conditional put.
const (
	ServerError Fault = "500"        // nothing was done
	LostAnswer  Fault = "timeout"    // the write was applied, and nobody learns of it
	Precond     Fault = "412"        // a conditional put is told that it lost, though nobody else wrote
	Conflict    Fault = "409"        // a conditional put is told to try again
	Slow        Fault = "slow"       // it works, but takes its time
	readError   Fault = "read error" // a get or a list fails
)

var errStore = errors.New("the store failed")

// faulty is a lake's store that fails when it is told to.
type faulty struct {
	lake.Store
	mu   sync.Mutex
	next []Fault // of the writes to come, in order; readError: of the next read
	hits map[Fault]int
}

func newFaulty(s lake.Store) *faulty { return &faulty{Store: s, hits: map[Fault]int{}} }

// fail makes the next operation that the fault fits fail.
func (f *faulty) fail(what ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, what...)
}

func (f *faulty) calm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = nil
}

// take returns the fault of an operation, if its turn has come.
func (f *faulty) take(read bool) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next) == 0 || (f.next[0] == readError) != read {
		return ""
	}
	fault := f.next[0]
	f.next = f.next[1:]
	f.hits[fault]++
	return fault
}

func (f *faulty) counted() map[Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[Fault]int{}
	for k, n := range f.hits {
		all[k] = n
	}
	return all
}

// write carries out a write with the fault whose turn it is. lost is what the store says to a conditional put that lost.
func (f *faulty) write(ctx context.Context, key string, lost error, do func() error) error {
	fault := f.take(false)
	switch fault {
	case ServerError, Conflict:
		return fmt.Errorf("put %s: %w: %s", key, errStore, fault)
	case Precond:
		if lost == nil {
			return fmt.Errorf("put %s: %w: %s", key, errStore, fault)
		}
		return fmt.Errorf("put %s: %w", key, lost)
	case LostAnswer:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("put %s: %w: %s", key, errStore, fault)
	case Slow:
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return do()
}

// Create is lake.Store's.
func (f *faulty) Create(ctx context.Context, key string, data []byte) (tag string, err error) {
	err = f.write(ctx, key, nil, func() error { tag, err = f.Store.Create(ctx, key, data); return err })
	return tag, err
}

// Swap is lake.Store's.
func (f *faulty) Swap(ctx context.Context, key string, data []byte, old string) (tag string, err error) {
	err = f.write(ctx, key, lake.ErrChanged, func() error { tag, err = f.Store.Swap(ctx, key, data, old); return err })
	return tag, err
}

// Put is lake.Store's.
func (f *faulty) Put(ctx context.Context, key string, data []byte) error {
	return f.write(ctx, key, nil, func() error { return f.Store.Put(ctx, key, data) })
}

// Get is lake.Store's.
func (f *faulty) Get(ctx context.Context, key string) ([]byte, string, error) {
	if f.take(true) != "" {
		return nil, "", fmt.Errorf("get %s: %w", key, errStore)
	}
	return f.Store.Get(ctx, key)
}

// List is lake.Store's.
func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[lake.Object, error] {
	if f.take(true) != "" {
		return func(yield func(lake.Object, error) bool) { yield(lake.Object{}, errStore) }
	}
	return f.Store.List(ctx, prefix)
}

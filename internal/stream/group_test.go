package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

// owners records who holds which partition, and notices when two do.
type owners struct {
	mu      sync.Mutex
	held    map[int]string
	clashes []string
	changed chan struct{}
}

func newOwners() *owners { return &owners{held: map[int]string{}, changed: make(chan struct{}, 1)} }

func (o *owners) hold(who string, ps []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range ps {
		if other, ok := o.held[p]; ok {
			o.clashes = append(o.clashes, fmt.Sprintf("partition %d given to %s while %s has it", p, who, other))
		}
		o.held[p] = who
	}
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *owners) release(ps []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range ps {
		delete(o.held, p)
	}
}

// await waits until the members hold so many partitions each.
func (o *owners) await(ctx context.Context, t *testing.T, want map[string]int) {
	t.Helper()
	for {
		have := map[string]int{}
		o.mu.Lock()
		for _, who := range o.held {
			have[who]++
		}
		o.mu.Unlock()
		if fmt.Sprint(have) == fmt.Sprint(want) {
			return
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
			t.Fatalf("partitions are held by %v, want %v", have, want)
		}
	}
}

func TestGroupSharesPartitionsAndNeverGivesOneTwice(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 4)
		o := newOwners()
		c := f.connect(t, stream.Config{HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: 3 * time.Second})
		join := func(who string) (leave func()) {
			ctx, cancel := context.WithCancel(f.ctx)
			done := make(chan error, 1)
			go func() {
				done <- c.RunGroup(ctx, f.topic, []string{f.topic}, func(ctx context.Context, a stream.Assignment) error {
					ps := a.Topics[f.topic]
					o.hold(who, ps)
					defer o.release(ps)
					<-ctx.Done()
					return ctx.Err()
				})
			}()
			return func() {
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("%s ended with %v", who, err)
				}
			}
		}
		leaveA := join("a")
		o.await(f.ctx, t, map[string]int{"a": 4})
		leaveB := join("b")
		o.await(f.ctx, t, map[string]int{"a": 2, "b": 2})
		leaveA()
		o.await(f.ctx, t, map[string]int{"b": 4})
		leaveB()
		if len(o.clashes) > 0 {
			t.Error(o.clashes)
		}
	})
}

func TestGroupCommitsAreReadBack(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 2)
		stop := errors.New("enough")
		err := f.c.RunGroup(f.ctx, f.topic, []string{f.topic}, func(ctx context.Context, a stream.Assignment) error {
			if !slices.Equal(a.Topics[f.topic], []int{0, 1}) {
				return stream.Permanent(fmt.Errorf("assigned %v", a.Topics))
			}
			if err := a.Commit(ctx, map[string]map[int]int64{f.topic: {1: 42}}); err != nil {
				return stream.Permanent(err)
			}
			return stream.Permanent(stop)
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		next, err := f.c.Committed(f.ctx, f.topic, f.topic)
		if err != nil || len(next) != 1 || next[1] != 42 {
			t.Fatalf("%v, %v", next, err)
		}
	})
}

func TestGroupTriesAgainAfterItsHandlersError(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		c := f.connect(t, stream.Config{HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: 3 * time.Second})
		calls := 0
		passing, lasting := errors.New("redis is away"), errors.New("definition is broken")
		err := c.RunGroup(f.ctx, f.topic, []string{f.topic}, func(context.Context, stream.Assignment) error {
			if calls++; calls == 1 {
				return passing
			}
			return stream.Permanent(lasting)
		})
		if !errors.Is(err, lasting) || calls != 2 {
			t.Fatalf("%d calls, then %v", calls, err)
		}
		f.retried.mu.Lock()
		defer f.retried.mu.Unlock()
		if !slices.ContainsFunc(f.retried.errs, func(err error) bool { return errors.Is(err, passing) }) {
			t.Fatal("the handler's error was not reported")
		}
	})
}

package serving

import (
	"context"
	"sync"
	"time"
)

// shared lets those who want the same value at about the same time have it from one of them: a dashboard that a thousand people look at is computed
// some tens of times a second. A shared value is older than one of the caller's own by less than age, and nothing else. One in use is made anew
// in the background before it is too old, so that nobody waits for it.
type shared[K comparable, V any] struct {
	age     time.Duration // 0: nothing is shared
	timeout time.Duration // of what is made in the background
	limit   int64         // of the weights of all that is kept
	clock   func() time.Time
	// weigh is what keeping a value costs; false: it is for who made it alone.
	weigh func(V) (weight int64, keep bool)

	ctx     context.Context // of the work in the background
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	known  map[K]*sharedValue[V]
	weight int64
	swept  time.Time
}

// sharedValue is guarded by shared.mu.
type sharedValue[V any] struct {
	value  V
	weight int64
	began  time.Time     // when its making began: it holds all that was so before; zero: there is none
	next   chan struct{} // closed when the one that is being made has ended; nil: none is
}

func newShared[K comparable, V any](age, timeout time.Duration, limit int64, clock func() time.Time, weigh func(V) (int64, bool)) *shared[K, V] {
	s := &shared[K, V]{age: age, timeout: timeout, limit: limit, clock: clock, weigh: weigh, known: map[K]*sharedValue[V]{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// close ends the work in the background. No get may be running.
func (s *shared[K, V]) close() {
	s.cancel()
	s.running.Wait()
}

// get returns a value whose making began less than age before the call, or later. One that fails, or is not to be kept, is its maker's alone, and
// those who waited for it make their own.
func (s *shared[K, V]) get(ctx context.Context, key K, produce func(context.Context) (V, error)) (V, error) {
	if s.age == 0 {
		return produce(ctx)
	}
	now := s.clock()
	s.mu.Lock()
	s.sweep(now)
	e := s.known[key]
	if e == nil {
		e = &sharedValue[V]{}
		s.known[key] = e
	}
	if old := now.Sub(e.began); old < s.age {
		if old > s.age/2 && e.next == nil {
			s.renew(key, e, produce)
		}
		value := e.value
		s.mu.Unlock()
		return value, nil
	}
	if next := e.next; next != nil {
		s.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
		s.mu.Lock()
		value, found := e.value, now.Sub(e.began) < s.age
		s.mu.Unlock()
		if found {
			return value, nil
		}
		return produce(ctx)
	}
	e.next = make(chan struct{})
	s.mu.Unlock()
	mine, err := produce(ctx)
	s.settle(key, e, now, mine, err)
	return mine, err
}

// renew makes a value in the background. The caller holds s.mu.
func (s *shared[K, V]) renew(key K, e *sharedValue[V], produce func(context.Context) (V, error)) {
	e.next = make(chan struct{})
	began := s.clock()
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
		defer cancel()
		mine, err := produce(ctx)
		s.settle(key, e, began, mine, err)
	})
}

// settle notes what was made, and lets those go on who wait for it.
func (s *shared[K, V]) settle(key K, e *sharedValue[V], began time.Time, made V, err error) {
	weight, keep := int64(0), false
	if err == nil {
		weight, keep = s.weigh(made)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := weight - e.weight; keep && s.weight+more <= s.limit {
		s.weight += more
		e.value, e.weight, e.began = made, weight, began
	} else {
		s.drop(key, e)
	}
	close(e.next)
	e.next = nil
}

// drop lets a value go. The caller holds s.mu.
func (s *shared[K, V]) drop(key K, e *sharedValue[V]) {
	s.weight -= e.weight
	*e = sharedValue[V]{next: e.next}
	delete(s.known, key)
}

// sweepEvery is how often values that nobody asks for any more are let go.
const sweepEvery = time.Second

// sweep does so. The caller holds s.mu.
func (s *shared[K, V]) sweep(now time.Time) {
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	for key, e := range s.known {
		if e.next == nil && now.Sub(e.began) > s.age+sweepEvery {
			s.drop(key, e)
		}
	}
}

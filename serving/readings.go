package serving

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

// readings shares what was read of the speed layer among queries for the same cells. Each is one consistent reading of its group, so sharing it
// makes an answer older, by less than age, and nothing else; a dashboard that a thousand people look at asks Redis some tens of times a second.
// One in use is read anew in the background before it is too old, so that nobody waits for Redis.
type readings struct {
	age     time.Duration // 0: nothing is shared
	timeout time.Duration // of a reading in the background
	clock   func() time.Time
	ctx     context.Context // of the readings in the background
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	known map[readingKey]*sharedReading
	swept time.Time
}

// readingKey names the cells that are read, and the parts of their states.
type readingKey struct {
	group live.Group
	v     int64
	spans string
	parts string
}

func readingKeyOf(plan *algebra.Plan, g live.Group, v int64, spans []span) readingKey {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %d %d,", s.grain.Name, s.from, s.to)
	}
	return readingKey{g, v, b.String(), plan.Selection()}
}

// sharedReading is guarded by readings.mu.
type sharedReading struct {
	reading reading
	began   time.Time     // when it was read: the reading holds all that was flushed before
	next    chan struct{} // closed when the one that is under way has ended; nil: none is
}

func newReadings(age, timeout time.Duration, clock func() time.Time) *readings {
	r := &readings{age: age, timeout: timeout, clock: clock, known: map[readingKey]*sharedReading{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// close ends the readings in the background. No get may be running.
func (r *readings) close() {
	r.cancel()
	r.running.Wait()
}

// get returns a reading that began less than age before the call, or later. A reading that fails, or finds anything but the whole, is the
// caller's alone.
func (r *readings) get(ctx context.Context, key readingKey, read func(context.Context) (reading, error)) (reading, error) {
	if r.age == 0 {
		return read(ctx)
	}
	for {
		now := r.clock()
		r.mu.Lock()
		r.sweep(now)
		e := r.known[key]
		if e == nil {
			e = &sharedReading{}
			r.known[key] = e
		}
		if old := now.Sub(e.began); old < r.age {
			if old > r.age/2 && e.next == nil {
				r.renew(key, e, read)
			}
			shared := e.reading
			r.mu.Unlock()
			return shared, nil
		}
		if e.next == nil {
			e.next = make(chan struct{})
			r.mu.Unlock()
			mine, err := read(ctx)
			r.settle(key, e, now, mine, err)
			return mine, err
		}
		next := e.next
		r.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			return reading{}, context.Cause(ctx)
		}
	}
}

// renew reads in the background. The caller holds r.mu.
func (r *readings) renew(key readingKey, e *sharedReading, read func(context.Context) (reading, error)) {
	e.next = make(chan struct{})
	began := r.clock()
	r.running.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
		defer cancel()
		mine, err := read(ctx)
		r.settle(key, e, began, mine, err)
	})
}

// settle notes what a reading found, and lets those go on who wait for it.
func (r *readings) settle(key readingKey, e *sharedReading, began time.Time, found reading, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && found.served == live.ServedWhole {
		e.reading, e.began = found, began
	} else if r.known[key] == e {
		delete(r.known, key)
	}
	close(e.next)
	e.next = nil
}

// sweepEvery is how often readings that nobody asks for any more are let go.
const sweepEvery = time.Second

// sweep does so. The caller holds r.mu.
func (r *readings) sweep(now time.Time) {
	if now.Sub(r.swept) < sweepEvery {
		return
	}
	r.swept = now
	for key, e := range r.known {
		if e.next == nil && now.Sub(e.began) > r.age+sweepEvery {
			delete(r.known, key)
		}
	}
}

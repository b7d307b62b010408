package serving

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// counted tells by the offset of each reading's meta which it was.
type counted struct {
	times int64
	takes time.Duration
	finds live.Served
	fail  error
}

func (c *counted) read(ctx context.Context) (reading, error) {
	c.times++
	mine := c.times
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return reading{}, context.Cause(ctx)
	}
	return reading{served: c.finds, meta: live.Meta{Off: mine}}, c.fail
}

func TestAReadingIsSharedUntilItIsTooOldAndRenewedBeforeThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{takes: 10 * time.Millisecond, finds: live.ServedWhole}
		ask := func(want int64, wait time.Duration) {
			t.Helper()
			began := time.Now()
			got, err := r.get(t.Context(), readingKey{v: 1}, c.read)
			if err != nil || got.meta.Off != want || time.Since(began) != wait {
				t.Errorf("reading %d after %v, %v; want %d after %v", got.meta.Off, time.Since(began), err, want, wait)
			}
		}
		ask(1, 10*time.Millisecond)
		ask(1, 0)
		time.Sleep(50 * time.Millisecond) // it is 60 ms old: the next is read in the background
		ask(1, 0)
		ask(1, 0)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		ask(2, 0)
		time.Sleep(time.Second) // nobody asked meanwhile, so nobody may be told what was
		ask(3, 10*time.Millisecond)
	})
}

func TestThoseWhoAskAtOnceWaitForOneReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{takes: 10 * time.Millisecond, finds: live.ServedWhole}
		for range 5 {
			go func() {
				if got, err := r.get(t.Context(), readingKey{}, c.read); err != nil || got.meta.Off != 1 {
					t.Errorf("reading %d, %v", got.meta.Off, err)
				}
			}()
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if c.times != 1 {
			t.Errorf("%d readings", c.times)
		}
	})
}

func TestAReadingThatFailsIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{finds: live.ServedWhole, fail: errors.New("away")}
		if _, err := r.get(t.Context(), readingKey{}, c.read); !errors.Is(err, c.fail) {
			t.Errorf("%v", err)
		}
		c.fail = nil
		if got, err := r.get(t.Context(), readingKey{}, c.read); err != nil || got.meta.Off != 2 {
			t.Errorf("reading %d, %v", got.meta.Off, err)
		}
	})
}

func TestThoseWhoWaitedForWhatIsNotSharedGoOnAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{takes: 10 * time.Millisecond, finds: live.ServedNoStart}
		began := time.Now()
		var done sync.WaitGroup
		for range 5 {
			done.Go(func() {
				if got, err := r.get(t.Context(), readingKey{}, c.read); err != nil || got.served != live.ServedNoStart {
					t.Errorf("%v, %v", got.served, err)
				}
			})
		}
		done.Wait()
		if took := time.Since(began); c.times != 5 || took != 20*time.Millisecond {
			t.Errorf("%d readings in %v", c.times, took)
		}
	})
}

func TestWhatTakesLongerThanItMayBeOldStillServesThoseWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{takes: 300 * time.Millisecond, finds: live.ServedWhole}
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				if got, err := r.get(t.Context(), readingKey{}, c.read); err != nil || got.meta.Off != 1 {
					t.Errorf("reading %d, %v", got.meta.Off, err)
				}
			})
		}
		done.Wait()
	})
}

func TestWhatIsSharedHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		s := newShared[string](100*time.Millisecond, time.Second, 10, time.Now, func(n int) (int64, bool) { return int64(n), true })
		defer s.close()
		get := func(key string, n int) {
			t.Helper()
			if got, err := s.get(t.Context(), key, func(context.Context) (int, error) { made++; return n, nil }); err != nil || got != n {
				t.Errorf("%s: %d, %v", key, got, err)
			}
		}
		get("a", 6)
		get("b", 5) // more than there is room for
		get("b", 5)
		get("a", 6)
		if made != 3 || s.weight != 6 || len(s.known) != 1 {
			t.Errorf("made %d, kept %d of weight %d", made, len(s.known), s.weight)
		}
		time.Sleep(3 * time.Second) // nobody asks for a any more
		get("b", 5)
		get("b", 5)
		if made != 4 || s.weight != 5 || len(s.known) != 1 {
			t.Errorf("made %d, kept %d of weight %d", made, len(s.known), s.weight)
		}
	})
}

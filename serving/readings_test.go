package serving

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caudal/caudal/internal/live"
)

// counted reads at most as often as it says, and each reading tells which it was by the offset of its meta.
type counted struct {
	times int64
	takes time.Duration
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
	return reading{served: live.ServedWhole, meta: live.Meta{Off: mine}}, c.fail
}

func TestAReadingIsSharedUntilItIsTooOldAndRenewedBeforeThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReadings(100*time.Millisecond, time.Second, time.Now)
		defer r.close()
		c := &counted{takes: 10 * time.Millisecond}
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
		c := &counted{takes: 10 * time.Millisecond}
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
		c := &counted{fail: errors.New("away")}
		if _, err := r.get(t.Context(), readingKey{}, c.read); !errors.Is(err, c.fail) {
			t.Errorf("%v", err)
		}
		c.fail = nil
		if got, err := r.get(t.Context(), readingKey{}, c.read); err != nil || got.meta.Off != 2 {
			t.Errorf("reading %d, %v", got.meta.Off, err)
		}
	})
}

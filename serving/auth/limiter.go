package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter counts the requests of each caller.
type limiter struct {
	rate  rate.Limit // requests per second
	burst int
	clock func() time.Time

	mu      sync.Mutex
	callers map[string]*rate.Limiter
	swept   time.Time
}

func newLimiter(perSecond float64, burst int, clock func() time.Time) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, clock: clock, callers: map[string]*rate.Limiter{}, swept: clock()}
}

// sweepEvery is how often those are forgotten who have not come for so long that they may make a whole burst again.
const sweepEvery = time.Minute

// admit counts a request; where it is one too many, wait is when there is room for it again.
func (l *limiter) admit(name string) (wait time.Duration, ok bool) {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > sweepEvery {
		l.swept = now
		for other, r := range l.callers {
			if r.TokensAt(now) >= float64(l.burst) {
				delete(l.callers, other)
			}
		}
	}
	r := l.callers[name]
	if r == nil {
		r = rate.NewLimiter(l.rate, l.burst)
		l.callers[name] = r
	}
	if r.AllowN(now, 1) {
		return 0, true
	}
	return time.Duration((1 - r.TokensAt(now)) / float64(l.rate) * float64(time.Second)), false
}

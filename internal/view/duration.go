package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a Go duration that may begin with days of 24 hours: "90s", "1h30m", "366d", "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	rest, total := s, time.Duration(0)
	if head, tail, ok := strings.Cut(s, "d"); ok {
		days, err := strconv.ParseUint(head, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration", s)
		}
		if days > uint64(math.MaxInt64/day) {
			return 0, fmt.Errorf("duration %q is beyond 292 years", s)
		}
		total, rest = time.Duration(days)*day, tail
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	if total += d; total < 0 {
		return 0, fmt.Errorf("duration %q is beyond 292 years", s)
	}
	return total, nil
}

// FormatDuration writes d as a definition would: whole days as "7d", no zero minutes and seconds.
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

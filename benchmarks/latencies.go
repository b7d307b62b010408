package main

import (
	"slices"
	"time"
)

const (
	milliseconds = "ms"
	cores        = "cores"
)

// latencies are measured durations in ms.
type latencies []float64

func (l *latencies) add(d time.Duration) { *l = append(*l, float64(d.Nanoseconds())/1e6) }

// at is a quantile, from 0 to 1, by the nearest rank; 0 where nothing was measured.
func (l latencies) at(q float64) float64 {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

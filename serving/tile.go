package serving

import (
	"math"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// Ends of a range that is not bounded.
const (
	beginning = math.MinInt64
	forever   = math.MaxInt64
)

// span is a run of whole buckets of one grain: [from, to) in µs UTC, both on the grain, or beginning and forever.
type span struct {
	grain    view.Grain
	from, to int64
}

// chunks returns the first and the last chunk of Redis that may hold buckets of the span.
func (s span) chunks() (first, last int64) {
	first, last = math.MinInt64, math.MaxInt64
	if s.from != beginning {
		first = s.grain.Chunk(s.from)
	}
	if s.to != forever {
		last = s.grain.Chunk(s.to - 1)
	}
	return first, last
}

// tile covers [from, to) with whole buckets, of the coarsest grains that fit, in the order of time. Both ends are on the finest grain.
// An unbounded end is covered by the coarsest grain. Coarser buckets are fewer rows and, where a measure is not additive, nearer to exact.
func tile(grains []view.Grain, from, to int64, loc *time.Location) []span {
	if from >= to || len(grains) == 0 {
		return nil
	}
	coarsest, finer := grains[len(grains)-1], grains[:len(grains)-1]
	if len(finer) == 0 {
		return []span{{coarsest, from, to}}
	}
	low, high := from, to
	if from != beginning {
		low = ceil(coarsest, from, loc)
	}
	if to != forever {
		high = coarsest.Floor(to, loc)
	}
	if low >= high {
		return tile(finer, from, to, loc)
	}
	spans := tile(finer, from, low, loc)
	spans = append(spans, span{coarsest, low, high})
	return append(spans, tile(finer, high, to, loc)...)
}

// ceil returns the first start of a bucket at or after us.
func ceil(g view.Grain, us int64, loc *time.Location) int64 {
	if start := g.Floor(us, loc); start != us {
		return g.Next(start, loc)
	}
	return us
}

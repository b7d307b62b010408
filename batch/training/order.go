package training

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// orderFold keeps events in an order and answers the value at one place of it: by value for min, max and percentiles, by event time and offset
// for first and last.
type orderFold struct {
	column
	events ordered
	rank   func(n int) int // from 0, of n > 0 events
	finite bool            // doubles that are no numbers are left out
	double bool            // the answer is a double, whatever the values are
}

func newOrderFold(in column, m *view.Measure) (*orderFold, error) {
	f := &orderFold{column: in}
	f.events.compare = func(a, b int64) int {
		return cmp.Or(algebra.Compare(*in.history.value(a, in.index), *in.history.value(b, in.index)), cmp.Compare(a, b))
	}
	switch m.Agg {
	case view.First, view.Last:
		f.events.compare = cmp.Compare[int64]
	case view.Percentile:
		share, whole, err := fraction(m.P)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", m.Name, err)
		}
		f.rank = func(n int) int { return nearestRank(share, whole, uint64(n)) }
		f.finite, f.double = m.Input.Kind == view.Double, true
		return f, nil
	}
	if m.Agg == view.Min || m.Agg == view.First {
		f.rank = func(int) int { return 0 }
	} else {
		f.rank = func(n int) int { return n - 1 }
	}
	return f, nil
}

func (f *orderFold) takes(event int64) bool {
	v, ok := f.of(event)
	if ok && f.finite {
		x := v.Float64()
		return !math.IsNaN(x) && !math.IsInf(x, 0)
	}
	return ok
}

func (f *orderFold) add(event int64) {
	if f.takes(event) {
		f.events.add(event)
	}
}

func (f *orderFold) remove(event int64) {
	if f.takes(event) {
		f.events.remove(event)
	}
}

func (f *orderFold) answer() algebra.Value {
	if f.events.n == 0 {
		return algebra.Null()
	}
	v := *f.history.value(f.events.at(f.rank(f.events.n)), f.index)
	if f.double {
		return algebra.FloatValue(v.Float64())
	}
	return v
}

func (f *orderFold) reset() { f.events.runs, f.events.n = f.events.runs[:0], 0 }

// fraction is p, a number between 0 and 1, as written in decimal: share / whole.
func fraction(p float64) (share, whole uint64, err error) {
	digits := strings.TrimPrefix(strconv.FormatFloat(p, 'f', -1, 64), "0.")
	if len(digits) > 19 {
		return 0, 0, fmt.Errorf("p %v has more than 19 decimals", p)
	}
	if share, err = strconv.ParseUint(digits, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("p %v: %w", p, err)
	}
	whole = 1
	for range digits {
		whole *= 10
	}
	return share, whole, nil
}

// nearestRank is ceil(share/whole * n) - 1: the place, from 0, of the percentile among n values.
func nearestRank(share, whole, n uint64) int {
	high, low := bits.Mul64(share, n)
	rank, rest := bits.Div64(high, low, whole)
	if rest > 0 {
		rank++
	}
	return int(max(rank, 1)) - 1
}

// ordered is a sorted list of events in runs of bounded length, so that putting one in moves few others.
type ordered struct {
	compare func(a, b int64) int // 0 only for an event and itself
	runs    [][]int64            // none empty
	n       int
}

const longestRun = 512

// run is the number of the run that holds an event, or is to hold it.
func (o *ordered) run(event int64) int {
	low, high := 0, len(o.runs)-1
	for low < high {
		middle := (low + high) / 2
		if last := o.runs[middle]; o.compare(last[len(last)-1], event) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func (o *ordered) add(event int64) {
	o.n++
	if len(o.runs) == 0 {
		o.runs = append(o.runs, append(make([]int64, 0, 16), event))
		return
	}
	r := o.run(event)
	at, _ := slices.BinarySearchFunc(o.runs[r], event, o.compare)
	run := slices.Insert(o.runs[r], at, event)
	o.runs[r] = run
	if len(run) > longestRun {
		o.runs[r] = run[:longestRun/2]
		o.runs = slices.Insert(o.runs, r+1, slices.Clone(run[longestRun/2:]))
	}
}

func (o *ordered) remove(event int64) {
	r := o.run(event)
	at, found := slices.BinarySearchFunc(o.runs[r], event, o.compare)
	if !found {
		panic(fmt.Sprintf("BUG: event %d is taken out of a window that it is not in", event))
	}
	o.n--
	if o.runs[r] = slices.Delete(o.runs[r], at, at+1); len(o.runs[r]) == 0 {
		o.runs = slices.Delete(o.runs, r, r+1)
	}
}

// at is the event at a place, from 0.
func (o *ordered) at(place int) int64 {
	if last := o.runs[len(o.runs)-1]; place >= o.n-len(last) {
		return last[place-(o.n-len(last))]
	}
	for _, run := range o.runs {
		if place < len(run) {
			return run[place]
		}
		place -= len(run)
	}
	panic(fmt.Sprintf("BUG: place %d beyond an ordered list", place))
}

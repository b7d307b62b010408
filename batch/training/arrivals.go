package training

import (
	"math"
	"slices"
)

// arrival is when the record of an event arrived, µs UTC.
type arrival struct {
	known int64
	event int64
}

// arrivals splits the remembered events into those that had arrived before a moment and the others, so that another moment costs what arrived
// between the two.
type arrivals struct {
	before  int64
	in, out arrivalHeap // the latest of those that had arrived on top; the earliest of the others on top
}

func newArrivals() *arrivals {
	return &arrivals{
		before: math.MinInt64,
		in:     arrivalHeap{above: func(a, b arrival) bool { return a.known > b.known }},
		out:    arrivalHeap{above: func(a, b arrival) bool { return a.known < b.known }},
	}
}

func (a *arrivals) reset() {
	a.before = math.MinInt64
	a.in.entries, a.out.entries = a.in.entries[:0], a.out.entries[:0]
}

// add takes up an event that no window has seen.
func (a *arrivals) add(x arrival) {
	if x.known < a.before {
		a.in.push(x)
	} else {
		a.out.push(x)
	}
}

// moveTo makes before the moment. Events that had arrived by then are put into the windows that see them, the others are taken out.
func (a *arrivals) moveTo(before int64, windows []*window) {
	a.before = before
	for len(a.out.entries) > 0 && a.out.entries[0].known < before {
		x := a.out.pop()
		a.in.push(x)
		for _, w := range windows {
			if w.from <= x.event && x.event < w.to {
				w.add(x.event)
			}
		}
	}
	for len(a.in.entries) > 0 && a.in.entries[0].known >= before {
		x := a.in.pop()
		a.out.push(x)
		for _, w := range windows {
			if w.from <= x.event && x.event < w.to {
				w.remove(x.event)
			}
		}
	}
}

// forget drops the events before the oldest that a window sees, once they are the greater part; end is the number of the next one.
func (a *arrivals) forget(oldest, end int64) {
	if n := len(a.in.entries) + len(a.out.entries); n < 1024 || int64(n) < 2*(end-oldest) {
		return
	}
	a.in.forget(oldest)
	a.out.forget(oldest)
}

// arrivalHeap is a binary heap.
type arrivalHeap struct {
	above   func(a, b arrival) bool
	entries []arrival
}

func (h *arrivalHeap) push(x arrival) {
	h.entries = append(h.entries, x)
	for i := len(h.entries) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.above(h.entries[i], h.entries[parent]) {
			return
		}
		h.entries[i], h.entries[parent] = h.entries[parent], h.entries[i]
		i = parent
	}
}

func (h *arrivalHeap) pop() arrival {
	top, last := h.entries[0], len(h.entries)-1
	h.entries[0] = h.entries[last]
	h.entries = h.entries[:last]
	for i := 0; ; {
		best := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && h.above(h.entries[child], h.entries[best]) {
				best = child
			}
		}
		if best == i {
			return top
		}
		h.entries[i], h.entries[best] = h.entries[best], h.entries[i]
		i = best
	}
}

// forget drops events by number; a sorted list is a heap.
func (h *arrivalHeap) forget(oldest int64) {
	h.entries = slices.DeleteFunc(h.entries, func(x arrival) bool { return x.event < oldest })
	slices.SortFunc(h.entries, func(a, b arrival) int {
		switch {
		case h.above(a, b):
			return -1
		case h.above(b, a):
			return 1
		}
		return 0
	})
}

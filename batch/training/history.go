package training

import "github.com/caudal/caudal/internal/algebra"

// history is what is remembered of one entity's events: those that some window may still see, by their number, in the order of event time,
// incarnation, partition and offset.
type history struct {
	width  int // values of an event
	first  int64
	times  []int64 // of the events, µs UTC
	known  []int64 // when their records arrived, µs UTC
	values []algebra.Value
}

// reset begins with the next entity.
func (h *history) reset() {
	clear(h.values) // lets go of strings
	h.first, h.times, h.known, h.values = 0, h.times[:0], h.known[:0], h.values[:0]
}

// end is the number that the next event gets.
func (h *history) end() int64 { return h.first + int64(len(h.times)) }

// add remembers an event and returns its values, for the caller to fill in.
func (h *history) add(time, known int64) []algebra.Value {
	h.times, h.known = append(h.times, time), append(h.known, known)
	for range h.width {
		h.values = append(h.values, algebra.Value{})
	}
	return h.values[len(h.values)-h.width:]
}

func (h *history) time(event int64) int64 { return h.times[event-h.first] }

func (h *history) arrival(event int64) int64 { return h.known[event-h.first] }

func (h *history) value(event int64, i int) *algebra.Value {
	return &h.values[int(event-h.first)*h.width+i]
}

// forget drops the events before one, once they are the greater part: so each event is moved less than once on average.
func (h *history) forget(before int64) {
	n := int(before - h.first)
	if n < 1024 || n < len(h.times)/2 {
		return
	}
	h.times = h.times[:copy(h.times, h.times[n:])]
	h.known = h.known[:copy(h.known, h.known[n:])]
	rest := copy(h.values, h.values[n*h.width:])
	clear(h.values[rest:])
	h.values = h.values[:rest]
	h.first = before
}

package training

import (
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// As says which events a row's features may use.
type As string

// The two ways to look at late events.
const (
	Happened As = "happened" // all events before the row's time, those that arrived late too
	Known    As = "known"    // of these, only those that had arrived when the row was known
)

// sweep computes features over the events of one entity after the other. Events and rows come sorted by time, at equal times the events first;
// each window then moves on only, and what it costs is what enters and leaves it.
type sweep struct {
	history history
	windows []*window
	arrived *arrivals // nil: as happened
	slide   int       // remembered events after which windows move on though no row asks for it
}

// window is [row's time - delay - length, row's time - delay), in µs, and the folds over the events in it.
type window struct {
	length, delay int64
	from, to      int64 // numbers of the events in it
	folds         []fold
	features      []int // of each fold
}

// leastSlide bounds how often windows move on without a row.
const leastSlide = 4096

// newSweep is a sweep for features, of which each looks at one value of the events.
func newSweep(features []view.Feature, value []int, width int, as As) (*sweep, error) {
	s := &sweep{history: history{width: width}, slide: leastSlide}
	for i := range features {
		f := &features[i]
		fold, err := newFold(&f.Measure, &s.history, value[i])
		if err != nil {
			return nil, fmt.Errorf("feature %s: %w", f.Name, err)
		}
		w := s.window(f.Window, f.Delay)
		w.folds, w.features = append(w.folds, fold), append(w.features, i)
	}
	if as == Known {
		s.arrived = newArrivals()
	}
	return s, nil
}

// window is the one of that length and delay.
func (s *sweep) window(length, delay time.Duration) *window {
	for _, w := range s.windows {
		if w.length == length.Microseconds() && w.delay == delay.Microseconds() {
			return w
		}
	}
	w := &window{length: length.Microseconds(), delay: delay.Microseconds()}
	s.windows = append(s.windows, w)
	return w
}

// reset begins with the next entity.
func (s *sweep) reset() {
	s.history.reset()
	s.slide = leastSlide
	for _, w := range s.windows {
		w.from, w.to = 0, 0
		for _, f := range w.folds {
			f.reset()
		}
	}
	if s.arrived != nil {
		s.arrived.reset()
	}
}

// event adds one and returns its values for the caller to fill in before the next call.
func (s *sweep) event(time, known int64) []algebra.Value {
	if len(s.history.times) >= s.slide {
		s.moveTo(time)
		s.slide = max(leastSlide, 2*len(s.history.times))
	}
	if s.arrived != nil {
		s.arrived.add(arrival{known, s.history.end()})
	}
	return s.history.add(time, known)
}

// row computes the features of a row: into[i] is that of feature i.
func (s *sweep) row(time, known int64, into []algebra.Value) {
	if s.arrived != nil {
		s.arrived.moveTo(known, s.windows)
	}
	s.moveTo(time)
	for _, w := range s.windows {
		for i, f := range w.folds {
			into[w.features[i]] = f.answer()
		}
	}
}

// moveTo moves the windows on to those of a row of that time, which is not before the one of any call before.
func (s *sweep) moveTo(time int64) {
	h, end := &s.history, s.history.end()
	oldest := end
	for _, w := range s.windows {
		for w.to < end && h.time(w.to) < time-w.delay {
			if s.counts(w.to) {
				w.add(w.to)
			}
			w.to++
		}
		for w.from < w.to && h.time(w.from) < time-w.delay-w.length {
			if s.counts(w.from) {
				w.remove(w.from)
			}
			w.from++
		}
		oldest = min(oldest, w.from)
	}
	if s.arrived != nil {
		s.arrived.forget(oldest, end)
	}
	h.forget(oldest)
}

// counts says whether an event may be used where a window sees it.
func (s *sweep) counts(event int64) bool {
	return s.arrived == nil || s.history.arrival(event) < s.arrived.before
}

func (w *window) add(event int64) {
	for _, f := range w.folds {
		f.add(event)
	}
}

func (w *window) remove(event int64) {
	for _, f := range w.folds {
		f.remove(event)
	}
}

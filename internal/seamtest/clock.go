package seamtest

import "time"

// clockOf is the clock of a process, which a plan may set.
func (w *World) clockOf(process string) func() time.Time {
	return func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.clocks[process])
	}
}

// setClock lets the clock of a process jump to so much before or after the time that it is.
func (w *World) setClock(process string, by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clocks[process] = by
}

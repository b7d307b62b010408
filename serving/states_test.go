package serving

import "time"

// archiveAll writes what the log holds into the lake.
func (w *world) archiveAll() {
	w.t.Helper()
	for p, end := range w.cuts() {
		w.archive(p, end)
	}
}

// settle has the archive and the batch take what the log holds, up to the cuts that it returns.
func (w *world) settle() (cuts map[int]int64) {
	w.t.Helper()
	cuts = w.cuts()
	w.archiveAll()
	w.publish(cuts)
	w.pass(time.Minute)
	return cuts
}

// inEveryState adds events in two parts and calls ask in each state that the layers can be in; also with exact where the lake holds all events.
func (w *world) inEveryState(first, rest []event, ask func(state string, exact bool)) {
	w.t.Helper()
	w.add(first...)
	w.speed(map[int]int64{})
	ask("speed only", false)
	cuts := w.settle()
	ask("batch only", false)
	ask("batch only", true)
	w.add(rest...)
	w.speed(cuts)
	w.pass(time.Minute)
	ask("across the seam", false)
	w.settle()
	ask("after a second batch", false)
	ask("after a second batch", true)
}

package serving

import (
	"slices"

	"github.com/caudal/caudal/internal/live"
)

// State says whether a row of an answer may still change, as far as the watermark tells: it is the least over the view's partitions that are not idle, so that all that
// came before it has been seen but what is late.
type State string

// A row goes from one to the next. An event that is late changes a row all the same: one that is final is closed again, until a batch has it.
const (
	StateOpen   State = "open"   // the watermark has not passed the row's end: events may come that are not late
	StateClosed State = "closed" // it has: only late events may
	StateFinal  State = "final"  // so it had when batch computed the row, and no live event is in it
)

// watermarks are those that the states of an answer's rows go by, µs UTC; beginning where there is none.
type watermarks struct{ now, batch int64 }

// statesOf finds them.
func statesOf(q *question, m *merged) watermarks {
	w := watermarks{beginning, beginning}
	if at, ok := m.watermark(q.view.Source); ok {
		w.now = at
	}
	batch := *m
	batch.partitions = slices.Clone(m.partitions)
	for i := range batch.partitions {
		batch.partitions[i].read.served = live.ServedNothing
	}
	if at, ok := batch.watermark(q.view.Source); ok && m.scan == nil {
		w.batch = at
	}
	return w
}

// of is the state of a row.
func (w watermarks) of(q *question, r *row) State {
	_, end := q.extentOf(r)
	switch {
	case end > w.now:
		return StateOpen
	case end > w.batch || r.source == fromSpeed || r.source == fromBoth:
		return StateClosed
	}
	return StateFinal
}

package windows

import (
	"math"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Sessions calls emit for each session of the panes, in the order of time. Panes are of one key, ascending, not longer than the session's gap, and each
// holds an event. A pane goes on with the session before it where its first event comes no later than Gap after the session's last, and its last no later
// than Max after the session's first; else it begins the next one. So a pane, whose events lie closer together than Gap, is never cut.
//
// known is the instant from which on every event is in a pane; math.MinInt64: there are no others. Up to the first pause from there on nobody
// can say where a session began, or was cut: these sessions are unsettled. An error of emit ends it.
func Sessions(plan *algebra.Plan, s *view.Session, panes []Pane, known int64, emit func(Row) error) error {
	gap, most := s.Gap.Microseconds(), s.Max.Microseconds()
	for low := 0; low < len(panes); {
		if known != math.MinInt64 && (low == 0 && panes[low].First-known >= gap || low > 0 && panes[low].First-panes[low-1].Last > gap) {
			known = math.MinInt64
		}
		r := Row{Start: panes[low].First, End: panes[low].Last, Low: low, High: low + 1, Unsettled: known != math.MinInt64}
		for r.High < len(panes) && panes[r.High].First-r.End <= gap && panes[r.High].Last-r.Start <= most {
			r.End = panes[r.High].Last
			r.High++
		}
		r.State = merged(plan, panes[r.Low:r.High])
		if err := emit(r); err != nil {
			return err
		}
		low = r.High
	}
	return nil
}

// merged is the state of panes; nil where they have none.
func merged(plan *algebra.Plan, panes []Pane) *algebra.State {
	if len(panes) == 1 || panes[0].State == nil {
		return panes[0].State
	}
	s := plan.New()
	for i := range panes {
		plan.Merge(s, panes[i].State)
	}
	return s
}

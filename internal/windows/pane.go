// Package windows composes the rows of hopping and session windows from panes: the cells of a tumbling grain, each with the merged state of both
// layers (docs/windows.md). It is pure: what it answers is a function of the panes, whatever the order in which their events arrived.
package windows

import "github.com/caudal/caudal/internal/algebra"

// Pane is one bucket of one key: of equal values of the dimensions that a window's rows are of. Times are µs UTC.
type Pane struct {
	Start       int64          // of the bucket
	First, Last int64          // of its events; only sessions look at them
	State       *algebra.State // of its events; nil where only the bounds of rows are asked for
}

// Row is a row of a window: of the panes [Low, High) of its key.
type Row struct {
	Start, End int64          // a hop: [Start, End); a session: the times of its first and its last event
	Low, High  int            //
	State      *algebra.State // of all panes: of the only one itself, which must not be changed, or a new one; nil where panes have none
	Unsettled  bool           // a session that may in truth begin earlier, or elsewhere: see Sessions
}

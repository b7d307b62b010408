package serving

import (
	"cmp"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// speedShare counts the events of each epoch that fell into a row; nil: into nothing.
func speedShare(q *question, m *merged, row *cell) SpeedShare {
	share := SpeedShare{Epochs: []EpochShare{}}
	if row == nil {
		return share
	}
	for i := range m.partitions {
		p := &m.partitions[i]
		byStart := map[int64]int64{}
		for _, chunk := range p.read.chunks {
			for k := range chunk.cells {
				if c := &chunk.cells[k]; inSpans(p.read.spans, chunk.key.id.Grain, c.bucket) && row.holds(q, c) && q.filter.Passes(c.dims) {
					byStart[chunk.key.id.Start] += c.state.Events()
				}
			}
		}
		for start, events := range byStart {
			if events > 0 {
				share.Epochs = append(share.Epochs, EpochShare{p.number, start, events})
				share.Events += events
			}
		}
	}
	slices.SortFunc(share.Epochs, func(a, b EpochShare) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Start, b.Start))
	})
	return share
}

// holds says whether a cell of the speed layer which passes the filter is of a row of the answer: of the row's key, and of one of its panes where it has some.
func (c *cell) holds(q *question, s *speedCell) bool {
	if n := len(c.panes); n > 0 && (s.bucket < c.panes[0].bucket || s.bucket > c.panes[n-1].bucket) {
		return false
	}
	for i, d := range q.dims {
		if c.dims[i] != s.dims[d] {
			return false
		}
	}
	return true
}

// panesAtMost bounds the panes that an explanation lists.
const panesAtMost = 2_000

// paneShares lists the panes of a window's row, in the order of time, and says how many more it has.
func paneShares(q *question, plan *algebra.Plan, row *cell) (list []PaneShare, more int) {
	if row == nil {
		return nil, 0
	}
	loc := q.view.Location
	panes := row.panes[:min(len(row.panes), panesAtMost)]
	for _, c := range panes {
		pane := PaneShare{Time: formatTime(c.bucket, loc), End: formatTime(q.grain.Next(c.bucket, loc), loc), Source: string(c.source()), Events: c.counts.events}
		if c.speed != nil {
			pane.Live = c.speed.Events()
		}
		if q.window.Session != nil {
			first, last, _ := plan.Times(c.total(plan))
			pane.First, pane.Last = formatTime(first, loc), formatTime(last, loc)
		}
		list = append(list, pane)
	}
	return list, len(row.panes) - len(panes)
}

package serving

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/live"
)

// IncompleteRange is a range of event time of which the speed layer left events to the next batch, because their cells would have been more than a
// group may have.
type IncompleteRange struct {
	From   string `json:"from"`   // inclusive
	To     string `json:"to"`     // exclusive
	Events int64  `json:"events"` // that are missing, of all dimension values, whatever the filter
}

// listedRanges bounds the ranges that an answer lists; beyond it the last one reaches to the end of all that follow.
const listedRanges = 100

// clip returns the ranges that have a part in [from, to).
func clip(ranges []live.Deferred, from, to int64) []live.Deferred {
	var in []live.Deferred
	for _, r := range ranges {
		if r.From < to && r.To > from {
			in = append(in, r)
		}
	}
	return in
}

// deferred says of a partition's ranges, of which there is one at least, what is missing.
func deferredReason(q *question, ranges []live.Deferred) string {
	var events int64
	for _, r := range ranges {
		events += r.Events
	}
	return fmt.Sprintf("the speed layer has no room for more cells and left %s events between %s and %s to the next batch",
		thousands(events), formatTime(ranges[0].From, q.view.Location), formatTime(ranges[len(ranges)-1].To, q.view.Location))
}

// missingReason says of offsets that the speed layer passed over, of which there is a range at least, that nobody has them.
func missingReason(gaps [][2]int64) string {
	records := int64(0)
	for _, gap := range gaps {
		records += gap[1] - gap[0]
	}
	return fmt.Sprintf("the log's retention took %s records, from offset %d on, before they were archived", thousands(records), gaps[0][0])
}

// incomplete joins the ranges of all partitions.
func (m *merged) incomplete(q *question) []live.Deferred {
	var all []live.Deferred
	for i := range m.partitions {
		from, to := q.reach()
		all = append(all, clip(m.partitions[i].read.lacking, from, to)...)
	}
	return live.JoinDeferred(all)
}

// isIncomplete says whether a row lacks events of one of the ranges.
func (q *question) isIncomplete(ranges []live.Deferred, r *row) bool {
	if q.grain == nil || len(ranges) == 0 {
		return len(ranges) > 0
	}
	from, to := q.extentOf(r)
	return len(clip(ranges, from, to)) > 0
}

// listed is the ranges as an answer lists them.
func listed(q *question, ranges []live.Deferred) []IncompleteRange {
	var list []IncompleteRange
	for _, r := range ranges {
		if len(list) == listedRanges {
			last := &list[len(list)-1]
			last.To = formatTime(r.To, q.view.Location)
			last.Events += r.Events
			continue
		}
		list = append(list, IncompleteRange{formatTime(r.From, q.view.Location), formatTime(r.To, q.view.Location), r.Events})
	}
	return list
}

// mayPass says whether the condition is unknown of a cell because a value that it looks at stands for many.
func (f *filter) mayPass(dims []algebra.Value) bool {
	if f.Root == nil || f.Root.Eval(dims) != condition.Unknown {
		return false
	}
	for d := range dims {
		if f.dims&(1<<d) != 0 && dims[d].IsOther() {
			return true
		}
	}
	return false
}

// noteOther notes the events of a cell of the speed layer that may belong to other rows of its bucket: where a dimension that is asked for
// stands for many values, or where one that the filter looks at does, so that nobody knows whether it passes.
func (cs *cells) noteOther(c *speedCell, passes bool) {
	concerned := !passes && cs.q.filter.mayPass(c.dims)
	if passes {
		concerned = slices.ContainsFunc(cs.q.dims, func(d int) bool { return c.dims[d].IsOther() })
	}
	if concerned {
		cs.others[cs.q.bucketOf(c.bucket)] += c.state.Events()
	}
}

// bucketOf is the bucket of the answer that a bucket of the view falls into.
func (q *question) bucketOf(bucket int64) int64 {
	if q.grain == nil {
		return 0
	}
	return bucket
}

// limits says in a row's origin what the limits of the speed layer may keep from it.
func (o *RowOrigin) limits(q *question, m *merged, lacking []live.Deferred, r *row) {
	for i, d := range q.dims {
		if r.dims[i].IsOther() {
			o.Folded = append(o.Folded, q.view.Dimensions[d].Name)
		}
	}
	o.Other = m.cells.othersOf(q, r)
	o.Incomplete = q.isIncomplete(lacking, r)
	o.Unsettled = r.unsettled
	o.Exact = o.Exact && o.Other == 0 && !o.Incomplete && !o.Unsettled
}

// limits notes in the whole what the limits of the speed layer did, and returns the first bucket that they concern, or exactUntil.
func (p *Provenance) limits(q *question, m *merged, lacking []live.Deferred, exactUntil int64) int64 {
	p.Incomplete = listed(q, lacking)
	for bucket, events := range m.cells.others {
		p.Other += events
		if q.window == nil {
			exactUntil = min(exactUntil, bucket)
		}
	}
	if q.grain != nil && q.window == nil && len(lacking) > 0 {
		exactUntil = min(exactUntil, q.grain.Floor(max(lacking[0].From, q.from), q.view.Location))
	}
	return exactUntil
}

// otherNote says in words what Provenance.Other counts.
func (p *Provenance) otherNote(q *question) string {
	var names []string
	for d := range q.view.Dimensions {
		if q.set()&(1<<d) != 0 {
			names = append(names, q.view.Dimensions[d].Name)
		}
	}
	return fmt.Sprintf("%s live events are of values of %s beyond the %s that the speed layer knows of each dimension: they are under %s, and rows of their buckets may lack them until the next batch.",
		thousands(p.Other), strings.Join(names, ", "), thousands(int64(q.view.MaxValues)), algebra.OtherText)
}

// othersOf are the events of the speed layer that may belong to a row, or to another one of its times, or to none.
func (cs *cells) othersOf(q *question, r *row) int64 {
	if q.window == nil {
		return cs.others[q.bucketOf(r.time)]
	}
	var events int64
	from, to := q.extentOf(r)
	for pane, n := range cs.others {
		if pane < to && q.grain.Next(pane, q.view.Location) > from {
			events += n
		}
	}
	return events
}

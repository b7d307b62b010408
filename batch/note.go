package batch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// note leaves in the lake what a run did, for who watches: the process of a run that cron starts ends with it. That it cannot is no failure.
func (r *Runner) note(ctx context.Context, run string, took time.Duration, reports []ViewReport) {
	ctx, cancel := finishing(ctx)
	defer cancel()
	now := r.cfg.Clock().UTC()
	err := r.cfg.Lake.NoteBatch(ctx, func(n lake.BatchNote) lake.BatchNote {
		views := map[string]lake.BatchNoteView{}
		for _, v := range n.Views {
			views[v.View] = v
		}
		for name, v := range noted(reports, now) {
			if v.Failed {
				before := views[name]
				before.View, before.Failed = name, true
				v = before
			}
			views[name] = v
		}
		return lake.BatchNote{Run: run, Ended: now, Seconds: took.Seconds(),
			Views: slices.SortedFunc(maps.Values(views), func(a, b lake.BatchNoteView) int { return cmp.Compare(a.View, b.View) })}
	})
	if err != nil {
		r.cfg.Logger.Warn("what the batch did is not noted for those who watch", "error", err)
	}
}

// noted adds up what was done for each view under the definitions that are in use of it. The events are those of the definition that has most.
func noted(reports []ViewReport, now time.Time) map[string]lake.BatchNoteView {
	views := map[string]lake.BatchNoteView{}
	for _, report := range reports {
		v, seen := views[report.View]
		if !seen {
			v = lake.BatchNoteView{View: report.View, Succeeded: now, Changed: map[string]int{}}
		}
		v.Failed = v.Failed || report.Error != ""
		v.Seconds += report.Seconds
		v.Events = max(v.Events, report.Events)
		for class, n := range report.Classes {
			v.Changed[string(class)] += n
		}
		views[report.View] = v
	}
	return views
}

package batch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caudal/caudal/batch/table"
	"github.com/caudal/caudal/internal/lake"
)

// EraseReport says what was forgotten, or what would be.
type EraseReport struct {
	Source      string         `json:"source"`
	DryRun      bool           `json:"dry_run,omitempty"`
	Erasure     int            `json:"erasure,omitempty"`    // number of the tombstone
	Resumed     bool           `json:"resumed,omitempty"`    // one that was stopped was finished
	Below       map[int]int64  `json:"below"`                // by partition: records at or above these offsets came later and stay
	Events      int64          `json:"events"`               // duplicates among them
	DeadLetters int64          `json:"dead_letters"`         //
	DeadKept    int64          `json:"dead_letters_kept"`    // whose bytes do not contain what was given
	Files       int            `json:"files"`                // of the lake that held them
	Dates       []string       `json:"dates"`                // UTC, of these files
	Unarchived  int64          `json:"unarchived,omitempty"` // records that a dry run cannot see yet
	Views       []ErasedView   `json:"views"`
	Tables      []table.Erased `json:"tables,omitempty"` // that held such rows; one that was stopped has those of its last run
	Left        int64          `json:"left"`             // records below the bounds that a last look found; always 0 where the erasure is done
	Remains     []string       `json:"remains"`          // what an erasure does not reach
	Seconds     float64        `json:"seconds"`
}

// ErasedView says what became of a view.
type ErasedView struct {
	View     string   `json:"view"`
	Snapshot string   `json:"snapshot,omitempty"` // that was published without the records; "" where one was published before
	Periods  int      `json:"periods"`            // computed for it
	Changed  int      `json:"changed_answers"`
	Expired  []string `json:"expired,omitempty"` // ids of snapshots that were deleted
	Files    int      `json:"deleted_files"`
	Epochs   int      `json:"dropped_epochs"`
	Former   []string `json:"former_definitions,omitempty"` // hashes of definitions whose results were deleted
}

// view returns the entry of a view, which is made if there is none.
func (r *EraseReport) view(name string) *ErasedView {
	i := slices.IndexFunc(r.Views, func(v ErasedView) bool { return v.View == name })
	if i < 0 {
		r.Views = append(r.Views, ErasedView{View: name})
		i = len(r.Views) - 1
	}
	return &r.Views[i]
}

// ran takes over what a run says of the view.
func (v *ErasedView) ran(r *ViewReport) {
	v.Snapshot, v.Periods, v.Changed, v.Epochs = r.Snapshot, r.Periods, r.Changed, v.Epochs+r.Dropped
}

// revised adds what an erasure made of some chunks.
func (r *EraseReport) revised(v *lake.Revision) {
	r.Events, r.DeadLetters, r.Files = r.Events+v.Events, r.DeadLetters+v.Dead, r.Files+len(v.Replaced)
	for _, f := range v.Replaced {
		if i, found := slices.BinarySearch(r.Dates, f.Date); !found {
			r.Dates = slices.Insert(r.Dates, i, f.Date)
		}
	}
}

// String is the report for people.
func (r EraseReport) String() string {
	var b strings.Builder
	var below []string
	for _, p := range slices.Sorted(maps.Keys(r.Below)) {
		below = append(below, fmt.Sprintf("%d:%d", p, r.Below[p]))
	}
	switch {
	case r.DryRun:
		fmt.Fprintf(&b, "source %s, below %s: nothing was erased\n", r.Source, strings.Join(below, " "))
	case r.Resumed:
		fmt.Fprintf(&b, "source %s, erasure %d below %s, which was stopped, is done in %.1f s\n", r.Source, r.Erasure, strings.Join(below, " "), r.Seconds)
	default:
		fmt.Fprintf(&b, "source %s, erasure %d below %s done in %.1f s\n", r.Source, r.Erasure, strings.Join(below, " "), r.Seconds)
	}
	fmt.Fprintf(&b, "lake: %d events and %d dead letters in %d files of %d dates", r.Events, r.DeadLetters, r.Files, len(r.Dates))
	if len(r.Dates) > 0 {
		fmt.Fprintf(&b, ", %s to %s", r.Dates[0], r.Dates[len(r.Dates)-1])
	}
	b.WriteByte('\n')
	if r.Unarchived > 0 {
		fmt.Fprintf(&b, "  %d records are not archived yet and were not looked at\n", r.Unarchived)
	}
	for _, v := range r.Views {
		switch {
		case r.DryRun:
			fmt.Fprintf(&b, "view %s would be computed again\n", v.View)
			continue
		case v.Snapshot != "":
			fmt.Fprintf(&b, "view %s: snapshot %s, %d periods computed, %d answers changed", v.View, v.Snapshot, v.Periods, v.Changed)
		default:
			fmt.Fprintf(&b, "view %s", v.View)
		}
		fmt.Fprintf(&b, "; %d snapshots expired, %d files deleted, %d epochs dropped in Redis\n", len(v.Expired), v.Files, v.Epochs)
	}
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "table of %s: %d rows in %d files of %d versions\n", t.Source, t.Rows, t.Files, len(t.Versions))
	}
	if !r.DryRun {
		fmt.Fprintf(&b, "a last look at the lake found %d of the records\n", r.Left)
	}
	for _, what := range r.Remains {
		fmt.Fprintf(&b, "not reached: %s\n", what)
	}
	return b.String()
}

package batch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/ledger"
)

// Report says what a run did.
type Report struct {
	Run     string       `json:"run"`
	Started time.Time    `json:"started"`
	Seconds float64      `json:"seconds"`
	Views   []ViewReport `json:"views"`
}

// ViewReport says what a run did for one view.
type ViewReport struct {
	View        string               `json:"view"`
	Definition  string               `json:"definition,omitempty"` // hash
	Role        Role                 `json:"role,omitempty"`       // what the definition is in use for
	Declared    string               `json:"declared,omitempty"`   // hash of the definition in the project's file, where answers come from another
	Snapshot    string               `json:"snapshot,omitempty"`   // id; "" = none was published
	Parent      string               `json:"parent,omitempty"`     // the snapshot that it was planned against
	Cuts        map[int]int64        `json:"cuts,omitempty"`       // V, by partition
	Earlier     []lake.Past          `json:"earlier,omitempty"`    // the lives of the topic before its newest
	Periods     int                  `json:"periods"`              // that were computed
	NewFiles    int                  `json:"new_files"`            // that were written for them
	Files       int                  `json:"files"`                // of the snapshot
	Events      int64                `json:"events"`               // below V, duplicates among them
	Duplicates  int64                `json:"duplicates"`
	Late        int64                `json:"late"`
	Dead        int64                `json:"dead"`
	Merged      int                  `json:"merged_epochs"` // of runs that cut and failed, into those before them
	Dropped     int                  `json:"dropped_epochs"`
	Comparable  bool                 `json:"comparable"`        // whether speed's answers could be compared
	Changed     int                  `json:"changed_answers"`   // at the grain of the ledger
	Unexplained int                  `json:"unexplained"`       // of them; must be zero
	Classes     map[ledger.Class]int `json:"classes,omitempty"` // changed answers by cause
	Repeats     int64                `json:"repeats,omitempty"` // events that batch_dedup: full leaves out beside the duplicates
	Ledger      string               `json:"ledger,omitempty"`
	Seconds     float64              `json:"seconds"` // of computing
	Note        string               `json:"note,omitempty"`
	Error       string               `json:"error,omitempty"`
}

func (v *ViewReport) describe(m *lake.Manifest) {
	v.Snapshot, v.Parent, v.Cuts, v.Earlier, v.Files = m.ID, m.Parent, m.Offsets(), m.Earlier, len(m.Files)
	v.Events, v.Duplicates, v.Late, v.Dead = m.Events, m.Duplicates, m.Late, m.Dead
	if len(m.Ledger) > 0 {
		v.Ledger = m.Ledger[0].Key
	}
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s, %.1f s\n", r.Run, r.Seconds)
	for _, v := range r.Views {
		if v.Role == Pending || v.Role == Previous {
			v.View += fmt.Sprintf(" (%s definition %.12s)", v.Role, v.Definition)
		}
		if v.Error != "" {
			fmt.Fprintf(&b, "%s: failed, the old snapshot stays: %s\n", v.View, v.Error)
			continue
		}
		var cuts []string
		for _, p := range slices.Sorted(maps.Keys(v.Cuts)) {
			cuts = append(cuts, fmt.Sprintf("%d:%d", p, v.Cuts[p]))
		}
		fmt.Fprintf(&b, "%s: snapshot %s of %d events (%d duplicates, %d late) and %d dead letters below %s; %d periods computed in %.1f s, %d of %d files new\n",
			v.View, v.Snapshot, v.Events, v.Duplicates, v.Late, v.Dead, strings.Join(cuts, " "), v.Periods, v.Seconds, v.NewFiles, v.Files)
		for _, past := range v.Earlier {
			for _, p := range slices.Sorted(maps.Keys(past.Missing)) {
				for _, gap := range past.Missing[p] {
					fmt.Fprintf(&b, "  offsets %d to %d of partition %d of life %d of the topic are missing\n", gap[0], gap[1]-1, p, past.Incarnation)
				}
			}
		}
		switch {
		case v.Unexplained > 0:
			fmt.Fprintf(&b, "  %d of %d changed answers are UNEXPLAINED: see %s\n", v.Unexplained, v.Changed, v.Ledger)
		case v.Changed > 0:
			var causes []string
			for _, class := range slices.Sorted(maps.Keys(v.Classes)) {
				causes = append(causes, fmt.Sprintf("%d by %s", v.Classes[class], strings.ReplaceAll(string(class), "_", " ")))
			}
			fmt.Fprintf(&b, "  %d answers changed: %s\n", v.Changed, strings.Join(causes, ", "))
		}
		if v.Repeats > 0 {
			fmt.Fprintf(&b, "  %d repeats beyond the horizon or across partitions are left out\n", v.Repeats)
		}
		if v.Merged > 0 {
			fmt.Fprintf(&b, "  %d speed epochs of runs that had failed are merged\n", v.Merged)
		}
		if v.Declared != "" {
			fmt.Fprintf(&b, "  the project's file holds another definition: `caudal replay %s` rebuilds it\n", v.View)
		}
		if v.Note != "" {
			fmt.Fprintf(&b, "  %s\n", v.Note)
		}
	}
	return b.String()
}

package batch

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/algebra"
)

// Class says why an answer changed when a snapshot was published.
type Class string

// The classes of this version. Unexplained must never occur: it means that the layers disagree about the same records.
const (
	SketchError Class = "sketch error" // it was an estimate, from the same sketches as the exact answer's
	Unexplained Class = "unexplained"
)

// Ledger is what a run found out about speed versus batch: per bucket, the answers that its publish changes.
type Ledger struct {
	View       string        `json:"view"`
	Definition string        `json:"definition"`
	Run        string        `json:"run"`
	Parent     string        `json:"parent"` // the snapshot before
	Grain      string        `json:"grain"`  // of the buckets compared
	From       map[int]int64 `json:"from"`   // V of the snapshot before, by partition
	To         map[int]int64 `json:"to"`     // V of this one
	// Comparable is false where the speed layer's epochs do not tile [From, To): nothing is said about its answers then, and Reason says why.
	Comparable  bool    `json:"comparable"`
	Reason      string  `json:"reason,omitempty"`
	Cells       int     `json:"cells"`       // compared
	Changed     int     `json:"changed"`     // answers that changed
	Unexplained int     `json:"unexplained"` // of them
	Entries     []Entry `json:"entries"`     // at most entriesLimit of them
}

// Entry is one answer that changed.
type Entry struct {
	Time       time.Time                `json:"time"` // start of the bucket
	Dimensions map[string]algebra.Value `json:"dimensions"`
	Measure    string                   `json:"measure"`
	Before     algebra.Value            `json:"before"`
	After      algebra.Value            `json:"after"`
	Difference float64                  `json:"difference"` // after less before; 0 where they are no numbers
	Class      Class                    `json:"class"`
}

// entriesLimit bounds a ledger; the counts go on.
const entriesLimit = 10_000

func (l *Ledger) add(e Entry) {
	l.Changed++
	if e.Class == Unexplained {
		l.Unexplained++
	}
	if len(l.Entries) < entriesLimit {
		l.Entries = append(l.Entries, e)
	}
}

// incomparable takes back what was noted.
func (l *Ledger) incomparable(reason string) {
	l.Comparable, l.Reason, l.Cells, l.Changed, l.Unexplained, l.Entries = false, reason, 0, 0, 0, []Entry{}
}

func (l *Ledger) encode() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the ledger of %s: %w", l.View, err)
	}
	return append(data, '\n'), nil
}

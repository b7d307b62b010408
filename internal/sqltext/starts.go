package sqltext

import (
	"fmt"
	"time"
)

// LastStart is the last of some starts, ascending and at least one, that a column's value is not below: a binary search. Of values below
// all of them it is the first.
func LastStart(column string, starts []int64) string {
	return "CAST(" + among(column, starts) + " AS BIGINT)"
}

func among(column string, starts []int64) string {
	if len(starts) == 1 {
		return fmt.Sprint(starts[0])
	}
	half := len(starts) / 2
	return fmt.Sprintf("CASE WHEN %s < %d THEN %s ELSE %s END", column, starts[half], among(column, starts[:half]), among(column, starts[half:]))
}

// Instant is an instant, µs since the epoch, as DuckDB writes it.
func Instant(us int64) string {
	return "TIMESTAMPTZ '" + time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000") + "+00'"
}

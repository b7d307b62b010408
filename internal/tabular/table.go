// Package tabular writes the rows of an answer, or of an export, in the formats that other programs read: CSV, NDJSON, Parquet and Arrow. Numbers keep their
// exact value in all of them.
package tabular

import (
	"errors"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Column of a table.
type Column struct {
	Name string
	Type view.Type
	Time bool // the time of a row's bucket, which text shows in the table's zone
}

// Table is rows of typed values. The values of a row are as Columns, each of its type or null.
type Table struct {
	Columns  []Column
	Rows     [][]algebra.Value
	Location *time.Location
	Meta     map[string]string // what Parquet and Arrow say about the table as a whole
}

// ErrTooWide is a 128-bit integer that a decimal of 38 digits, the widest number of Parquet and Arrow, cannot hold.
var ErrTooWide = errors.New("an integer has more than 38 digits")

// checkWidth refuses what Parquet and Arrow cannot hold exactly.
func (t *Table) checkWidth() error {
	for i, c := range t.Columns {
		if c.Type.Kind != view.Int128 {
			continue
		}
		for _, row := range t.Rows {
			if !row[i].IsNull() && !row[i].Int128().FitsDigits(38) {
				return fmt.Errorf("column %s: %s: %w", c.Name, row[i], ErrTooWide)
			}
		}
	}
	return nil
}

// appendText appends a value as CSV and NDJSON show it.
func (t *Table) appendText(dst []byte, c Column, v algebra.Value) []byte {
	if c.Time {
		return time.UnixMicro(v.Int64()).In(t.Location).AppendFormat(dst, time.RFC3339Nano)
	}
	return v.AppendText(dst)
}

// flushBytes is the size from which on text is handed to the writer.
const flushBytes = 64 << 10

package tabular

import (
	"fmt"
	"io"

	"github.com/caudal/caudal/internal/algebra"
)

// NDJSON writes each row as a JSON object in a line of its own.
func (t *Table) NDJSON(w io.Writer) error { return t.writeObjects(w, "\n", "\n") }

// JSONRows writes the rows as JSON objects with commas between them: the inside of an array.
func (t *Table) JSONRows(w io.Writer) error { return t.writeObjects(w, ",", "") }

// writeObjects writes the rows with something between them and something behind the last.
func (t *Table) writeObjects(w io.Writer, between, end string) error {
	names := t.names()
	var dst []byte
	for i, row := range t.Rows {
		if i > 0 {
			dst = append(dst, between...)
		}
		dst = t.appendObject(dst, names, row)
		if len(dst) >= flushBytes {
			if _, err := w.Write(dst); err != nil {
				return fmt.Errorf("write rows: %w", err)
			}
			dst = dst[:0]
		}
	}
	if len(t.Rows) > 0 {
		dst = append(dst, end...)
	}
	if _, err := w.Write(dst); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// names are those of the columns, each as a JSON string with its colon.
func (t *Table) names() [][]byte {
	names := make([][]byte, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = append(algebra.StringValue(c.Name).AppendJSON(nil), ':')
	}
	return names
}

// AppendRow appends row i as a JSON object: times in RFC 3339 in the table's zone; decimals, and integers beyond 2^53, as strings.
func (t *Table) AppendRow(dst []byte, i int) []byte { return t.appendObject(dst, t.names(), t.Rows[i]) }

func (t *Table) appendObject(dst []byte, names [][]byte, row []algebra.Value) []byte {
	for k, v := range row {
		if k == 0 {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, names[k]...)
		if t.Columns[k].Time {
			dst = append(dst, '"')
			dst = t.appendText(dst, t.Columns[k], v)
			dst = append(dst, '"')
		} else {
			dst = v.AppendJSON(dst)
		}
	}
	return append(dst, '}')
}

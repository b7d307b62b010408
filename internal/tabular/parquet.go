package tabular

import (
	"io"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/lake"
)

// Parquet writes the table as one file. Times are UTC.
func (t *Table) Parquet(w io.Writer) error {
	if err := t.checkWidth(); err != nil {
		return err
	}
	columns := make([]lake.RowColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = lake.RowColumn{Name: c.Name, Type: c.Type, Value: func(row int) algebra.Value { return t.Rows[row][i] }}
	}
	return lake.WriteRows(w, "answer", columns, len(t.Rows), t.Meta)
}

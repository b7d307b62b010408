package engine

import (
	"math"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// CopyTo puts column col into row i of column c of rows, which is of the same type. A null leaves what stands there.
func (r *Row) CopyTo(rows *intake.Rows, c, i, col int) {
	if r.Null(col) {
		return
	}
	switch t := rows.Columns[c].Type; {
	case t.Kind == view.List:
		rows.OpenList(c, i)
		items, from, to := r.items(col)
		for n := from; n < to; n++ {
			elements, at := rows.ExtendList(c, i)
			items.Row(n).CopyTo(elements, c, at, 0)
		}
	case t.Kind == view.String:
		rows.SetBytes(c, i, r.Bytes(col))
	case t.Wide():
		rows.SetWide(c, i, r.Int128(col))
	case t.Kind == view.Double:
		rows.SetWord(c, i, int64(math.Float64bits(r.Float64(col))))
	default:
		rows.SetWord(c, i, r.Int64(col))
	}
}

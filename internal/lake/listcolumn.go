package lake

import (
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/parquet-go/parquet-go"
)

// listFill writes a column of arrays as Parquet's three-level LIST: the array, its `list`, and in that the `element`. A level of definition says how
// far there is something: 0 is a null array where there may be one; then an empty one; a null element where there may be one; and a value.
type listFill struct {
	starts   []int // by row of the file: its first element among those of all rows; and behind the last row their number
	null     func(row int) bool
	nullable int                                    // 1: the array may be null
	holes    int                                    // 1: its elements may be
	fill     func(values []parquet.Value, from int) // of elements, which have their level of definition where holes is 1
	elements []parquet.Value
	values   []parquet.Value
}

// listColumn is the Parquet column of a source's field that is an array.
func listColumn(field view.Field, col *intake.Column, order []int32) (column, error) {
	l := &listFill{starts: make([]int, 0, len(order)+1), null: func(row int) bool { return col.Null(int(order[row])) }}
	var elements []int32
	for _, row := range order {
		l.starts = append(l.starts, len(elements))
		span := col.Lists[row]
		for k := range span.Length {
			elements = append(elements, int32(span.Offset+k))
		}
	}
	l.starts = append(l.starts, len(elements))
	of, err := fieldColumn(view.Field{Name: field.Name, Type: field.Type.Element(), Nullable: field.Type.Holes}, col.Items, elements)
	if err != nil {
		return column{}, err
	}
	l.fill = of.fill
	c := column{name: field.Name, node: parquet.List(of.node), list: l}
	if field.Type.Holes {
		l.holes = 1
	}
	if field.Nullable {
		c.node, l.nullable = parquet.Optional(c.node), 1
	}
	return c, nil
}

// write hands the rows [start, end) of the file to the column's writer, whole rows at a time, and few elements unless one row has more.
func (l *listFill) write(w *parquet.ColumnWriter, start, end int) error {
	for from := start; from < end; {
		to := from + 1
		for to < end && to-from < batchRows && l.starts[to+1]-l.starts[from] <= batchRows {
			to++
		}
		if _, err := w.WriteRowValues(l.rows(from, to)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// rows are the values of the rows [from, to) of the file.
func (l *listFill) rows(from, to int) []parquet.Value {
	first, n := l.starts[from], l.starts[to]-l.starts[from]
	if n > len(l.elements) {
		l.elements = make([]parquet.Value, max(n, batchRows))
	}
	elements := l.elements[:n]
	l.fill(elements, first)
	l.values = l.values[:0]
	for row := from; row < to; row++ {
		switch {
		case l.null(row):
			l.values = append(l.values, parquet.Value{}.Level(0, 0, 0))
		case l.starts[row] == l.starts[row+1]:
			l.values = append(l.values, parquet.Value{}.Level(0, l.nullable, 0))
		}
		for k := l.starts[row]; k < l.starts[row+1]; k++ {
			v, repetition, definition := elements[k-first], 1, l.nullable+1
			if k == l.starts[row] {
				repetition = 0
			}
			if !v.IsNull() {
				definition += l.holes
			}
			l.values = append(l.values, v.Level(repetition, definition, 0))
		}
	}
	return l.values
}

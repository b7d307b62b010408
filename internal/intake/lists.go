package intake

// Span is where a row's elements stand among all of its column's, laid out as DuckDB's list_entry_t. Spans of later rows stand behind those
// of earlier ones, without gaps: rows get their elements in order, each when it is the last.
type Span struct{ Offset, Length uint64 }

// addList makes column c, a list, ready.
func (r *Rows) addList(c int) {
	if r.items == nil {
		r.items = &Rows{Columns: make([]Column, len(r.Columns)), arena: r.arena}
	}
	items := &r.items.Columns[c]
	items.Type = r.Columns[c].Type.Element()
	items.allocate(firstRows)
	r.Columns[c].Items = items
}

// OpenList makes row i of column c, the last row, an array without elements, whatever it was.
func (r *Rows) OpenList(c, i int) {
	col := &r.Columns[c]
	col.emptyList(i)
	col.Valid[i>>6] |= 1 << (i & 63)
}

// emptyList takes the elements from row i, which is the last that has any.
func (c *Column) emptyList(i int) {
	c.Items.truncate(int(c.Lists[i].Offset))
	c.Lists[i].Length = 0
}

// ExtendList adds a null to the array of row i of column c, the last row, and returns the elements of all lists, in which it stands at the
// position at of the same column: to be set there.
func (r *Rows) ExtendList(c, i int) (elements *Rows, at int) {
	col := &r.Columns[c]
	at = col.Items.len()
	col.Items.extend(at)
	col.Lists[i].Length++
	return r.items, at
}

// Copy puts row i of column c of other rows of the same source into row j, the last row.
func (r *Rows) Copy(j, c int, from *Rows, i int) {
	col := &from.Columns[c]
	switch {
	case col.Null(i):
	case col.Strs != nil:
		r.SetBytes(c, j, col.Strs[i].Bytes())
	case col.Lists != nil:
		r.OpenList(c, j)
		for k := range col.Lists[i].Length {
			elements, at := r.ExtendList(c, j)
			elements.Copy(at, c, from.items, int(col.Lists[i].Offset+k))
		}
	case col.Wide != nil:
		r.SetWide(c, j, col.Wide[i])
	default:
		r.SetWord(c, j, col.Words[i])
	}
}

// len is the number of elements in a column of them.
func (c *Column) len() int { return len(c.Words) + len(c.Strs) + len(c.Wide) }

// bytes is the memory that elements take up, long strings apart.
func (c *Column) bytes() int64 {
	if c.Words != nil {
		return 8 * int64(len(c.Words))
	}
	return 16 * int64(c.len())
}

// shrinkLists gives back what an outsized batch of arrays took once a small one follows.
func (r *Rows) shrinkLists() {
	for i := range r.Columns {
		items := r.Columns[i].Items
		if items == nil {
			continue
		}
		held := cap(items.Words) + cap(items.Strs) + cap(items.Wide)
		if held > keepRows && items.len() < held/4 {
			items.allocate(max(keepRows, held/2))
		}
	}
}

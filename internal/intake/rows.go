package intake

import (
	"math"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Column is one column of Rows. Exactly one of Words, Wide, Strs and Lists is used, by the kind of its type; where a row is null it holds zero.
type Column struct {
	Type  view.Type
	Words []int64          // Int64, Bool (0 or 1), Timestamp (µs), Date (days), Decimal up to 18 digits (unscaled), Double (math.Float64bits)
	Wide  []algebra.Int128 // Decimal beyond 18 digits (unscaled)
	Strs  []Str            // String
	Lists []Span           // List: where a row's elements stand in Items; a null has none
	Items *Column          // of a List: the elements of all rows, one after the other; null those that are
	Valid []uint64         // bit i%64 of word i/64 set: row i is not null; bits beyond the last row are zero
}

// Float returns row i of a Double column.
func (c *Column) Float(i int) float64 { return math.Float64frombits(uint64(c.Words[i])) }

// Null says whether row i is null.
func (c *Column) Null(i int) bool { return c.Valid[i>>6]&(1<<(i&63)) == 0 }

// Rows are typed events of one source in columns, in the order of arrival, of any number of partitions. Slices keep their
// addresses between Reset calls as long as no more rows than before are appended, so that C may read them while they are pinned.
type Rows struct {
	Columns   []Column // as Source.Fields
	Partition []int64
	Offset    []int64
	Timestamp []int64 // of the record, µs UTC
	EventTime []int64 // µs UTC
	Duplicate []int64 // 0 or 1
	Late      []int64 // 0 or 1
	arena     *arena
	items     *Rows // the elements of the lists, column by column as Columns; its rows are not in step; nil where there are no lists
}

const (
	firstRows = 1024    // rows that the first allocation has room for
	keepRows  = 1 << 16 // capacity that Reset never gives back
)

// NewRows returns empty rows with the columns of the source.
func NewRows(src *view.Source) *Rows {
	r := &Rows{Columns: make([]Column, len(src.Fields)), arena: &arena{}}
	for i := range src.Fields {
		r.Columns[i].Type = src.Fields[i].Type
		if r.Columns[i].Type.Kind == view.List {
			r.addList(i)
		}
	}
	return r
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.Offset) }

// Bytes is the memory that the rows take up, spare capacity apart.
func (r *Rows) Bytes() int64 {
	width, elements := int64(6*8), int64(0)
	for i := range r.Columns {
		switch t := r.Columns[i].Type; {
		case t.Kind == view.List:
			width += 16
			elements += r.Columns[i].Items.bytes()
		case t.Kind == view.String, t.Wide():
			width += 16
		default:
			width += 8
		}
	}
	return width*int64(r.Len()) + elements + r.arena.taken()
}

// Blocks returns the memory that long strings point into, for whoever has to pin it.
func (r *Rows) Blocks() [][]byte { return r.arena.blocks }

// Extend adds a row of nulls and zeros and returns its index.
func (r *Rows) Extend() int {
	n := len(r.Offset)
	if n == cap(r.Offset) {
		r.allocate(max(firstRows, 2*n))
	}
	r.Partition = append(r.Partition, 0)
	r.Offset = append(r.Offset, 0)
	r.Timestamp = append(r.Timestamp, 0)
	r.EventTime = append(r.EventTime, 0)
	r.Duplicate = append(r.Duplicate, 0)
	r.Late = append(r.Late, 0)
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.Lists == nil {
			c.extend(n)
			continue
		}
		c.Lists = append(c.Lists, Span{Offset: uint64(c.Items.len())})
		c.mask(n)
	}
	return n
}

// extend adds a null behind the n rows of a column that is no list.
func (c *Column) extend(n int) {
	switch {
	case c.Words != nil:
		c.Words = append(c.Words, 0)
	case c.Strs != nil:
		c.Strs = append(c.Strs, Str{})
	default:
		c.Wide = append(c.Wide, algebra.Int128{})
	}
	c.mask(n)
}

// mask makes room for the bit of row n.
func (c *Column) mask(n int) {
	if n&63 == 0 {
		c.Valid = append(c.Valid, 0)
	}
}

// SetWord puts v, as Column.Words has it, into row i of column c.
func (r *Rows) SetWord(c, i int, v int64) {
	col := &r.Columns[c]
	col.Words[i] = v
	col.Valid[i>>6] |= 1 << (i & 63)
}

// SetWide puts v into row i of column c, a decimal beyond 18 digits.
func (r *Rows) SetWide(c, i int, v algebra.Int128) {
	col := &r.Columns[c]
	col.Wide[i] = v
	col.Valid[i>>6] |= 1 << (i & 63)
}

// SetBytes copies v into row i of column c, a string.
func (r *Rows) SetBytes(c, i int, v []byte) {
	col := &r.Columns[c]
	s := &col.Strs[i]
	if len(v) <= inline {
		s.short(v)
	} else {
		s.long(r.arena.keep(v))
	}
	col.Valid[i>>6] |= 1 << (i & 63)
}

// SetNull makes row i of column c null.
func (r *Rows) SetNull(c, i int) {
	col := &r.Columns[c]
	switch {
	case col.Words != nil:
		col.Words[i] = 0
	case col.Strs != nil:
		col.Strs[i] = Str{}
	case col.Lists != nil:
		col.emptyList(i)
	default:
		col.Wide[i] = algebra.Int128{}
	}
	col.Valid[i>>6] &^= 1 << (i & 63)
}

// Reset forgets all rows and keeps their memory for the next ones; what an outsized batch took is given back once a small one follows.
func (r *Rows) Reset() {
	n, held := r.Len(), cap(r.Offset)
	r.shrinkLists()
	r.Truncate(0)
	r.arena.reset()
	if held > keepRows && n < held/4 {
		r.allocate(max(keepRows, held/2))
	}
}

// Truncate forgets the rows from n on. The bytes of their long strings stay taken until Reset.
func (r *Rows) Truncate(n int) {
	if n >= r.Len() {
		return
	}
	for _, s := range r.fixed() {
		*s = (*s)[:n]
	}
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.Lists != nil {
			c.Items.truncate(int(c.Lists[n].Offset))
		}
		c.truncate(n)
	}
}

// truncate keeps the first n rows of a column.
func (c *Column) truncate(n int) {
	switch {
	case c.Words != nil:
		c.Words = c.Words[:n]
	case c.Strs != nil:
		c.Strs = c.Strs[:n]
	case c.Lists != nil:
		c.Lists = c.Lists[:n]
	default:
		c.Wide = c.Wide[:n]
	}
	c.Valid = c.Valid[:(n+63)/64]
	if n&63 != 0 {
		c.Valid[n>>6] &= 1<<(n&63) - 1
	}
}

// fixed are the columns that every source has.
func (r *Rows) fixed() [6]*[]int64 {
	return [6]*[]int64{&r.Partition, &r.Offset, &r.Timestamp, &r.EventTime, &r.Duplicate, &r.Late}
}

// allocate gives every column room for n rows, a multiple of 64, and moves what there is.
func (r *Rows) allocate(n int) {
	for _, s := range r.fixed() {
		*s = append(make([]int64, 0, n), *s...)
	}
	for i := range r.Columns {
		r.Columns[i].allocate(n)
	}
}

// allocate gives a column room for n rows and moves what there is.
func (c *Column) allocate(n int) {
	switch {
	case c.Type.Kind == view.String:
		c.Strs = append(make([]Str, 0, n), c.Strs...)
	case c.Type.Kind == view.List:
		c.Lists = append(make([]Span, 0, n), c.Lists...)
	case c.Type.Wide():
		c.Wide = append(make([]algebra.Int128, 0, n), c.Wide...)
	default:
		c.Words = append(make([]int64, 0, n), c.Words...)
	}
	c.Valid = append(make([]uint64, 0, (n+63)/64), c.Valid...)
}

// Str is a string value laid out as DuckDB's duckdb_string_t, so that a column of them can be handed over without a copy:
// 4 bytes of length, then up to 12 bytes inline, or a 4-byte prefix and a pointer into the arena of its Rows.
type Str struct{ lo, hi uint64 }

const inline = 12

// Bytes returns the string's bytes. They are valid as long as the Rows that the value stands in is not reset.
func (s *Str) Bytes() []byte {
	n := uint32(s.lo)
	if n <= inline {
		return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&s.hi)), n)
}

// short stores v, of at most 12 bytes, in place. What is left is zero: DuckDB compares all 16 bytes.
func (s *Str) short(v []byte) {
	*s = Str{lo: uint64(len(v))}
	copy((*[16]byte)(unsafe.Pointer(s))[4:], v)
}

// long stores a pointer to v, of more than 12 bytes, which must be memory of the arena: the collector does not see the pointer.
func (s *Str) long(v []byte) {
	s.lo = uint64(len(v))
	copy((*[16]byte)(unsafe.Pointer(s))[4:8], v)
	s.hi = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(v))))
}

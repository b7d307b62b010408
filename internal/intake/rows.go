package intake

import (
	"math"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// Str is a string value laid out as DuckDB's duckdb_string_t, so that a column of them can be handed over without a copy:
// 4 bytes of length, then up to 12 bytes inline, or a 4-byte prefix and a pointer into the arena of its Rows.
type Str struct{ lo, hi uint64 }

// Bytes returns the string's bytes. They are valid as long as the Rows that the value stands in is not reset.
func (s *Str) Bytes() []byte {
	n := uint32(s.lo)
	if n <= 12 {
		return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s), 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&s.hi)), n)
}

// Column is one column of Rows. Exactly one of the slices is used, by the kind of its type.
type Column struct {
	Type  view.Type
	Words []int64          // Int64, Bool (0 or 1), Timestamp (µs), Date (days), Decimal up to 18 digits (unscaled), Double (math.Float64bits)
	Wide  []algebra.Int128 // Decimal beyond 18 digits (unscaled)
	Strs  []Str            // String
	Valid []uint64         // bit i of word i/64 set: row i is not null; grown with the rows
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
	blocks    [][]byte
	block     int // the block being filled
	used      int // bytes of it that are taken
}

// NewRows returns empty rows with the columns of the source.
func NewRows(src *view.Source) *Rows {
	r := &Rows{Columns: make([]Column, len(src.Fields))}
	for i := range src.Fields {
		r.Columns[i].Type = src.Fields[i].Type
	}
	return r
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.Offset) }

// Reset forgets all rows and keeps their memory for the next ones.
func (r *Rows) Reset() { r.Truncate(0) }

// Truncate forgets the rows from n on.
func (r *Rows) Truncate(n int) {}

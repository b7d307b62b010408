package engine

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// ColumnInfo is a column of a result.
type ColumnInfo struct {
	Name string
	Type view.Type // Invalid for lists, blobs and whatever definitions have no word for
	List bool
	Item view.Type // of a list's elements; Invalid for those that definitions have no word for
	SQL  string    // the type as SQL names it, without its parameters: INTEGER, DECIMAL, TIMESTAMP WITH TIME ZONE; of a list that of its elements; "" for those that have no plain name
}

// Chunk is a run of result rows, read in place.
type Chunk struct {
	n       int
	columns []ColumnInfo
	vectors []vector
	row     Row
}

// vector is one column of a chunk.
type vector struct {
	kind  mapping.Type // how a value is stored; of decimals the integer type below them
	child mapping.Type // of a list's elements
	data  unsafe.Pointer
	valid *uint64 // nil: no nulls
	items unsafe.Pointer
	holes *uint64 // which of the items are null; nil: none
}

// listEntry is where a row's list stands among the items of its vector.
type listEntry struct{ offset, length uint64 }

// newChunk prepares for the chunks of a result.
func newChunk(result *mapping.Result) *Chunk {
	n := int(mapping.ColumnCount(result))
	c := &Chunk{columns: make([]ColumnInfo, n), vectors: make([]vector, n)}
	for i := range n {
		logical := mapping.ColumnLogicalType(result, mapping.IdxT(i))
		c.columns[i] = columnOf(mapping.ColumnName(result, mapping.IdxT(i)), logical)
		_, c.vectors[i].kind = typeOf(logical)
		if c.columns[i].List {
			item := mapping.ListTypeChildType(logical)
			_, c.vectors[i].child = typeOf(item)
			mapping.DestroyLogicalType(&item)
		}
		mapping.DestroyLogicalType(&logical)
	}
	c.row.chunk = c
	return c
}

// typeOf is a type of DuckDB in the words of definitions, and how its values are stored.
func typeOf(logical mapping.LogicalType) (view.Type, mapping.Type) {
	kind := mapping.GetTypeId(logical)
	switch kind {
	case mapping.TypeBoolean:
		return view.Type{Kind: view.Bool}, kind
	case mapping.TypeTinyInt, mapping.TypeSmallInt, mapping.TypeInteger, mapping.TypeBigInt, mapping.TypeUTinyInt, mapping.TypeUSmallInt, mapping.TypeUInteger:
		return view.Type{Kind: view.Int64}, kind
	case mapping.TypeHugeInt, mapping.TypeUBigInt:
		return view.Type{Kind: view.Int128}, kind
	case mapping.TypeFloat, mapping.TypeDouble:
		return view.Type{Kind: view.Double}, kind
	case mapping.TypeVarchar:
		return view.Type{Kind: view.String}, kind
	case mapping.TypeDate:
		return view.Type{Kind: view.Date}, kind
	case mapping.TypeTimestamp, mapping.TypeTimestampTZ, mapping.TypeTimestampS, mapping.TypeTimestampMS, mapping.TypeTimestampNS:
		return view.Type{Kind: view.Timestamp}, kind
	case mapping.TypeDecimal:
		t := view.Type{Kind: view.Decimal, Precision: mapping.DecimalWidth(logical), Scale: mapping.DecimalScale(logical)}
		return t, mapping.DecimalInternalType(logical)
	}
	return view.Type{}, kind
}

// point turns the chunk to the next data.
func (c *Chunk) point(data mapping.DataChunk) {
	c.n = int(mapping.DataChunkGetSize(data))
	for i := range c.vectors {
		v := &c.vectors[i]
		from := mapping.DataChunkGetVector(data, mapping.IdxT(i))
		v.data = mapping.VectorGetData(from)
		v.valid = (*uint64)(mapping.VectorGetValidity(from))
		if v.kind == mapping.TypeList {
			child := mapping.ListVectorGetChild(from)
			v.items, v.holes = mapping.VectorGetData(child), (*uint64)(mapping.VectorGetValidity(child))
		}
	}
}

// Len is the number of rows.
func (c *Chunk) Len() int { return c.n }

// Columns describes the columns.
func (c *Chunk) Columns() []ColumnInfo { return c.columns }

// Row returns row i. There is one Row per chunk: the next call moves it.
func (c *Chunk) Row(i int) *Row {
	if uint(i) >= uint(c.n) {
		panic(fmt.Sprintf("BUG: row %d of a chunk of %d", i, c.n))
	}
	c.row.i = i
	return &c.row
}

// Row is one result row; it is an algebra.Row. Asking a column for what its type is not is a BUG panic.
type Row struct {
	chunk *Chunk
	i     int
}

// at is row i of a column of T.
func at[T any](v *vector, i int) T {
	return *(*T)(unsafe.Add(v.data, uintptr(i)*unsafe.Sizeof(*new(T))))
}

// Null says whether a column is null.
func (r *Row) Null(col int) bool {
	valid := r.chunk.vectors[col].valid
	if valid == nil {
		return false
	}
	word := *(*uint64)(unsafe.Add(unsafe.Pointer(valid), r.i>>6*8))
	return word>>(r.i&63)&1 == 0
}

// Int64 is an integer of up to 64 bits, a bool (0 or 1), a date (days), a timestamp (µs) or a decimal of up to 18 digits (unscaled).
func (r *Row) Int64(col int) int64 {
	v := &r.chunk.vectors[col]
	switch v.kind {
	case mapping.TypeBigInt, mapping.TypeTimestamp, mapping.TypeTimestampTZ, mapping.TypeUBigInt:
		return at[int64](v, r.i)
	case mapping.TypeInteger, mapping.TypeDate:
		return int64(at[int32](v, r.i))
	case mapping.TypeBoolean, mapping.TypeUTinyInt:
		return int64(at[uint8](v, r.i))
	case mapping.TypeSmallInt:
		return int64(at[int16](v, r.i))
	case mapping.TypeTinyInt:
		return int64(at[int8](v, r.i))
	case mapping.TypeUSmallInt:
		return int64(at[uint16](v, r.i))
	case mapping.TypeUInteger:
		return int64(at[uint32](v, r.i))
	case mapping.TypeTimestampS:
		return at[int64](v, r.i) * 1_000_000
	case mapping.TypeTimestampMS:
		return at[int64](v, r.i) * 1_000
	case mapping.TypeTimestampNS:
		return view.FloorTo(at[int64](v, r.i), 1_000) / 1_000
	case mapping.TypeHugeInt:
		if x, fits := at[algebra.Int128](v, r.i).Int64(); fits {
			return x
		}
	}
	panic(r.wrong(col, "a 64-bit integer"))
}

// Int128 is an integer or a decimal (unscaled) of any size.
func (r *Row) Int128(col int) algebra.Int128 {
	v := &r.chunk.vectors[col]
	switch v.kind {
	case mapping.TypeHugeInt:
		return at[algebra.Int128](v, r.i)
	case mapping.TypeUBigInt:
		return algebra.Int128{Lo: at[uint64](v, r.i)}
	}
	return algebra.Int128Of(r.Int64(col))
}

// Float64 is a double or float.
func (r *Row) Float64(col int) float64 {
	v := &r.chunk.vectors[col]
	switch v.kind {
	case mapping.TypeDouble:
		return at[float64](v, r.i)
	case mapping.TypeFloat:
		return float64(math.Float32frombits(at[uint32](v, r.i)))
	}
	panic(r.wrong(col, "a double"))
}

// Bytes is a string or blob.
func (r *Row) Bytes(col int) []byte {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeVarchar && v.kind != mapping.TypeBlob {
		panic(r.wrong(col, "a string"))
	}
	return (*intake.Str)(unsafe.Add(v.data, r.i*16)).Bytes()
}

// Uint32s is a list of UINTEGER.
func (r *Row) Uint32s(col int) []uint32 { return list[uint32](r, col, mapping.TypeUInteger) }

// Int32s is a list of INTEGER.
func (r *Row) Int32s(col int) []int32 { return list[int32](r, col, mapping.TypeInteger) }

// Uint64s is a list of UBIGINT.
func (r *Row) Uint64s(col int) []uint64 { return list[uint64](r, col, mapping.TypeUBigInt) }

// Texts is a list of VARCHAR, copied.
func (r *Row) Texts(col int) []string {
	strs := list[intake.Str](r, col, mapping.TypeVarchar)
	texts := make([]string, len(strs))
	for i := range strs {
		texts[i] = string(strs[i].Bytes())
	}
	return texts
}

func list[T any](r *Row, col int, item mapping.Type) []T {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeList || v.child != item {
		panic(r.wrong(col, "such a list"))
	}
	e := at[listEntry](v, r.i)
	if e.length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(v.items), e.offset+e.length)[e.offset:]
}

// Value is the column as a value of its own type; lists and blobs are null.
func (r *Row) Value(col int) algebra.Value {
	t := r.chunk.columns[col].Type
	if t.Kind == view.Invalid {
		return algebra.Null()
	}
	return algebra.ReadValue(r, col, t)
}

func (r *Row) wrong(col int, asked string) string {
	c := r.chunk.columns[col]
	return fmt.Sprintf("BUG: column %d (%s, %s, stored as %d) asked for %s", col, c.Name, c.Type, r.chunk.vectors[col].kind, asked)
}

var _ algebra.Row = (*Row)(nil)

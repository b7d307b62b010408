package engine

/*
#include <stdlib.h>
#include "rows.h"
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Input is a relation of SQL over the rows that are set at the time: columns are copied vector by vector out of Go's memory, nothing is
// appended to a table. Its columns are the source's fields and
// _partition, _offset, _timestamp (µs), _event_time_us, _slot, _incarnation: BIGINT; _duplicate, _late: BOOLEAN. Columns that a query does
// not name cost nothing.
type Input struct {
	name   string
	rows   *C.caudal_rows
	fields []view.Field
	pinned runtime.Pinner
	life   int64   // _incarnation of every row
	lives  []int64 // as many of it as there ever were rows
}

// The columns that follow the source's fields, in order.
var inputColumns = [...]string{"_partition", "_offset", "_timestamp", "_event_time_us", "_slot", "_incarnation", "_duplicate", "_late"}

// RegisterRows makes the relation name() known to all connections of the database. A name can be registered once. The Input belongs to
// the database and is gone with it.
func (c *Conn) RegisterRows(name string, src *view.Source) (*Input, error) {
	n := len(src.Fields)
	in := &Input{
		name:   name,
		rows:   C.caudal_rows_new(C.int(n+len(inputColumns)), C.int(c.db.threads)),
		fields: src.Fields,
		life:   1,
	}
	c.db.keep(in)
	for i := range src.Fields {
		in.column(i, src.Fields[i].Name, src.Fields[i].Type)
	}
	for j, name := range inputColumns {
		t := view.Type{Kind: view.Int64}
		if name == "_duplicate" || name == "_late" {
			t.Kind = view.Bool
		}
		in.column(n+j, name, t)
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	if C.caudal_rows_register(c.con.Ptr, in.rows, cname) != 0 {
		return nil, fmt.Errorf("register rows of source %s as %s: DuckDB refused it", src.Name, name)
	}
	return in, nil
}

// column declares column i.
func (in *Input) column(i int, name string, t view.Type) {
	kind, move := storage(t)
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	C.caudal_rows_column(in.rows, C.int(i), cname, kind, C.int(t.Precision), C.int(t.Scale), move)
	if t.Kind == view.List {
		kind, move = storage(t.Element())
		C.caudal_rows_items(in.rows, C.int(i), kind, C.int(t.Precision), C.int(t.Scale), move)
	}
}

// storage is DuckDB's type of a column, and how it becomes one.
func storage(t view.Type) (duck, copied C.int) {
	kind, move := mapping.TypeBigInt, C.CAUDAL_COPY8
	switch t.Kind {
	case view.List:
		kind, move = mapping.TypeList, C.CAUDAL_LIST
	case view.String:
		kind, move = mapping.TypeVarchar, C.CAUDAL_COPY16
	case view.Double:
		kind = mapping.TypeDouble
	case view.Bool:
		kind, move = mapping.TypeBoolean, C.CAUDAL_TO8
	case view.Timestamp:
		kind = mapping.TypeTimestamp
	case view.Date:
		kind, move = mapping.TypeDate, C.CAUDAL_TO32
	case view.Decimal:
		kind = mapping.TypeDecimal
		switch {
		case t.Precision <= 4:
			move = C.CAUDAL_TO16
		case t.Precision <= 9:
			move = C.CAUDAL_TO32
		case t.Precision > 18:
			move = C.CAUDAL_COPY16
		}
	}
	return C.int(kind), C.int(move)
}

// From is the relation as it stands in a FROM clause.
func (in *Input) From() string { return sqltext.Name(in.name) + "()" }

// OfIncarnation says of which life of their topic the rows are that are set from now on; without it they are of the first.
func (in *Input) OfIncarnation(n int) { in.life, in.lives = int64(n), in.lives[:0] }

// Set shows the first n rows to queries that start from now on; slots is the column _slot, nil for zeros. The rows must not change, and no
// query over them may run, until Clear or the next Set returns: the memory is pinned and read in place.
func (in *Input) Set(rows *intake.Rows, slots []int64, n int) {
	in.Clear()
	if n > rows.Len() || slots != nil && n > len(slots) || len(rows.Columns) != len(in.fields) {
		panic(fmt.Sprintf("BUG: %d of %d rows with %d columns set as input %s of %d columns", n, rows.Len(), len(rows.Columns), in.name, len(in.fields)))
	}
	if n == 0 {
		return
	}
	for i := range rows.Columns {
		c := &rows.Columns[i]
		var valid []uint64
		if in.fields[i].Nullable {
			valid = c.Valid
		}
		switch {
		case c.Type.Kind == view.List:
			setColumn(in, i, c.Lists, valid)
			in.setItems(i, c)
		case c.Type.Kind == view.String:
			setColumn(in, i, c.Strs, valid)
		case c.Type.Wide():
			setColumn(in, i, c.Wide, valid)
		default:
			setColumn(in, i, c.Words, valid)
		}
	}
	for len(in.lives) < n {
		in.lives = append(in.lives, in.life)
	}
	for j, words := range [...][]int64{rows.Partition, rows.Offset, rows.Timestamp, rows.EventTime, slots, in.lives, rows.Duplicate, rows.Late} {
		setColumn(in, len(in.fields)+j, words, nil)
	}
	for _, block := range rows.Blocks() {
		if cap(block) > 0 {
			in.pinned.Pin(unsafe.SliceData(block))
		}
	}
	in.rows.nrows = C.uint64_t(n)
}

// setColumn pins one column and hands it over.
func setColumn[T any](in *Input, i int, data []T, valid []uint64) {
	p, v := pin(in, data), pin(in, valid)
	C.caudal_rows_data(in.rows, C.int(i), p, (*C.uint64_t)(v))
}

// setItems pins the elements of column i, a list, and hands them over.
func (in *Input) setItems(i int, list *intake.Column) {
	c := list.Items
	p := pin(in, c.Words)
	switch {
	case c.Strs != nil:
		p = pin(in, c.Strs)
	case c.Wide != nil:
		p = pin(in, c.Wide)
	}
	var valid unsafe.Pointer
	if list.Type.Holes {
		valid = pin(in, c.Valid)
	}
	C.caudal_rows_items_data(in.rows, C.int(i), p, (*C.uint64_t)(valid))
}

// pin keeps what a slice holds where it is, until the input is cleared. Nil: it holds nothing.
func pin[T any](in *Input, data []T) unsafe.Pointer {
	if len(data) == 0 {
		return nil
	}
	in.pinned.Pin(unsafe.SliceData(data))
	return unsafe.Pointer(unsafe.SliceData(data))
}

// Clear lets go of the rows; queries then see none.
func (in *Input) Clear() {
	in.rows.nrows = 0
	for i := range int(in.rows.ncols) {
		C.caudal_rows_data(in.rows, C.int(i), nil, nil)
		if i < len(in.fields) && in.fields[i].Type.Kind == view.List {
			C.caudal_rows_items_data(in.rows, C.int(i), nil, nil)
		}
	}
	in.pinned.Unpin()
}

// free gives the memory back once the database is closed.
func (in *Input) free() {
	in.Clear()
	C.caudal_rows_free(in.rows)
}

package engine

import (
	"context"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// typeNames are the types that have no other types within them, as SQL names them.
var typeNames = map[mapping.Type]string{
	mapping.TypeBoolean: "BOOLEAN", mapping.TypeTinyInt: "TINYINT", mapping.TypeSmallInt: "SMALLINT", mapping.TypeInteger: "INTEGER", mapping.TypeBigInt: "BIGINT",
	mapping.TypeUTinyInt: "UTINYINT", mapping.TypeUSmallInt: "USMALLINT", mapping.TypeUInteger: "UINTEGER", mapping.TypeUBigInt: "UBIGINT", mapping.TypeHugeInt: "HUGEINT",
	mapping.TypeFloat: "FLOAT", mapping.TypeDouble: "DOUBLE", mapping.TypeDecimal: "DECIMAL", mapping.TypeVarchar: "VARCHAR", mapping.TypeBlob: "BLOB",
	mapping.TypeDate: "DATE", mapping.TypeTime: "TIME", mapping.TypeTimestamp: "TIMESTAMP", mapping.TypeTimestampS: "TIMESTAMP", mapping.TypeTimestampMS: "TIMESTAMP",
	mapping.TypeTimestampNS: "TIMESTAMP", mapping.TypeTimestampTZ: "TIMESTAMP WITH TIME ZONE", mapping.TypeInterval: "INTERVAL", mapping.TypeUUID: "UUID",
	mapping.TypeSQLNull: "NULL",
}

// listType is what Described calls a parameter that is a list of whatever.
const listType = "LIST"

// Described is what a statement takes and gives.
type Described struct {
	Columns    []ColumnInfo
	Parameters []string // the type of each, as ColumnInfo.SQL, or LIST; "" where the statement leaves it open
}

// Describe binds one statement without running it.
func (c *Conn) Describe(ctx context.Context, sql string) (Described, error) {
	var d Described
	err := c.whileInterruptible(ctx, func() error {
		stmt, err := c.Prepare(sql)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for i := range int(mapping.PreparedStatementColumnCount(stmt.stmt)) {
			logical := mapping.PreparedStatementColumnLogicalType(stmt.stmt, mapping.IdxT(i))
			d.Columns = append(d.Columns, columnOf(mapping.PreparedStatementColumnName(stmt.stmt, mapping.IdxT(i)), logical))
			mapping.DestroyLogicalType(&logical)
		}
		for i := range int(mapping.NParams(stmt.stmt)) {
			kind := mapping.ParamType(stmt.stmt, mapping.IdxT(i+1))
			name := typeNames[kind]
			if kind == mapping.TypeList {
				name = listType
			}
			d.Parameters = append(d.Parameters, name)
		}
		return nil
	})
	return d, err
}

// columnOf describes a column of a result.
func columnOf(name string, logical mapping.LogicalType) ColumnInfo {
	t, kind := typeOf(logical)
	c := ColumnInfo{Name: name, Type: t, SQL: typeNames[mapping.GetTypeId(logical)]}
	if kind == mapping.TypeList {
		item := mapping.ListTypeChildType(logical)
		c.List = true
		c.Item, _ = typeOf(item)
		c.SQL = typeNames[mapping.GetTypeId(item)]
		mapping.DestroyLogicalType(&item)
	}
	return c
}

// Interval is a span of time as SQL knows it.
type Interval struct {
	Months, Days int32
	Micros       int64
}

// Interval is an INTERVAL.
func (r *Row) Interval(col int) Interval {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeInterval {
		panic(r.wrong(col, "an interval"))
	}
	return at[Interval](v, r.i)
}

// Micros is a TIME: microseconds since midnight.
func (r *Row) Micros(col int) int64 {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeTime {
		panic(r.wrong(col, "a time of day"))
	}
	return at[int64](v, r.i)
}

// UUID is the 128 bits of a UUID.
func (r *Row) UUID(col int) algebra.Int128 {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeUUID {
		panic(r.wrong(col, "a UUID"))
	}
	x := at[algebra.Int128](v, r.i)
	x.Hi ^= -1 << 63 // stored so that they sort as signed numbers
	return x
}

// Items are the elements of a list of what definitions have a word for.
func (r *Row) Items(col int) []algebra.Value {
	items, from, to := r.items(col)
	values := make([]algebra.Value, 0, to-from)
	for i := from; i < to; i++ {
		values = append(values, items.Row(i).Value(0))
	}
	return values
}

// items are the elements of a list: the rows [from, to) of a column.
func (r *Row) items(col int) (items *Chunk, from, to int) {
	v := &r.chunk.vectors[col]
	if v.kind != mapping.TypeList {
		panic(r.wrong(col, "a list"))
	}
	e := at[listEntry](v, r.i)
	from, to = int(e.offset), int(e.offset+e.length)
	items = &Chunk{n: to, columns: []ColumnInfo{{Type: r.chunk.columns[col].Item}}, vectors: []vector{{kind: v.child, data: v.items, valid: v.holes}}}
	items.row.chunk = items
	return items, from, to
}

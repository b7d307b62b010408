package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Derive evaluates expressions over rows of values, such as derived measures over finalised measures: one result row per row, in their
// order, one value per expression. An expression that fails on a row is null there.
func (c *Conn) Derive(ctx context.Context, cols []view.Column, rows [][]algebra.Value, exprs []string) ([][]algebra.Value, error) {
	if len(rows) == 0 || len(exprs) == 0 {
		return make([][]algebra.Value, len(rows)), nil
	}
	const table = "derived_from"
	defs := []string{"_row BIGINT"}
	for _, col := range cols {
		defs = append(defs, sqltext.Name(col.Name)+" "+col.Type.SQL())
	}
	if err := c.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+table+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return nil, fmt.Errorf("derive measures: %w", err)
	}
	if err := c.AppendValues(table, cols, rows); err != nil {
		return nil, fmt.Errorf("derive measures: %w", err)
	}
	wanted := make([]string, len(exprs))
	for i, expr := range exprs {
		// boxed: TRY over CASE or COALESCE themselves corrupts memory once a row fails, see algebra
		wanted[i] = "struct_extract(TRY(struct_pack(v := (" + expr + "\n))), 'v')"
	}
	out := make([][]algebra.Value, 0, len(rows))
	values := make([]algebra.Value, len(rows)*len(exprs))
	sql := "SELECT " + strings.Join(wanted, ", ") + " FROM " + table + " ORDER BY _row; "
	err := c.Query(ctx, sql, func(chunk *Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			result := values[:len(exprs):len(exprs)]
			values = values[len(exprs):]
			for k := range result {
				result[k] = row.Value(k)
			}
			out = append(out, result)
		}
		return nil
	})
	if err == nil {
		err = c.Exec(ctx, "DROP TABLE "+table)
	}
	if err != nil {
		return nil, fmt.Errorf("derive measures: %w", err)
	}
	return out, nil
}

// AppendValues adds rows to a table whose first column, a BIGINT, is the number of the row among them; cols are the others.
func (c *Conn) AppendValues(table string, cols []view.Column, rows [][]algebra.Value) error {
	types := []mapping.LogicalType{mapping.CreateLogicalType(mapping.TypeBigInt)}
	for _, col := range cols {
		types = append(types, logicalType(col.Type))
	}
	defer func() {
		for i := range types {
			mapping.DestroyLogicalType(&types[i])
		}
	}()
	var to mapping.Appender
	if mapping.AppenderCreate(c.con, "", table, &to) == mapping.StateError {
		return errors.New("append rows: DuckDB made no appender")
	}
	defer mapping.AppenderDestroy(&to)
	chunk := mapping.CreateDataChunk(types)
	defer mapping.DestroyDataChunk(&chunk)
	size := int(mapping.VectorSize())
	for first := 0; first < len(rows); first += size {
		mapping.DataChunkReset(chunk)
		batch := rows[first:min(first+size, len(rows))]
		numbers := unsafe.Slice((*int64)(mapping.VectorGetData(mapping.DataChunkGetVector(chunk, 0))), len(batch))
		for i := range numbers {
			numbers[i] = int64(first + i)
		}
		for k, col := range cols {
			fillVector(mapping.DataChunkGetVector(chunk, mapping.IdxT(k+1)), col.Type, batch, k)
		}
		mapping.DataChunkSetSize(chunk, mapping.IdxT(len(batch)))
		if mapping.AppendDataChunk(to, chunk) == mapping.StateError {
			return fmt.Errorf("append rows: %s", firstParagraph(mapping.AppenderError(to)))
		}
	}
	if mapping.AppenderClose(to) == mapping.StateError {
		return fmt.Errorf("append rows: %s", firstParagraph(mapping.AppenderError(to)))
	}
	return nil
}

// logicalType is DuckDB's type; the caller destroys it.
func logicalType(t view.Type) mapping.LogicalType {
	kinds := map[view.Kind]mapping.Type{
		view.String: mapping.TypeVarchar, view.Int64: mapping.TypeBigInt, view.Double: mapping.TypeDouble, view.Bool: mapping.TypeBoolean,
		view.Timestamp: mapping.TypeTimestamp, view.Date: mapping.TypeDate, view.Int128: mapping.TypeHugeInt, view.Array: mapping.TypeVarchar,
	}
	if t.Kind == view.Decimal {
		return mapping.CreateDecimalType(t.Precision, t.Scale)
	}
	return mapping.CreateLogicalType(kinds[t.Kind])
}

// fillVector writes column k of rows into a vector.
func fillVector(v mapping.Vector, t view.Type, rows [][]algebra.Value, k int) {
	data := mapping.VectorGetData(v)
	mapping.VectorEnsureValidityWritable(v)
	valid := mapping.VectorGetValidity(v)
	for i, row := range rows {
		value := row[k]
		mapping.ValiditySetRowValidity(valid, mapping.IdxT(i), !value.IsNull())
		if value.IsNull() {
			continue
		}
		number := value.Int128()
		if t.Kind == view.Decimal {
			number, _ = number.Rescale(value.Scale(), t.Scale)
		}
		switch {
		case t.Kind == view.String || t.Kind == view.Array:
			mapping.VectorAssignStringElement(v, mapping.IdxT(i), value.Text())
		case t.Kind == view.Double:
			put(data, i, value.Float64())
		case t.Kind == view.Bool:
			put(data, i, value.Bool())
		case t.Kind == view.Date || t.Kind == view.Decimal && t.Precision > 4 && t.Precision <= 9:
			put(data, i, int32(int64(number.Lo)))
		case t.Kind == view.Decimal && t.Precision <= 4:
			put(data, i, int16(int64(number.Lo)))
		case t.Wide():
			put(data, i, number)
		default:
			put(data, i, int64(number.Lo))
		}
	}
}

func put[T any](data unsafe.Pointer, i int, x T) {
	*(*T)(unsafe.Add(data, uintptr(i)*unsafe.Sizeof(x))) = x
}

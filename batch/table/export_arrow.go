package table

import (
	"bufio"
	"context"
	"errors"
	"os"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/tabular"
	"github.com/caudal/caudal/internal/view"
)

// writeArrow writes the rows of a query as an Arrow IPC file, and says how many there were. DuckDB's own writer of Arrow is an extension that
// is not linked in.
func writeArrow(ctx context.Context, conn *engine.Conn, query, path string) (rows int64, err error) {
	columns, err := columnsOfQuery(ctx, conn, query)
	if err != nil {
		return 0, err
	}
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	out, err := tabular.NewArrowFile(buffered, columns)
	if err != nil {
		return 0, err
	}
	err = conn.Query(ctx, query, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			if err := out.Add(chunk.Row(i)); err != nil {
				return err
			}
			rows++
		}
		return nil
	})
	return rows, errors.Join(err, out.Close(), buffered.Flush())
}

// columnsOfQuery are the names and types of a query's columns.
func columnsOfQuery(ctx context.Context, conn *engine.Conn, query string) (columns []tabular.Column, err error) {
	// A left join has one row of nulls where the query has none.
	err = conn.Query(ctx, "SELECT q.* FROM (SELECT 1) LEFT JOIN (SELECT * FROM ("+query+") LIMIT 0) AS q ON TRUE", func(chunk *engine.Chunk) error {
		for _, c := range chunk.Columns() {
			t := c.Type
			if c.List {
				t = view.Type{Kind: view.List, Item: c.Item.Kind, Precision: c.Item.Precision, Scale: c.Item.Scale}
			}
			columns = append(columns, tabular.Column{Name: c.Name, Type: t})
		}
		return nil
	})
	return columns, err
}

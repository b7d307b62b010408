package serving

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/internal/windows"
)

// inRowsTable says which rows of a window a record is in: by its pane and, for sessions, by its dimensions.
const inRowsTable = "in_rows"

// inRowsMost bounds that table.
const inRowsMost = 2_000_000

// findRows finds out which rows the window has, and makes the table of them. Rows whose records are not of the range are not among them.
func (l *lakeScan) findRows(ctx context.Context, conn *engine.Conn, plan, narrow *algebra.Plan, cs *cells, sources map[string]*view.Source) error {
	columns := []view.Column{{Name: "_pane", Type: view.Type{Kind: view.Int64}}, {Name: "_start", Type: view.Type{Kind: view.Int64}}}
	list := l.hops
	if l.window.Session != nil {
		for i, d := range narrow.View.Dimensions {
			columns = append(columns, view.Column{Name: fmt.Sprintf("k%d", i), Type: d.Type})
		}
		list = func() ([][]algebra.Value, error) { return l.sessions(ctx, conn, plan, narrow, cs, sources) }
	}
	rows, err := list()
	if err != nil {
		return err
	}
	definitions := []string{"_row BIGINT"}
	for _, c := range columns {
		definitions = append(definitions, c.Name+" "+c.Type.SQL())
	}
	if err := conn.Exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s (%s)", inRowsTable, strings.Join(definitions, ", "))); err != nil {
		return fmt.Errorf("make a table of the rows of window %s: %w", l.window.Name, err)
	}
	return conn.AppendValues(inRowsTable, columns, rows)
}

// hops lists each pane of the range with each hop that holds it and is asked for.
func (l *lakeScan) hops() ([][]algebra.Value, error) {
	h, pane, loc := l.window.Hop, l.window.Pane, l.q.view.Location
	if records, limit := l.scanned*h.Overlap(), l.rowLimit(); records > limit {
		return nil, tooLarge(fmt.Sprintf("the lake holds %s rows of that range, each in up to %d hops, and a query may scan %s", thousands(l.scanned), h.Overlap(), thousands(limit)),
			"ask for a shorter range, or leave out exact=true")
	}
	var list [][]algebra.Value
	for at := l.q.from; at < l.q.to; at = pane.Next(at, loc) {
		for start := h.First(at, loc); start <= at; start = h.Next(start, loc) {
			if start < l.rows.from || start >= l.rows.to && l.rows.to != forever {
				continue
			}
			if list = append(list, []algebra.Value{algebra.Int64Value(at), algebra.Int64Value(start)}); len(list) > inRowsMost {
				return nil, windowTooLarge(l.window, inRowsMost)
			}
		}
	}
	return list, nil
}

// sessions lists each pane of the range that has events, with its dimensions and the beginning of the session that it is of, for the sessions that are
// asked for. It notes in cs whether it is known of all where they begin.
func (l *lakeScan) sessions(ctx context.Context, conn *engine.Conn, plan, narrow *algebra.Plan, cs *cells, sources map[string]*view.Source) ([][]algebra.Value, error) {
	byKey, err := l.panes(ctx, conn, plan, narrow, cs, sources)
	if err != nil {
		return nil, err
	}
	var list [][]algebra.Value
	known := l.rows.spans[0].from
	for _, key := range byKey {
		slices.SortFunc(key.panes, func(a, b windows.Pane) int { return cmp.Compare(a.Start, b.Start) })
		err := windows.Sessions(plan, l.window.Session, key.panes, known, func(r windows.Row) error {
			if r.Start < l.rows.from || r.Start >= l.rows.to && l.rows.to != forever {
				return nil
			}
			if r.Unsettled {
				cs.unsettled = true
				l.unsettled[cellKey{r.Start, string(algebra.AppendKey(nil, key.dims))}] = true
			}
			for _, pane := range key.panes[r.Low:r.High] {
				list = append(list, append([]algebra.Value{algebra.Int64Value(pane.Start), algebra.Int64Value(r.Start)}, key.dims...))
			}
			return nil
		})
		if err == nil && len(list) > inRowsMost {
			err = windowTooLarge(l.window, inRowsMost)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// keyPanes are the panes of equal dimensions.
type keyPanes struct {
	dims  []algebra.Value
	panes []windows.Pane
}

// panes reads when the first and the last event of each pane of the range were.
func (l *lakeScan) panes(ctx context.Context, conn *engine.Conn, plan, narrow *algebra.Plan, cs *cells, sources map[string]*view.Source) (map[string]*keyPanes, error) {
	columns := []string{"_bucket"}
	for i := range narrow.View.Dimensions {
		columns = append(columns, fmt.Sprintf("d%d", i))
	}
	columns = append(columns, narrow.TimesColumns()...)
	sql := fmt.Sprintf("SELECT %s FROM (%s) WHERE _events > 0", strings.Join(columns, ", "), narrow.BatchSQL(l.bucketed(l.rowsSQL(plan, sources), narrow)))
	byKey := map[string]*keyPanes{}
	var key []byte
	err := conn.Query(ctx, sql, func(chunk *engine.Chunk) error {
		for i := range chunk.Len() {
			row := chunk.Row(i)
			dims := narrow.ReadKey(row, 1, nil)
			key = algebra.AppendKey(key[:0], dims)
			of := byKey[string(key)]
			if of == nil {
				of = &keyPanes{dims: dims}
				byKey[string(key)] = of
			}
			at := 1 + len(dims)
			of.panes = append(of.panes, windows.Pane{Start: row.Int64(0), First: row.Int64(at), Last: row.Int64(at + 1)})
			if err := cs.charge(cellBytes / 2); err != nil {
				return err
			}
		}
		return nil
	})
	return byKey, err
}

// inRows is the relation of records with the beginning of the row that each is in as its bucket, once for each such row.
func (l *lakeScan) inRows(options algebra.BatchOptions, narrow *algebra.Plan) string {
	columns, on := "*", "r._pane = x._pane"
	if l.window.Session != nil {
		for i := range narrow.View.Dimensions {
			columns += fmt.Sprintf(", %s AS _k%d", narrow.DimensionSQL(i), i)
			on += fmt.Sprintf(" AND r._k%d IS NOT DISTINCT FROM x.k%[1]d", i)
		}
	}
	return fmt.Sprintf("(SELECT r.*, x._start AS _bucket FROM (SELECT %s FROM %s) AS r JOIN %s AS x ON %s)", columns, options.PanesSQL(), inRowsTable, on)
}

// bounds fills in where the row of a cell ends, and whether it is known where it begins; next is the column after the measures.
func (l *lakeScan) bounds(c *cell, row algebra.Row, next int) {
	w := l.window
	if w.Hop != nil {
		c.end = w.Hop.End(c.bucket, l.q.view.Location)
		return
	}
	c.end = row.Int64(next + 1)
	c.unsettled = l.unsettled[cellKey{c.bucket, string(algebra.AppendKey(nil, c.dims))}]
}

package pgwire

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// arrayRecords is a source with an array of each kind.
type arrayRecords struct{ *shop }

// arraysOf are three arrays of each kind as DuckDB makes them, and what PostgreSQL calls their type.
var arraysOf = map[view.Kind][2]string{
	view.String: {"['a', NULL, 'b \"c\"']", "text[]"}, view.Int64: {"[1::BIGINT, NULL]", "bigint[]"}, view.Decimal: {"[1.50::DECIMAL(9,2), -2]", "numeric[]"},
	view.Double: {"[0.5::DOUBLE]", "double precision[]"}, view.Bool: {"[true, false]", "boolean[]"}, view.Timestamp: {"[make_timestamp(0), NULL]", "timestamp with time zone[]"},
	view.Date: {"['2026-03-28'::DATE]", "date[]"},
}

func (s arrayRecords) Relations(context.Context) ([]serving.Relation, error) {
	columns := []serving.RelationColumn{{Name: "_event_time", Role: "time", Type: view.Type{Kind: view.Timestamp}}}
	for _, kind := range view.ColumnKinds() {
		columns = append(columns, serving.RelationColumn{Name: fmt.Sprint("l", kind), Role: "field", Type: view.Type{Kind: view.List, Item: kind, Precision: 9, Scale: 2}})
	}
	return []serving.Relation{{Source: "lists", Columns: columns}}, nil
}

func (s arrayRecords) ScanRecords(ctx context.Context, asked serving.Records, settle func(context.Context, *engine.Conn) error, use func(context.Context, *engine.Conn, string) error) error {
	return s.shop.ScanRecords(ctx, asked, settle, func(ctx context.Context, conn *engine.Conn, _ string) error {
		columns := []string{fmt.Sprintf("make_timestamp(%d) AS _event_time", hour(0))}
		for _, kind := range view.ColumnKinds() {
			columns = append(columns, fmt.Sprintf("CASE i WHEN 0 THEN %s WHEN 1 THEN [] END AS l%d", arraysOf[kind][0], kind))
		}
		return use(ctx, conn, "SELECT "+strings.Join(columns, ", ")+" FROM range(3) AS t(i) ORDER BY i")
	})
}

func TestRecordsWithArraysComeOverSQL(t *testing.T) {
	conn := connect(t, serveShop(t, arrayRecords{newShop()}, nil))
	want := map[view.Kind][2]string{ // in the text format, and in the binary one
		view.String: {`{"a",NULL,"b \"c\""}`, `[a <nil> b "c"]`}, view.Int64: {"{1,NULL}", "[1 <nil>]"}, view.Decimal: {"{1.50,-2.00}", ""}, view.Double: {"{0.5}", "[0.5]"}, view.Bool: {"{t,f}", "[true false]"},
		view.Timestamp: {`{"1970-01-01 00:00:00+00",NULL}`, ""}, view.Date: {"{2026-03-28}", ""},
	}
	var columns []string
	for _, kind := range view.ColumnKinds() {
		columns = append(columns, fmt.Sprint("l", kind))
	}
	sql := "SELECT " + strings.Join(columns, ", ") + " FROM lake.lists"
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil || len(results[0].Rows) != 3 {
		t.Fatalf("%s: %v", sql, err)
	}
	rows, lines := results[0].Rows, strings.Split(table(t, conn, sql), "\n")
	for c, kind := range view.ColumnKinds() {
		if string(rows[0][c]) != want[kind][0] || string(rows[1][c]) != "{}" || rows[2][c] != nil {
			t.Errorf("%s: %q, %q, %q", view.Type{Kind: kind}, rows[0][c], rows[1][c], rows[2][c])
		}
		var cells []string
		for _, line := range lines {
			cells = append(cells, strings.Split(line, "|")[c])
		}
		if binary := want[kind][1]; len(cells) != 3 || binary != "" && cells[0] != binary || cells[1] != "[]" || cells[2] != "<nil>" {
			t.Errorf("%s in binary: %q", view.Type{Kind: kind}, cells)
		}
		called := table(t, conn, fmt.Sprintf("SELECT format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relname = 'lists' AND attname = 'l%d'", kind))
		if called != arraysOf[kind][1] {
			t.Errorf("%s is called %s", view.Type{Kind: kind}, called)
		}
	}
}

package pgwire

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// answered is a type of an answer with values that careless code loses, as the language and as PostgreSQL write them.
type answered struct {
	of     view.Type
	values [][2]string
}

func everyAnswer() []answered {
	same := func(texts ...string) (list [][2]string) {
		for _, text := range texts {
			list = append(list, [2]string{text, text})
		}
		return list
	}
	decimal := func(p, s uint8) view.Type { return view.Type{Kind: view.Decimal, Precision: p, Scale: s} }
	return []answered{
		{view.Type{Kind: view.String}, same("", "é", "e\u0301", "😀", "it's \\ \"quoted\"", "NULL")},
		{view.Type{Kind: view.Int64}, same("9223372036854775807", "-9223372036854775808", "9007199254740993")},
		{view.Type{Kind: view.Int128}, same("170141183460469231731687303715884105727", "-99999999999999999999999999999999999999", "0")},
		{decimal(4, 1), same("999.9", "-0.1")},
		{decimal(18, 3), same("999999999999999.999", "-0.001")},
		{decimal(38, 4), same("9999999999999999999999999999999999.9999", "-0.0001")},
		{view.Type{Kind: view.Double}, same("5e-324", "1.7976931348623157e+308", "-0.25")},
		{view.Type{Kind: view.Bool}, [][2]string{{"true", "t"}, {"false", "f"}}},
		{view.Type{Kind: view.Timestamp}, [][2]string{{"0001-01-01T00:00:00Z", "0001-01-01 00:00:00+00"}, {"1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999+00"},
			{"9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999+00"}}},
		{view.Type{Kind: view.Date}, same("0001-01-01", "1969-12-31", "9999-12-31")},
	}
}

// typedRows is a source of one view with a measure of each type; its rows are the values, the shorter lists filled up with nulls.
type typedRows struct {
	*shop
	answers []answered
}

func (s typedRows) Relations(context.Context) ([]serving.Relation, error) {
	grain, err := view.ParseGrain("1h")
	columns := []serving.RelationColumn{{Name: "time", Role: "time", Type: view.Type{Kind: view.Timestamp}}}
	for i, a := range s.answers {
		columns = append(columns, serving.RelationColumn{Name: fmt.Sprint("m", i), Role: "measure", Type: a.of})
	}
	return []serving.Relation{{View: "typed", Source: "typed", Grain: grain, Location: time.UTC, Columns: columns}}, err
}

func (s typedRows) Query(_ context.Context, q serving.Query) (*serving.Result, error) {
	r := &serving.Result{Provenance: serving.Provenance{Exact: true}}
	for i := range 8 {
		row := []algebra.Value{algebra.TimestampValue(hour(i))}
		for _, name := range q.Measures {
			at := slices.IndexFunc(s.answers, func(a answered) bool {
				return name == fmt.Sprint("m", slices.IndexFunc(s.answers, func(b answered) bool { return a.of == b.of }))
			})
			value := algebra.Null()
			if a := s.answers[at]; i < len(a.values) {
				var err error
				if value, err = algebra.ParseValue(a.values[i][0], a.of); err != nil {
					return nil, err
				}
			}
			row = append(row, value)
		}
		r.Rows = append(r.Rows, row)
	}
	r.Statistics = serving.Statistics{Rows: len(r.Rows), TotalRows: len(r.Rows)}
	return r, nil
}

// Each type that an answer can have comes over SQL whole, as text and as binary, its nulls too. A new kind of column fails until it is here.
func TestEveryTypeOfAnAnswerComesOverSQL(t *testing.T) {
	s := typedRows{newShop(), everyAnswer()}
	for _, kind := range append(view.ColumnKinds(), view.Int128) {
		if !slices.ContainsFunc(s.answers, func(a answered) bool { return a.of.Kind == kind }) {
			t.Errorf("no values of %s", view.Type{Kind: kind})
		}
	}
	conn := connect(t, serveShop(t, s, nil))
	for i, a := range s.answers {
		sql := fmt.Sprintf("SELECT m%d FROM typed_1h ORDER BY time", i)
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil || len(results[0].Rows) != 8 {
			t.Fatalf("%s: %v", a.of, err)
		}
		for k, row := range results[0].Rows {
			switch {
			case k >= len(a.values) && row[0] != nil:
				t.Errorf("%s: row %d is %q, want null", a.of, k, row[0])
			case k < len(a.values) && (row[0] == nil || string(row[0]) != a.values[k][1]):
				t.Errorf("%s: row %d is %q, want %q", a.of, k, row[0], a.values[k][1])
			}
		}
		for k, got := range strings.Split(table(t, conn, sql), "\n") { // in the binary format
			want := "<nil>"
			if k < len(a.values) {
				want = a.values[k][0]
			}
			if whole := a.of.Kind != view.Timestamp && a.of.Kind != view.Date; whole && got != want || !whole && (got == "<nil>") != (want == "<nil>") {
				t.Errorf("%s: row %d is %q in binary, want %q", a.of, k, got, want)
			}
		}
	}
}

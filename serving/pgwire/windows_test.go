package pgwire

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// visits is a source of two sessions.
type visits struct{ *shop }

func (v visits) Relations(context.Context) ([]serving.Relation, error) {
	at := view.Type{Kind: view.Timestamp}
	return []serving.Relation{{View: "sales", Source: "orders", Window: "visits", Whole: true, Location: time.UTC, Columns: []serving.RelationColumn{
		{Name: "time", Role: "time", Type: at}, {Name: "end", Role: "end", Type: at}, {Name: "country", Role: "dimension", Type: view.Type{Kind: view.String}},
		{Name: "orders", Role: "measure", Type: view.Type{Kind: view.Int64}, Additive: true}}}}, nil
}

func (v visits) Query(_ context.Context, q serving.Query) (*serving.Result, error) {
	v.mu.Lock()
	v.asked = append(v.asked, q)
	v.mu.Unlock()
	r := &serving.Result{Provenance: serving.Provenance{Exact: true}}
	for i, country := range []string{"France", "Spain"} {
		r.Rows = append(r.Rows, []algebra.Value{algebra.TimestampValue(hour(i)), algebra.TimestampValue(hour(i + 3)), algebra.StringValue(country), algebra.Int64Value(int64(i + 1))})
	}
	return r, nil
}

func TestAWindowIsATableWhoseRowsBeginWithinTheBounds(t *testing.T) {
	s := visits{newShop()}
	conn := connect(t, serveShop(t, s, nil))
	for _, c := range []struct {
		sql, want, from, to string
	}{
		{`SELECT time, "end", country, orders FROM sales_visits ORDER BY 1`, "2026-01-01T00:00Z|2026-01-01T03:00Z|France|1\n2026-01-01T01:00Z|2026-01-01T04:00Z|Spain|2", "", ""},
		{`SELECT sum(orders), max("end" - time)::text FROM sales_visits`, "3|03:00:00", "", ""},
		{"SELECT count(*) FROM sales_visits WHERE time >= '2026-01-01 00:30:00.5' AND time <= '2026-01-01 02:00'", "1", "2026-01-01T00:30:00.5Z", "2026-01-01T02:00:00.000001Z"},
	} {
		if got := table(t, conn, c.sql); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
		q := s.lastQuery()
		if q.Window != "visits" || q.Grain != "" || q.From != c.from || q.To != c.to || !slices.Equal(q.Dimensions, []string{"country"}) {
			t.Errorf("%s asked for %+v", c.sql, q)
		}
	}
}

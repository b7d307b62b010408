package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

func TestInputShowsWhatTheAppenderStores(t *testing.T) {
	_, conn := openTest(t)
	src := everyType()
	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	rows := intake.NewRows(src)
	for _, n := range []int{0, 1, 63, 64, 65, 2047, 2048, 2049, 5000, 300} {
		rows.Reset()
		fillRows(rnd, src, rows, n+3)
		slots := make([]int64, n+3)
		for i := range slots {
			slots[i] = rnd.Int64N(5)
		}
		in.Set(rows, slots, n)
		appendRows(t, conn, "plain", src, rows, slots, n)
		got := allRows(t, conn, "SELECT * FROM "+in.From()+" ORDER BY _offset")
		want := allRows(t, conn, "SELECT * EXCLUDE _row FROM plain ORDER BY _offset")
		if len(got) != n || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d rows: the input shows %d rows, not those of the table", n, len(got))
		}
		for i, row := range got {
			for c := range src.Fields {
				if want := value(rows, c, i); row[c] != want {
					t.Fatalf("row %d of %d, %s: read %v, want %v", i, n, src.Fields[c].Name, row[c], want)
				}
			}
		}
		in.Clear()
		if left := allRows(t, conn, "SELECT * FROM "+in.From()); len(left) != 0 {
			t.Fatalf("%d rows after Clear", len(left))
		}
	}
}

func TestInputOfAPreparedStatementFollowsSet(t *testing.T) {
	_, conn := openTest(t)
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "s", Type: typ(view.String), Nullable: true}, {Name: "i", Type: typ(view.Int64)}}}
	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := conn.Prepare("SELECT count(*), count(s), sum(i)::BIGINT FROM " + in.From())
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	rows := intake.NewRows(src)
	for n := range 6000 {
		i := rows.Extend()
		rows.SetWord(1, i, int64(n))
		if n%3 == 0 {
			rows.SetBytes(0, i, fmt.Append(nil, "a string longer than twelve bytes ", n))
		}
		if n%1237 != 0 {
			continue
		}
		in.Set(rows, nil, n+1)
		err := stmt.Run(context.Background(), func(c *Chunk) error {
			row := c.Row(0)
			if row.Int64(0) != int64(n+1) || row.Int64(1) != int64(n/3+1) || row.Int64(2) != int64(n*(n+1)/2) {
				t.Errorf("after %d rows: count %d, strings %d, sum %d", n+1, row.Int64(0), row.Int64(1), row.Int64(2))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func allRows(t testing.TB, conn *Conn, sql string) [][]algebra.Value {
	t.Helper()
	var out [][]algebra.Value
	err := conn.Query(context.Background(), sql, func(c *Chunk) error {
		for i := range c.Len() {
			var row []algebra.Value
			for k := range c.Columns() {
				row = append(row, c.Row(i).Value(k))
			}
			out = append(out, row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

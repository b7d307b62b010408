package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/sqltext"
	"github.com/caudal/caudal/internal/view"
)

func typ(kind view.Kind) view.Type { return view.Type{Kind: kind} }

func dec(p, s uint8) view.Type { return view.Type{Kind: view.Decimal, Precision: p, Scale: s} }

// everyType is a source with a column of each type and width, null or not.
func everyType() *view.Source {
	src := &view.Source{Name: "every"}
	for _, f := range []struct {
		name string
		t    view.Type
	}{
		{"s", typ(view.String)}, {"i", typ(view.Int64)}, {"d4", dec(4, 1)}, {"d9", dec(9, 2)}, {"d18", dec(18, 3)}, {"d38", dec(38, 4)},
		{"f", typ(view.Double)}, {"b", typ(view.Bool)}, {"ts", typ(view.Timestamp)}, {"day", typ(view.Date)},
	} {
		src.Fields = append(src.Fields, view.Field{Name: f.name, Type: f.t}, view.Field{Name: f.name + "_n", Type: f.t, Nullable: true})
	}
	return src
}

func openTest(t testing.TB) (*DB, *Conn) {
	t.Helper()
	db, err := Open(Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	return db, conn
}

// someBits is an integer of any size, so that small ones are as likely as large ones.
func someBits(rnd *rand.Rand, bits int) int64 {
	x := int64(rnd.Uint64() >> (64 - 1 - rnd.IntN(bits)))
	if rnd.IntN(2) == 0 {
		return -x
	}
	return x
}

func someDecimal(rnd *rand.Rand, p uint8) int64 {
	limit := int64(1)
	for range p {
		limit *= 10
	}
	switch rnd.IntN(10) {
	case 0:
		return limit - 1
	case 1:
		return 1 - limit
	}
	return someBits(rnd, 62) % limit
}

func someText(rnd *rand.Rand) string {
	return strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(3)) + strings.Repeat("é☃x", rnd.IntN(6)) + fmt.Sprint(rnd.IntN(50))
}

// fillRows appends n random events of a source.
func fillRows(rnd *rand.Rand, src *view.Source, rows *intake.Rows, n int) {
	for range n {
		i := rows.Extend()
		rows.Partition[i] = int64(rnd.IntN(3))
		rows.Offset[i] = int64(i)
		rows.EventTime[i] = rnd.Int64N(4*int64(time.Hour/time.Microsecond)) - 2*int64(time.Hour/time.Microsecond)
		if i > 0 && rnd.IntN(3) == 0 {
			rows.EventTime[i] = rows.EventTime[i-1] // ties
		}
		if rnd.IntN(10) == 0 {
			rows.Duplicate[i] = 1
		}
		if rnd.IntN(8) == 0 {
			rows.Late[i] = 1
		}
		for c := range src.Fields {
			f := &src.Fields[c]
			if f.Nullable && rnd.IntN(4) == 0 {
				rows.SetNull(c, i)
				continue
			}
			setSome(rnd, rows, c, i, f.Type)
		}
	}
}

// setSome puts a random value of type t into row i of column c.
func setSome(rnd *rand.Rand, rows *intake.Rows, c, i int, t view.Type) {
	switch {
	case t.Kind == view.List:
		rows.OpenList(c, i)
		n := rnd.IntN(5)
		if rnd.IntN(2000) == 0 {
			n = 5000 // more than a vector holds
		}
		for range n {
			elements, at := rows.ExtendList(c, i)
			if !t.Holes || rnd.IntN(3) > 0 {
				setSome(rnd, elements, c, at, t.Element())
			}
		}
	case t.Kind == view.String:
		rows.SetBytes(c, i, []byte(someText(rnd)))
	case t.Wide():
		rows.SetWide(c, i, wide(rnd))
	case t.Kind == view.Decimal:
		rows.SetWord(c, i, someDecimal(rnd, t.Precision))
	case t.Kind == view.Double:
		rows.SetWord(c, i, int64(math.Float64bits(someFloat(rnd))))
	case t.Kind == view.Bool:
		rows.SetWord(c, i, rnd.Int64N(2))
	case t.Kind == view.Date:
		rows.SetWord(c, i, rnd.Int64N(80000)-20000)
	case t.Kind == view.Timestamp:
		rows.SetWord(c, i, someBits(rnd, 55))
	default:
		rows.SetWord(c, i, someBits(rnd, 62))
	}
}

func someFloat(rnd *rand.Rand) float64 {
	switch rnd.IntN(20) {
	case 0:
		return 0
	case 1:
		return 5e-324
	}
	return math.Ldexp(float64(rnd.IntN(2000)-1000), rnd.IntN(20)-10)
}

// wide is an unscaled decimal of up to 38 digits.
func wide(rnd *rand.Rand) algebra.Int128 {
	largest, _ := algebra.ParseInt128(strings.Repeat("9", 38))
	switch rnd.IntN(6) {
	case 0:
		return largest
	case 1:
		return largest.Neg()
	case 2:
		return algebra.Int128Of(someBits(rnd, 62))
	}
	x := algebra.Int128{Lo: rnd.Uint64(), Hi: someBits(rnd, 61)}
	return x
}

// value is field c of row i.
func value(rows *intake.Rows, c, i int) algebra.Value { return valueOf(&rows.Columns[c], i) }

func valueOf(col *intake.Column, i int) algebra.Value {
	if col.Null(i) {
		return algebra.Null()
	}
	switch t := col.Type; {
	case t.Kind == view.String:
		return algebra.StringValue(string(col.Strs[i].Bytes()))
	case t.Wide():
		return algebra.DecimalValue(col.Wide[i], t.Scale)
	case t.Kind == view.Decimal:
		return algebra.DecimalValue(algebra.Int128Of(col.Words[i]), t.Scale)
	case t.Kind == view.Double:
		return algebra.FloatValue(col.Float(i))
	case t.Kind == view.Bool:
		return algebra.BoolValue(col.Words[i] != 0)
	case t.Kind == view.Timestamp:
		return algebra.TimestampValue(col.Words[i])
	case t.Kind == view.Date:
		return algebra.DateValue(col.Words[i])
	}
	return algebra.Int64Value(col.Words[i])
}

// appendRows is the plain twin of Input: it appends every row to a table by DuckDB's appender.
func appendRows(t testing.TB, conn *Conn, table string, src *view.Source, rows *intake.Rows, slots []int64, n int) {
	t.Helper()
	cols := []view.Column{}
	for _, f := range src.Fields {
		cols = append(cols, view.Column{Name: f.Name, Type: f.Type})
	}
	for _, name := range inputColumns {
		kind := view.Int64
		if name == "_duplicate" || name == "_late" {
			kind = view.Bool
		}
		cols = append(cols, view.Column{Name: name, Type: typ(kind)})
	}
	defs := []string{"_row BIGINT"}
	for _, c := range cols {
		defs = append(defs, sqltext.Name(c.Name)+" "+c.Type.SQL())
	}
	if err := conn.Exec(context.Background(), "CREATE OR REPLACE TABLE "+table+" ("+strings.Join(defs, ", ")+")"); err != nil {
		t.Fatal(err)
	}
	values := make([][]algebra.Value, n)
	for i := range n {
		for c := range src.Fields {
			values[i] = append(values[i], value(rows, c, i))
		}
		s := int64(0)
		if slots != nil {
			s = slots[i]
		}
		for _, x := range []int64{rows.Partition[i], rows.Offset[i], rows.Timestamp[i], rows.EventTime[i], s, 1} {
			values[i] = append(values[i], algebra.Int64Value(x))
		}
		values[i] = append(values[i], algebra.BoolValue(rows.Duplicate[i] != 0), algebra.BoolValue(rows.Late[i] != 0))
	}
	if err := conn.AppendValues(table, cols, values); err != nil {
		t.Fatal(err)
	}
}

// bucketsOf are slots for the rows that are the base buckets of a view.
func bucketsOf(v *view.View, rows *intake.Rows) []int64 {
	slots := make([]int64, rows.Len())
	for i := range slots {
		slots[i] = view.FloorTo(rows.EventTime[i], v.Base().Size.Microseconds())
	}
	return slots
}

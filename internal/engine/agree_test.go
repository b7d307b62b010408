package engine

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// naive is one measure as a plain fold sees it: which columns of a partial one event makes.
type naive struct {
	view.Measure
	columns int
	of      func(e event) (cols []any, failed bool) // nil cols: the value is null
}

type event map[string]algebra.Value

// fakeRow is a result row made in Go.
type fakeRow []any

func (r fakeRow) Null(col int) bool       { return r[col] == nil }
func (r fakeRow) Int64(col int) int64     { return r[col].(int64) }
func (r fakeRow) Bytes(col int) []byte    { return []byte(r[col].(string)) }
func (r fakeRow) Uint32s(c int) []uint32  { return r[c].([]uint32) }
func (r fakeRow) Int32s(col int) []int32  { return r[col].([]int32) }
func (r fakeRow) Uint64s(c int) []uint64  { return r[c].([]uint64) }
func (r fakeRow) Texts(c int) []string    { return r[c].([]string) }
func (r fakeRow) Float64(col int) float64 { return r[col].(float64) }
func (r fakeRow) Int128(col int) algebra.Int128 {
	if x, ok := r[col].(int64); ok {
		return algebra.Int128Of(x)
	}
	return r[col].(algebra.Int128)
}

// register is DESIGN's hash in plain Go.
func register(text string) uint32 {
	sum := md5.Sum([]byte(text))
	h := binary.LittleEndian.Uint64(sum[:8]) & math.MaxInt64
	w := h>>12&(1<<51-1) | 1<<51
	return uint32(h&4095)<<6 | uint32(bits.TrailingZeros64(w)+1)
}

func bin(x float64) any {
	fraction, exponent := math.Frexp(math.Abs(x)) // math.Log is off for numbers below 2^-1022
	k := int32(math.Ceil((math.Log(fraction)+float64(exponent)*math.Ln2)/math.Log(1.01/0.99))) + 40000
	switch {
	case x == 0:
		k = 0
	case x < 0:
		k = -k
	}
	return []int32{k}
}

// plain makes the partial of one value of a column.
func plain(agg view.Agg, v algebra.Value) []any {
	if v.IsNull() {
		return nil
	}
	switch agg {
	case view.CountDistinct:
		return []any{[]uint32{register(canonical(v))}}
	case view.Percentile:
		return []any{bin(v.Float64()), nil}
	case view.Sum, view.Average:
		if v.Kind() == view.Double {
			return []any{v.Float64(), int64(1)}
		}
		return []any{v.Int128(), int64(1)}
	}
	switch v.Kind() {
	case view.String:
		return []any{v.Text()}
	case view.Double:
		return []any{v.Float64()}
	case view.Decimal:
		if _, small := v.Int128().Int64(); small {
			x, _ := v.Int128().Int64()
			return []any{x}
		}
		return []any{v.Int128()}
	}
	return []any{v.Int64()}
}

// everyMeasure is a measure of each kind over each type that it takes.
func everyMeasure(src *view.Source) []naive {
	var out []naive
	add := func(agg view.Agg, field string, t view.Type, columns int) {
		in := src.Fields[src.Field(field)].Type
		if t.Kind == view.Invalid {
			t = in
		}
		out = append(out, naive{
			Measure: view.Measure{Name: fmt.Sprintf("m%d", len(out)), Agg: agg, Expr: field, Type: t, Input: in, P: 0.9},
			columns: columns,
			of:      func(e event) ([]any, bool) { return plain(agg, e[field]), false },
		})
	}
	out = append(out,
		naive{Measure: view.Measure{Name: "n", Agg: view.Count, Type: typ(view.Int64)}},
		naive{
			Measure: view.Measure{Name: "positive", Agg: view.Count, Filter: "f_n > 0", Type: typ(view.Int64)},
			columns: 1,
			of: func(e event) ([]any, bool) {
				if e["f_n"].IsNull() || e["f_n"].Float64() <= 0 {
					return []any{int64(0)}, false
				}
				return []any{int64(1)}, false
			},
		},
		naive{
			Measure: view.Measure{Name: "product", Agg: view.Sum, Expr: "i_n * d9", Filter: "CAST(d4_n AS TINYINT) > -50", Type: dec(18, 2), Input: dec(18, 2)},
			columns: 2, of: product,
		},
	)
	for _, f := range []string{"i", "i_n", "d4", "d18_n"} {
		add(view.Sum, f, dec(38, src.Fields[src.Field(f)].Type.Scale), 2)
	}
	add(view.Sum, "f_n", typ(view.Double), 2)
	out = append(out, wideSum("d38_n"))
	add(view.Average, "d9", typ(view.Double), 2)
	for _, f := range []string{"i", "d4_n", "d9_n", "d18_n", "d38_n", "s_n", "f_n", "b_n", "ts_n", "day_n", "s"} {
		add(view.Min, f, view.Type{}, 1)
		add(view.Max, f, view.Type{}, 1)
	}
	for _, f := range []string{"s", "s_n", "i_n", "d4", "d9_n", "d18_n", "d38_n", "b", "ts_n", "day_n"} {
		add(view.CountDistinct, f, typ(view.Int64), 1)
	}
	for _, f := range []string{"i_n", "d9_n", "d38", "f_n"} {
		add(view.Percentile, f, typ(view.Double), 2)
	}
	return append(out, furtherMeasures(src)...)
}

func wideSum(field string) naive {
	return naive{
		Measure: view.Measure{Name: "wide", Agg: view.Sum, Expr: field, Type: dec(38, 4), Input: dec(38, 4)},
		columns: 3,
		of: func(e event) ([]any, bool) {
			v := e[field]
			if v.IsNull() {
				return nil, false
			}
			x := v.Int128()
			return []any{algebra.Int128Of(x.Hi), algebra.Int128{Lo: x.Lo}, int64(1)}, false
		},
	}
}

// product is i_n * d9 as decimal(18,2), of events whose d4_n fits a TINYINT above -50.
func product(e event) ([]any, bool) {
	if e["d4_n"].IsNull() {
		return nil, false
	}
	narrow := math.Round(e["d4_n"].Float64())
	if narrow < -128 || narrow > 127 {
		return nil, true
	}
	if narrow <= -50 || e["i_n"].IsNull() {
		return nil, false
	}
	d, _ := e["d9"].Int128().Int64()
	x := new(big.Int).Mul(big.NewInt(e["i_n"].Int64()), big.NewInt(d))
	if x.CmpAbs(big.NewInt(1_000_000_000_000_000_000)) >= 0 {
		return nil, true
	}
	return []any{x.Int64(), int64(1)}, false
}

// cellKey names a cell of either layer.
type cellKey struct {
	bucket int64
	dims   string
}

func TestLayersAgreeWithEachOtherAndWithAPlainFold(t *testing.T) {
	for i, where := range []string{"", "d4 >= -500", "CAST(d4 AS TINYINT) > -100"} {
		t.Run(fmt.Sprint("where", i), func(t *testing.T) { layersAgree(t, where) })
	}
}

func layersAgree(t *testing.T, where string) {
	_, conn := openTest(t)
	ctx := context.Background()
	src := everyType()
	measures := everyMeasure(src)
	minute, _ := view.ParseGrain("15m")
	v := &view.View{
		Name: "all", Source: src, Where: where, Location: time.UTC, Grains: []view.Grain{minute},
		Dimensions: []view.Dimension{
			{Name: "b", Expr: "b_n", Type: typ(view.Bool)},
			{Name: "digit", Expr: "CAST(i_n % 3 AS INTEGER)", Type: typ(view.Int64)},
		},
	}
	for i := range measures {
		v.Measures = append(v.Measures, measures[i].Measure)
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, uint64(len(where))))
	rows := intake.NewRows(src)
	fillRows(rnd, src, rows, 4000)
	want := fold(t, plan, measures, src, rows, where)

	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	speed := map[cellKey]*algebra.State{}
	for first := 0; first < rows.Len(); first += 1700 {
		part := intake.NewRows(src)
		copyRows(src, rows, part, first, min(first+1700, rows.Len()))
		in.Set(part, bucketsOf(v, part), part.Len())
		mergeCells(t, conn, plan, plan.PartialSQL(in.From()), 0, speed)
		in.Clear()
	}
	same(t, plan, "speed", speed, "fold", want)

	appendRows(t, conn, "stored", src, rows, nil, rows.Len())
	sql := plan.BatchSQL(algebra.BatchOptions{From: "stored", Grain: minute, Sets: []uint32{3}})
	batch := map[cellKey]*algebra.State{}
	mergeCells(t, conn, plan, sql, 1, batch)
	same(t, plan, "batch over a table", batch, "speed", speed)

	// the same over Parquet, whose statistics the optimizer believes, and back out of a view file
	dir := t.TempDir()
	segment, file := filepath.Join(dir, "segment.parquet"), filepath.Join(dir, "view.parquet")
	if err := conn.Exec(ctx, "COPY stored TO '"+segment+"' (FORMAT parquet, ROW_GROUP_SIZE 2048)"); err != nil {
		t.Fatal(err)
	}
	sql, err = plan.StagedSQL(algebra.BatchOptions{From: "read_parquet('" + segment + "')", Grain: minute}, &stages{t: t, conn: conn})
	if err == nil {
		err = conn.Exec(ctx, "COPY (SELECT '15m' AS _grain, * FROM ("+sql+")) TO '"+file+"' (FORMAT parquet)")
	}
	if err != nil {
		t.Fatal(err)
	}
	viewColumns(t, conn, plan, file)
	stored := map[cellKey]*algebra.State{}
	mergeCells(t, conn, plan, "SELECT * FROM read_parquet('"+file+"') WHERE _set = 3", 2, stored)
	same(t, plan, "batch over Parquet", stored, "speed", speed)
	exactAnswers(t, conn, plan, file, src, rows, want)
}

// fold is the answer of a plain loop over the events.
func fold(t *testing.T, plan *algebra.Plan, measures []naive, src *view.Source, rows *intake.Rows, where string) map[cellKey]*algebra.State {
	cells := map[cellKey]*algebra.State{}
	for i := range rows.Len() {
		if rows.Duplicate[i] != 0 {
			continue
		}
		e := event{}
		for c := range src.Fields {
			e[src.Fields[c].Name] = value(rows, c, i)
		}
		e.locate(rows, i)
		keep, failed := holds(where, e)
		if !keep && !failed {
			continue
		}
		dims := []algebra.Value{e["b_n"], algebra.Null()}
		if !e["i_n"].IsNull() {
			dims[1] = algebra.Int64Value(e["i_n"].Int64() % 3)
		}
		key := cellKey{view.FloorTo(rows.EventTime[i], int64(15*time.Minute/time.Microsecond)), string(algebra.AppendKey(nil, dims))}
		if cells[key] == nil {
			cells[key] = plan.New()
		}
		one := fakeRow{int64(1), rows.Late[i], int64(0)}
		for _, m := range measures {
			if m.of == nil {
				continue
			}
			cols, bad := m.of(e)
			if failed {
				cols = nil
			}
			if bad && !failed {
				one[2] = one[2].(int64) + 1
			}
			if cols == nil {
				cols = make([]any, m.columns)
			}
			if m.Agg == view.Count && failed {
				cols = []any{int64(0)}
			}
			one = append(one, cols...)
		}
		if failed {
			one[0], one[1], one[2] = int64(0), int64(0), int64(1)
		}
		partial := plan.New()
		if err := plan.ReadState(one, 0, partial); err != nil {
			t.Fatal(err)
		}
		plan.Merge(cells[key], partial)
	}
	return cells
}

func holds(where string, e event) (keep, failed bool) {
	d := e["d4"].Float64()
	switch where {
	case "":
		return true, false
	case "d4 >= -500":
		return d >= -500, false
	}
	narrow := math.Round(d)
	return narrow > -100 && narrow <= 127, narrow < -128 || narrow > 127
}

func copyRows(src *view.Source, from, to *intake.Rows, first, end int) {
	for i := first; i < end; i++ {
		k := to.Extend()
		to.Partition[k], to.Offset[k], to.EventTime[k] = from.Partition[i], from.Offset[i], from.EventTime[i]
		to.Duplicate[k], to.Late[k] = from.Duplicate[i], from.Late[i]
		for c := range src.Fields {
			col := &from.Columns[c]
			switch {
			case col.Null(i):
			case col.Strs != nil:
				to.SetBytes(c, k, col.Strs[i].Bytes())
			case col.Wide != nil:
				to.SetWide(c, k, col.Wide[i])
			default:
				to.SetWord(c, k, col.Words[i])
			}
		}
	}
}

// mergeCells runs a query whose bucket, or slot, stands in column `at`, followed by the dimensions and the state, and merges the rows into cells.
func mergeCells(t *testing.T, conn *Conn, plan *algebra.Plan, sql string, at int, cells map[cellKey]*algebra.State) {
	t.Helper()
	partial := plan.New()
	err := conn.Query(context.Background(), sql, func(c *Chunk) error {
		for i := range c.Len() {
			row := c.Row(i)
			dims := plan.ReadKey(row, at+1, nil)
			key := cellKey{row.Int64(at), string(algebra.AppendKey(nil, dims))}
			if quick := string(plan.AppendRowKey(nil, row, at+1)); quick != key.dims {
				t.Errorf("key %x of a row, %x of its values %v", quick, key.dims, dims)
			}
			if cells[key] == nil {
				cells[key] = plan.New()
			}
			if err := plan.ReadState(row, at+1+len(dims), partial); err != nil {
				return err
			}
			plan.Merge(cells[key], partial)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// same compares cells: answers and states, save for what was added up of doubles, which is compared as answers.
func same(t *testing.T, plan *algebra.Plan, gotName string, got map[cellKey]*algebra.State, wantName string, want map[cellKey]*algebra.State) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d cells, %s %d", gotName, len(got), wantName, len(want))
	}
	for key, w := range want {
		g := got[key]
		if g == nil {
			t.Fatalf("%s lacks cell %v of %s", gotName, key, wantName)
		}
		if g.Events() != w.Events() || g.Late() != w.Late() || g.Errors() != w.Errors() {
			t.Fatalf("cell %v: %s counts %d events, %d late, %d errors; %s %d, %d, %d",
				key, gotName, g.Events(), g.Late(), g.Errors(), wantName, w.Events(), w.Late(), w.Errors())
		}
		for m := range plan.View.Measures {
			a, b := plan.Final(g, m), plan.Final(w, m)
			measure := &plan.View.Measures[m]
			if inOrder(measure) {
				if !near(a.Value, b.Value) || a.Value.IsNull() != b.Value.IsNull() {
					t.Errorf("cell %v, %s of %s: %s answers %v, %s %v", key, measure.Agg, measure.Expr, gotName, a.Value, wantName, b.Value)
				}
				continue
			}
			if !plan.Agree(g, w, m) {
				t.Errorf("cell %v, %s of %s: the states of %s and %s differ", key, measure.Agg, measure.Expr, gotName, wantName)
			}
			if a.Value != b.Value || a.Overflow != b.Overflow {
				t.Errorf("cell %v, %s of %s: %s answers %v %v, %s %v %v", key, measure.Agg, measure.Expr, gotName, a.Value, a.Err, wantName, b.Value, b.Err)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// viewColumns checks that a view file has the columns that the plan says.
func viewColumns(t *testing.T, conn *Conn, plan *algebra.Plan, file string) {
	t.Helper()
	var got []string
	for _, row := range allRows(t, conn, "SELECT column_name || ' ' || column_type FROM (DESCRIBE FROM read_parquet('"+file+"'))") {
		got = append(got, row[0].Text())
	}
	var want []string
	for _, c := range plan.ViewColumns() {
		want = append(want, c.Name+" "+c.SQL)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("the view file has the columns\n%s\nthe plan says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// exactAnswers compares the exact columns of the full set with the states' answers, and of the empty set with the values themselves.
func exactAnswers(t *testing.T, conn *Conn, plan *algebra.Plan, file string, src *view.Source, rows *intake.Rows, want map[cellKey]*algebra.State) {
	t.Helper()
	err := conn.Query(context.Background(), "SELECT * FROM read_parquet('"+file+"') WHERE _set = 3", func(c *Chunk) error {
		for i := range c.Len() {
			row := c.Row(i)
			s := want[cellKey{row.Int64(2), string(plan.AppendRowKey(nil, row, 3))}]
			exacts := plan.ReadExacts(row, 3+len(plan.View.Dimensions))
			for m := range plan.View.Measures {
				measure := &plan.View.Measures[m]
				exact := exacts[m]
				answer := plan.Final(s, m)
				slack := answer.Bound * math.Abs(exact.Float64())
				if measure.Agg == view.CountDistinct {
					slack += 1.5
				}
				close := math.Abs(exact.Float64()-answer.Value.Float64()) <= slack+1e-9*math.Abs(exact.Float64())
				if exact.IsNull() != answer.Value.IsNull() || !close || (exact.Kind() == view.String || exact.Kind() == view.Array) && exact != answer.Value {
					t.Errorf("%s of %s: exact %v, state %v within %g", measure.Agg, measure.Expr, exact, answer.Value, answer.Bound)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		return
	}
	totals := allRows(t, conn, "SELECT _set, sum(_events)::BIGINT FROM read_parquet('"+file+"') GROUP BY 1 ORDER BY 1")
	if len(totals) != 4 {
		t.Fatalf("sets in the view file: %v", totals)
	}
	sort.Slice(totals, func(i, j int) bool { return totals[i][1].Int64() < totals[j][1].Int64() })
	if totals[0][1] != totals[3][1] {
		t.Errorf("the sets do not hold the same number of events: %v", totals)
	}
}

// A TRY over a CASE or a COALESCE corrupts DuckDB's memory once a row fails; expressions that are one must come through unharmed.
func TestExpressionsThatBranchAndFailAreCounted(t *testing.T) {
	_, conn := openTest(t)
	src := everyType()
	day, _ := view.ParseGrain("24h")
	v := &view.View{
		Name: "branching", Source: src, Location: time.UTC, Grains: []view.Grain{day},
		Where:      "CASE WHEN b THEN CAST(d4 AS TINYINT) < 1000 ELSE TRUE END",
		Dimensions: []view.Dimension{{Name: "narrow", Expr: "coalesce(CAST(d9 AS SMALLINT), 0) > 0", Type: typ(view.Bool)}},
		Measures: []view.Measure{
			{Name: "n", Agg: view.Count, Type: typ(view.Int64)},
			{Name: "s", Agg: view.Max, Expr: "coalesce(s_n, CAST(CAST(i AS SMALLINT) AS VARCHAR))", Type: typ(view.String), Input: typ(view.String)},
			{Name: "f", Agg: view.Count, Filter: "nullif(CAST(d18 AS SMALLINT), 0) IS NOT NULL", Type: typ(view.Int64)},
			{Name: "d", Agg: view.Sum, Expr: "CASE WHEN b THEN CAST(d18 AS DECIMAL(9,3)) END", Type: dec(38, 3), Input: dec(9, 3)},
		},
	}
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	rows := intake.NewRows(src)
	fillRows(rand.New(rand.NewPCG(21, 4)), src, rows, 3000)
	in.Set(rows, nil, rows.Len())
	kept, failed := int64(0), int64(0)
	fits := func(field string, scale, least, most float64, i int) bool {
		x := math.Round(value(rows, src.Field(field), i).Float64() * scale)
		return x >= least && x <= most
	}
	for i := range rows.Len() {
		b := value(rows, src.Field("b"), i).Bool()
		switch {
		case rows.Duplicate[i] != 0:
		case b && !fits("d4", 1, -128, 127, i):
			failed++ // and the event's key is still needed, to count this in
			if !fits("d9", 1, -32768, 32767, i) {
				failed++
			}
		default:
			kept++
			for _, good := range []bool{
				fits("d9", 1, -32768, 32767, i),
				!rows.Columns[src.Field("s_n")].Null(i) || fits("i", 1, -32768, 32767, i),
				fits("d18", 1, -32768, 32767, i),
				!b || fits("d18", 1000, -999_999_999, 999_999_999, i),
			} {
				if !good {
					failed++
				}
			}
		}
	}
	for range 20 {
		cells := map[cellKey]*algebra.State{}
		mergeCells(t, conn, plan, plan.PartialSQL(in.From()), 0, cells)
		total := plan.New()
		for _, s := range cells {
			plan.Merge(total, s)
		}
		if total.Events() != kept || total.Errors() != failed || failed == 0 {
			t.Fatalf("%d events and %d errors, want %d and %d", total.Events(), total.Errors(), kept, failed)
		}
		filtered := allRows(t, conn, "SELECT count(*) FROM "+in.From()+" WHERE NOT _duplicate AND "+plan.FilterSQL())
		if filtered[0][0].Int64() != kept {
			t.Fatalf("the filter alone keeps %v events, want %d", filtered[0][0], kept)
		}
	}
}

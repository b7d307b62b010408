package lake

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

// everyType has a field of each type that a segment can hold, required and nullable.
func everyType() *view.Source {
	types := []view.Type{
		{Kind: view.String}, {Kind: view.Int64}, {Kind: view.Decimal, Precision: 9, Scale: 2}, {Kind: view.Decimal, Precision: 18, Scale: 3},
		{Kind: view.Decimal, Precision: 38, Scale: 4}, {Kind: view.Double}, {Kind: view.Bool}, {Kind: view.Timestamp}, {Kind: view.Date},
	}
	src := &view.Source{Name: "all"}
	for i, typ := range types {
		for _, nullable := range []bool{false, true} {
			src.Fields = append(src.Fields, view.Field{Name: fmt.Sprintf("f%d_%s_%v", 9-i, typ.SQL()[:3], nullable), Type: typ, Nullable: nullable})
		}
	}
	return src
}

// randomRows are rows of one partition in the order of their offsets, with times in some disorder.
func randomRows(src *view.Source, n int, seed uint64) *intake.Rows {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := intake.NewRows(src)
	offset := int64(1_000_000)
	for range n {
		i := rows.Extend()
		offset += 1 + r.Int64N(3)
		rows.Partition[i], rows.Offset[i] = 3, offset
		rows.Timestamp[i] = 1_700_000_000_000_000 + offset*1000
		rows.EventTime[i] = rows.Timestamp[i] - r.Int64N(1_000_000)*r.Int64N(2)
		rows.Duplicate[i], rows.Late[i] = int64(btoi(r.IntN(10) == 0)), int64(btoi(r.IntN(7) == 0))
		for c, field := range src.Fields {
			if field.Nullable && r.IntN(3) == 0 {
				continue
			}
			setRandom(r, rows, c, i, field.Type)
		}
	}
	return rows
}

// setRandom puts a random value of type t into row i of column c.
func setRandom(r *rand.Rand, rows *intake.Rows, c, i int, t view.Type) {
	switch t.Kind {
	case view.String:
		rows.SetBytes(c, i, bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(30)))
	case view.Decimal:
		if t.Wide() {
			rows.SetWide(c, i, algebra.Int128{Lo: r.Uint64(), Hi: r.Int64N(1<<60) - 1<<59})
		} else {
			rows.SetWord(c, i, r.Int64N(1_999_999_999)-999_999_999)
		}
	case view.Bool:
		rows.SetWord(c, i, int64(r.IntN(2)))
	case view.Double:
		rows.SetWord(c, i, int64(math.Float64bits(r.NormFloat64())))
	case view.Date:
		rows.SetWord(c, i, r.Int64N(40_000)-10_000)
	case view.List:
		rows.OpenList(c, i)
		n := r.IntN(4)
		if r.IntN(300) == 0 {
			n = 3 * batchRows
		}
		for range n {
			elements, at := rows.ExtendList(c, i)
			if !t.Holes || r.IntN(3) > 0 {
				setRandom(r, elements, c, at, t.Element())
			}
		}
	default:
		rows.SetWord(c, i, int64(r.Uint64()))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func allOf(rows *intake.Rows) []int32 {
	idx := make([]int32, rows.Len())
	for i := range idx {
		idx[i] = int32(i)
	}
	return idx
}

func writeTemp(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// render is a row as text, from the rows; a segment's rows are rendered alike by readSegment.
func render(rows *intake.Rows, i int, ingestedAt int64) []string {
	var out []string
	for c := range rows.Columns {
		out = append(out, renderCell(&rows.Columns[c], i))
	}
	return append(out, fmt.Sprint(rows.Partition[i]), fmt.Sprint(rows.Offset[i]), fmt.Sprint(rows.Timestamp[i]), fmt.Sprint(rows.EventTime[i]),
		fmt.Sprint(ingestedAt), fmt.Sprint(rows.Duplicate[i] != 0), fmt.Sprint(rows.Late[i] != 0))
}

func renderCell(col *intake.Column, i int) string {
	switch {
	case col.Null(i):
		return "null"
	case col.Type.Kind == view.String:
		return fmt.Sprintf("%q", col.Strs[i].Bytes())
	case col.Type.Wide():
		return fmt.Sprintf("%016x%016x", uint64(col.Wide[i].Hi), col.Wide[i].Lo)
	case col.Type.Kind == view.Double:
		return fmt.Sprint(col.Float(i))
	case col.Type.Kind == view.Bool:
		return fmt.Sprint(col.Words[i] != 0)
	}
	return fmt.Sprint(col.Words[i])
}

func readSegment(t testing.TB, path string) (names []string, rows [][]string) {
	t.Helper()
	err := readParquet(path, func(schema *parquet.Schema, row parquet.Row) error {
		if names == nil {
			for _, f := range schema.Fields() {
				names = append(names, f.Name())
			}
		}
		var out []string
		for _, v := range row {
			out = append(out, renderValue(v))
		}
		rows = append(rows, out)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, rows
}

func renderValue(v parquet.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.Kind() == parquet.ByteArray:
		return fmt.Sprintf("%q", v.ByteArray())
	case v.Kind() == parquet.FixedLenByteArray:
		return fmt.Sprintf("%016x%016x", binary.BigEndian.Uint64(v.ByteArray()[:8]), binary.BigEndian.Uint64(v.ByteArray()[8:]))
	}
	return v.String()
}

func TestSegmentHoldsTheRowsOfEveryTypeInTheOrderOfTimeAndOffset(t *testing.T) {
	src := everyType()
	for _, n := range []int{0, 1, 63, 1025, 5000} {
		rows := randomRows(src, n, uint64(n))
		idx := allOf(rows)
		idx = slices.DeleteFunc(idx, func(i int32) bool { return i%5 == 2 }) // rows of another date
		var file bytes.Buffer
		if err := WriteSegment(&file, rows, idx, SegmentSchema{Fields: src.Fields, Definition: "d1"}, 42); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(idx, func(a, b int32) int {
			return cmp.Or(cmp.Compare(rows.EventTime[a], rows.EventTime[b]), cmp.Compare(rows.Offset[a], rows.Offset[b]))
		})
		names, got := readSegment(t, writeTemp(t, file.Bytes()))
		if len(got) != len(idx) {
			t.Fatalf("%d rows, want %d", len(got), len(idx))
		}
		for i, row := range idx {
			if want := render(rows, int(row), 42); !slices.Equal(got[i], want) {
				t.Fatalf("row %d of %d:\n got %q\nwant %q", i, n, got[i], want)
			}
		}
		if n > 0 && (names[0] != src.Fields[0].Name || names[len(names)-7] != "_partition") {
			t.Fatalf("columns are not in the order of the definition: %q", names)
		}
	}
}

func TestSegmentIsAFunctionOfItsRows(t *testing.T) {
	src := everyType()
	rows := randomRows(src, 3000, 7)
	idx := allOf(rows)
	schema := SegmentSchema{Fields: src.Fields, Definition: "d1"}
	var first bytes.Buffer
	if err := WriteSegment(&first, rows, idx, schema, 42); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		rand.New(rand.NewPCG(seed, 2)).Shuffle(len(idx), func(i, j int) { idx[i], idx[j] = idx[j], idx[i] })
		var again bytes.Buffer
		if err := WriteSegment(&again, randomRows(src, 3000, 7), idx, schema, 42); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), again.Bytes()) {
			t.Fatal("the same rows made other bytes")
		}
	}
}

func TestSegmentOfManyRowsHasBoundedRowGroupsAndItsDefinitionInTheFooter(t *testing.T) {
	src := &view.Source{Fields: []view.Field{{Name: "a", Type: view.Type{Kind: view.Int64}}}}
	rows := randomRows(src, rowsPerGroup*2+17, 1)
	var out bytes.Buffer
	if err := WriteSegment(&out, rows, allOf(rows), SegmentSchema{Fields: src.Fields, Definition: "abc"}, 1); err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, g := range file.RowGroups() {
		sizes = append(sizes, g.NumRows())
	}
	if !slices.Equal(sizes, []int64{rowsPerGroup, rowsPerGroup, 17}) {
		t.Errorf("row groups of %v rows", sizes)
	}
	if got, _ := file.Lookup("caudal.definition"); got != "abc" {
		t.Errorf("definition in the footer is %q", got)
	}
	for _, c := range file.Metadata().RowGroups[0].Columns {
		if codec := c.MetaData.Codec.String(); codec != "ZSTD" {
			t.Errorf("column %v is compressed by %s", c.MetaData.PathInSchema, codec)
		}
	}
}

// parquet-go compares wide decimals as unsigned bytes: a reader that skipped by such bounds would miss rows.
func TestSegmentClaimsNoBoundsThatAreWrong(t *testing.T) {
	src := everyType()
	rows := randomRows(src, 500, 3)
	var out bytes.Buffer
	if err := WriteSegment(&out, rows, allOf(rows), SegmentSchema{Fields: src.Fields}, 1); err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range file.Metadata().RowGroups[0].Columns {
		stats := c.MetaData.Statistics
		if i < len(src.Fields) && (src.Fields[i].Type.Wide() || src.Fields[i].Type.Kind == view.String) {
			if stats.MinValue != nil || stats.MaxValue != nil || stats.Min != nil || stats.Max != nil {
				t.Errorf("column %v has bounds", c.MetaData.PathInSchema)
			}
		} else if i < len(src.Fields) && src.Fields[i].Type.Kind == view.Decimal && src.Fields[i].Type.Precision == 18 {
			lowest := int64(math.MaxInt64)
			for row := range rows.Len() {
				if !rows.Columns[i].Null(row) {
					lowest = min(lowest, rows.Columns[i].Words[row])
				}
			}
			if got := int64(binary.LittleEndian.Uint64(stats.MinValue)); got != lowest {
				t.Errorf("column %v: smallest is %d, want %d", c.MetaData.PathInSchema, got, lowest)
			}
		}
	}
}

func TestRowsSortByTimeThenOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 86_400_000_000), rapid.Int64()), 0, 200).Draw(t, "times")
		rows := intake.NewRows(&view.Source{})
		for i, at := range times {
			n := rows.Extend()
			rows.EventTime[n], rows.Offset[n] = at, int64(i)
		}
		idx := rapid.Permutation(allOf(rows)).Draw(t, "idx")
		got := sortRows(rows, idx)
		want := slices.Clone(idx)
		slices.SortFunc(want, func(a, b int32) int {
			return cmp.Or(cmp.Compare(times[a], times[b]), cmp.Compare(a, b))
		})
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestDamagedParquetIsAnErrorAndNotAPanic(t *testing.T) {
	src := everyType()
	rows := randomRows(src, 300, 5)
	var out bytes.Buffer
	if err := WriteSegment(&out, rows, allOf(rows), SegmentSchema{Fields: src.Fields}, 1); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	failed := 0
	for range 60 {
		damaged := slices.Clone(out.Bytes())
		if r.IntN(2) == 0 {
			damaged = damaged[:r.IntN(len(damaged))]
		} else {
			for range 20 {
				damaged[r.IntN(len(damaged))] ^= byte(1 << r.IntN(8))
			}
		}
		if err := readParquet(writeTemp(t, damaged), func(*parquet.Schema, parquet.Row) error { return nil }); err != nil {
			failed++
		}
	}
	if failed < 30 {
		t.Errorf("only %d of 60 damaged files were noticed", failed)
	}
}

func TestDeadLettersComeBackAsTheyWere(t *testing.T) {
	letters := []DeadLetter{
		{Partition: 3, Offset: 7, Timestamp: 1_700_000_000_000_000, IngestedAt: 42, Reason: "not_json", Detail: "unexpected end", Raw: []byte("{\"a\":")},
		{Partition: 3, Offset: 9, Timestamp: -5, IngestedAt: 42, Reason: "wrong_type", Field: "quantity", Detail: "no int64: \"x\"", Key: []byte{0, 255}, Raw: []byte{}},
		{Partition: 3, Offset: math.MaxInt64, Timestamp: 0, IngestedAt: 42, Reason: "tombstone", Key: []byte("k")},
	}
	for range 1500 { // more than a batch
		letters = append(letters, DeadLetter{Offset: 1, Reason: "r", Raw: bytes.Repeat([]byte("x"), 100)})
	}
	var out bytes.Buffer
	if err := WriteDeadLetters(&out, letters); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDeadLetters(writeTemp(t, out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(letters) {
		t.Fatalf("%d letters, want %d", len(got), len(letters))
	}
	for i := range letters {
		if a, b := fmt.Sprintf("%#v", got[i]), fmt.Sprintf("%#v", letters[i]); a != b {
			t.Fatalf("letter %d:\n got %s\nwant %s", i, a, b)
		}
	}
}

func TestDeadLettersOfAFileThatIsNoneAreAnError(t *testing.T) {
	src := everyType()
	rows := randomRows(src, 3, 5)
	var out bytes.Buffer
	if err := WriteSegment(&out, rows, allOf(rows), SegmentSchema{Fields: src.Fields}, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDeadLetters(writeTemp(t, out.Bytes())); err == nil {
		t.Error("a segment was read as dead letters")
	}
	if _, err := ReadDeadLetters(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was read")
	}
}

// retailSource is the source of the retail example: eight columns.
func retailSource() *view.Source {
	str, nullable := view.Type{Kind: view.String}, true
	return &view.Source{Name: "orders", Fields: []view.Field{
		{Name: "line_id", Type: str}, {Name: "invoice_no", Type: str}, {Name: "stock_code", Type: str}, {Name: "description", Type: str, Nullable: nullable},
		{Name: "quantity", Type: view.Type{Kind: view.Int64}}, {Name: "invoice_date", Type: view.Type{Kind: view.Timestamp}},
		{Name: "unit_price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 3}}, {Name: "country", Type: str},
	}}
}

func retailRows(n int) *intake.Rows {
	r := rand.New(rand.NewPCG(1, 2))
	rows := intake.NewRows(retailSource())
	countries := []string{"United Kingdom", "France", "Germany", "EIRE", "Spain"}
	for k := range n {
		i := rows.Extend()
		at := 1_322_000_000_000_000 + int64(k)*1000
		rows.Offset[i], rows.Timestamp[i], rows.EventTime[i] = int64(k), at, at-r.Int64N(2_000_000)
		rows.SetBytes(0, i, fmt.Appendf(nil, "536365-%d", k))
		rows.SetBytes(1, i, fmt.Appendf(nil, "%d", 536365+k/20))
		code := r.IntN(4000)
		rows.SetBytes(2, i, fmt.Appendf(nil, "%dA", 20000+code))
		rows.SetBytes(3, i, fmt.Appendf(nil, "WHITE HANGING HEART T-LIGHT HOLDER %d", code))
		rows.SetWord(4, i, r.Int64N(50))
		rows.SetWord(5, i, rows.EventTime[i])
		rows.SetWord(6, i, r.Int64N(20_000))
		rows.SetBytes(7, i, []byte(countries[r.IntN(len(countries))]))
	}
	return rows
}

func BenchmarkWriteSegment(b *testing.B) {
	const n = 500_000
	rows := retailRows(n)
	idx := allOf(rows)
	schema := SegmentSchema{Fields: retailSource().Fields, Definition: "d"}
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := WriteSegment(&out, rows, idx, schema, 42); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	b.ReportMetric(float64(out.Len())/n, "B/row")
}

package intake

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// duckString is what DuckDB's header says a string is.
type duckString struct {
	length uint32
	prefix [4]byte
	rest   [8]byte // the inlined rest, or a pointer
}

func TestStringsAreLaidOutAsDuckDBReadsThem(t *testing.T) {
	rows := NewRows(&view.Source{Fields: []view.Field{{Name: "s", Type: view.Type{Kind: view.String}}}})
	for n := range 40 {
		want := bytes.Repeat([]byte("abcdefgh"), 5)[:n]
		i := rows.Extend()
		rows.SetBytes(0, i, []byte("an earlier and longer value")) // must leave no trace
		rows.SetBytes(0, i, want)
		s := *(*duckString)(unsafe.Pointer(&rows.Columns[0].Strs[i]))
		if int(s.length) != n {
			t.Fatalf("%q: length %d", want, s.length)
		}
		inlined := append(s.prefix[:], s.rest[:]...)
		if n <= 12 {
			if !bytes.Equal(inlined, append(bytes.Clone(want), make([]byte, 12-n)...)) {
				t.Errorf("%q: inlined as %q", want, inlined)
			}
		} else if p := *(**byte)(unsafe.Pointer(&s.rest)); string(s.prefix[:]) != "abcd" || !bytes.Equal(unsafe.Slice(p, n), want) {
			t.Errorf("%q: prefix %q, pointed to %q", want, s.prefix, unsafe.Slice(p, n))
		}
	}
}

// A plain twin of Rows: a slice of values per row, nil for null.
func TestRowsHoldWhatAPlainSliceHolds(t *testing.T) {
	src := &view.Source{Fields: []view.Field{
		{Name: "word", Type: view.Type{Kind: view.Int64}}, {Name: "wide", Type: decimal(38, 0)}, {Name: "text", Type: view.Type{Kind: view.String}},
	}}
	rapid.Check(t, func(t *rapid.T) {
		rows := NewRows(src)
		var twin [][]string
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for step := range steps {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				rows.Reset()
				twin = nil
			case 1:
				n := rapid.IntRange(0, len(twin)).Draw(t, "keep")
				rows.Truncate(n)
				twin = twin[:n]
			default:
				for range rapid.SampledFrom([]int{1, 2, 63, 64, 900}).Draw(t, "rows") {
					i := rows.Extend()
					row := []string{"-", "-", "-"}
					if (i+step)%3 != 0 {
						rows.SetWord(0, i, int64(i))
						rows.SetWide(1, i, wideOf(int64(-i)))
						row[0], row[1] = fmt.Sprint(i), fmt.Sprint(-i)
					}
					if (i+step)%5 != 0 {
						s := strings.Repeat("x", i%40)
						rows.SetBytes(2, i, []byte(s))
						row[2] = fmt.Sprintf("%q", s)
					}
					if (i+step)%7 == 0 {
						for c := range row {
							rows.SetNull(c, i)
							row[c] = "-"
						}
					}
					twin = append(twin, row)
				}
			}
			if rows.Len() != len(twin) {
				t.Fatalf("got %d rows, want %d", rows.Len(), len(twin))
			}
			for i := range twin {
				if got := text(rows, i); !reflect.DeepEqual(got, twin[i]) {
					t.Fatalf("row %d: got %v, want %v", i, got, twin[i])
				}
			}
			for c := range rows.Columns {
				checkZeroWhereNull(t, &rows.Columns[c], rows.Len())
				if v := rows.Columns[c].Valid; len(v) != (rows.Len()+63)/64 || rows.Len()%64 != 0 && v[len(v)-1]>>(rows.Len()%64) != 0 {
					t.Fatalf("column %d: %d rows, but the bitmap is %x", c, rows.Len(), v)
				}
			}
		}
	})
}

// What C copies of a null must not be what stood there in an earlier batch.
func checkZeroWhereNull(t *rapid.T, c *Column, rows int) {
	for i := range rows {
		if c.Null(i) && (c.Words != nil && c.Words[i] != 0 || c.Strs != nil && c.Strs[i] != Str{} || c.Wide != nil && c.Wide[i] != algebra.Int128{}) {
			t.Fatalf("row %d of %s is null, but not zero", i, c.Type)
		}
	}
}

// C reads the columns while they are pinned: neither they nor the blocks may move as long as no more rows come than before.
func TestAddressesStayAcrossResets(t *testing.T) {
	src := orders()
	rows, fold := NewRows(src), NewFold(mustSchema(t, src), Start())
	fill := func() []unsafe.Pointer {
		rows.Reset()
		for i := range 5000 {
			fold.Append(Record{Offset: int64(i), Value: []byte(`{"at":"2026-11-20 10:00:00","country":"a country with a name beyond twelve bytes"}`)}, rows)
		}
		at := []unsafe.Pointer{unsafe.Pointer(unsafe.SliceData(rows.Offset))}
		for i := range rows.Columns {
			c := &rows.Columns[i]
			at = append(at, unsafe.Pointer(unsafe.SliceData(c.Words)), unsafe.Pointer(unsafe.SliceData(c.Wide)), unsafe.Pointer(unsafe.SliceData(c.Strs)), unsafe.Pointer(unsafe.SliceData(c.Valid)))
		}
		for _, b := range rows.Blocks() {
			at = append(at, unsafe.Pointer(unsafe.SliceData(b)))
		}
		return at
	}
	first := fill()
	runtime.GC()
	if second := fill(); !reflect.DeepEqual(first, second) {
		t.Errorf("addresses moved:\n%v\n%v", first, second)
	}
}

func TestLongStringsOutliveTheRecordAndTheCollector(t *testing.T) {
	src := orders()
	rows, fold := NewRows(src), NewFold(mustSchema(t, src), Start())
	name := func(i int) string { return strings.Repeat(fmt.Sprintf("country %d ", i), 1+i%300) }
	for i := range 2000 {
		value := []byte(fmt.Sprintf(`{"at":"2026-11-20 10:00:00","country":"%s"}`, name(i)))
		fold.Append(Record{Offset: int64(i), Value: value}, rows)
		clear(value)
	}
	runtime.GC()
	for i := range 2000 {
		if got := string(rows.Columns[2].Strs[i].Bytes()); got != name(i) {
			t.Fatalf("row %d: got %.40q", i, got)
		}
	}
}

func TestDeadLettersTakeNoMemory(t *testing.T) {
	src := orders()
	rows, fold := NewRows(src), NewFold(mustSchema(t, src), Start())
	long := strings.Repeat("x", 1000)
	fold.Append(Record{Value: []byte(`{"at":"2026-11-20 10:00:00","country":"` + long + `"}`)}, rows)
	before := rows.Bytes()
	for i := range 5000 {
		fold.Append(Record{Offset: int64(i), Value: []byte(`{"id":"` + long + `","country":"` + long + `"}`)}, rows)
	}
	if rows.Bytes() != before || rows.Len() != 1 || len(rows.Blocks()) > 2 {
		t.Errorf("5000 dead letters took %d bytes, %d rows, %d blocks", rows.Bytes()-before, rows.Len()-1, len(rows.Blocks()))
	}
	if got := string(rows.Columns[2].Strs[0].Bytes()); got != long {
		t.Errorf("the row before them was overwritten: %.40q", got)
	}
}

func TestMemoryOfAnOutsizedBatchIsGivenBack(t *testing.T) {
	rows := NewRows(&view.Source{Fields: []view.Field{{Name: "s", Type: view.Type{Kind: view.String}}}})
	fill := func(n, size int) (held int) {
		rows.Reset()
		value := bytes.Repeat([]byte("x"), size)
		for range n {
			rows.SetBytes(0, rows.Extend(), value)
		}
		for _, b := range rows.Blocks() {
			held += len(b)
		}
		return held + 16*cap(rows.Columns[0].Strs)
	}
	fill(600000, 200)
	fill(20, 4<<20)
	for range 8 {
		fill(1000, 20)
	}
	if held := fill(1000, 20); held > 20<<20 {
		t.Errorf("small batches hold %d MB", held>>20)
	}
	small := fill(50000, 200)
	if again := fill(50000, 200); again != small {
		t.Errorf("batches of one size hold %d, then %d bytes", small, again)
	}
}

package lake

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
	"github.com/parquet-go/parquet-go"
)

// everyList has an array of each type, with and without nulls in the column and in the arrays.
func everyList() *view.Source {
	src := &view.Source{Name: "lists"}
	for i, of := range everyType().Fields {
		t := view.Type{Kind: view.List, Item: of.Type.Kind, Precision: of.Type.Precision, Scale: of.Type.Scale, Holes: of.Nullable}
		for _, nullable := range []bool{false, true} {
			src.Fields = append(src.Fields, view.Field{Name: fmt.Sprintf("l%d_%v", i, nullable), Type: t, Nullable: nullable})
		}
	}
	src.Fields = append(src.Fields, view.Field{Name: "plain", Type: view.Type{Kind: view.String}})
	return src
}

// renderList is an array as text; a row of a file is rendered alike by its levels.
func renderList(col *intake.Column, i int) string {
	if col.Null(i) {
		return "null"
	}
	var all []string
	for k := col.Lists[i].Offset; k < col.Lists[i].Offset+col.Lists[i].Length; k++ {
		all = append(all, renderCell(col.Items, int(k)))
	}
	return "[" + strings.Join(all, " ") + "]"
}

// readList is the array that a row's values of a column are.
func readList(f *view.Field, values []parquet.Value) string {
	level := 1
	if f.Nullable {
		level = 2
	}
	if values[0].DefinitionLevel() < level {
		return map[int]string{0: "null", 1: "[]"}[2-level+values[0].DefinitionLevel()]
	}
	var all []string
	for i, v := range values {
		if (v.RepetitionLevel() == 0) != (i == 0) {
			return "a row begins amid an array"
		}
		all = append(all, renderValue(v))
	}
	return "[" + strings.Join(all, " ") + "]"
}

func TestSegmentHoldsTheElementsOfArrays(t *testing.T) {
	src := everyList()
	for _, n := range []int{1, 63, 1025, 5000} {
		rows := randomRows(src, n, uint64(n))
		idx := slices.DeleteFunc(allOf(rows), func(i int32) bool { return i%5 == 2 }) // rows of another date
		var file, again bytes.Buffer
		if err := WriteSegment(&file, rows, idx, SegmentSchema{Fields: src.Fields, Definition: "d1"}, 42); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(idx, func(a, b int32) int {
			return cmp.Or(cmp.Compare(rows.EventTime[a], rows.EventTime[b]), cmp.Compare(rows.Offset[a], rows.Offset[b]))
		})
		at := 0
		err := readParquet(writeTemp(t, file.Bytes()), func(_ *parquet.Schema, row parquet.Row) error {
			i := int(idx[at])
			at++
			row.Range(func(c int, values []parquet.Value) bool {
				switch {
				case c >= len(src.Fields):
				case src.Fields[c].Type.Kind != view.List:
					if got, want := renderValue(values[0]), renderCell(&rows.Columns[c], i); got != want {
						t.Fatalf("row %d of %d, %s: %s, want %s", at, n, src.Fields[c].Name, got, want)
					}
				default:
					if got, want := readList(&src.Fields[c], values), renderList(&rows.Columns[c], i); got != want {
						t.Fatalf("row %d of %d, %s: %.300s, want %.300s", at, n, src.Fields[c].Name, got, want)
					}
				}
				return true
			})
			return nil
		})
		if err != nil || at != len(idx) {
			t.Fatalf("%d rows, want %d: %v", at, len(idx), err)
		}
		if err := WriteSegment(&again, randomRows(src, n, uint64(n)), idx, SegmentSchema{Fields: src.Fields, Definition: "d1"}, 42); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
			t.Fatalf("the same rows made other bytes: %v", err)
		}
	}
}

package lake

import (
	"bytes"
	"testing"

	"github.com/caudal/caudal/internal/intake"
)

// An id may be of any type that a segment holds.
func TestIDsOfEveryTypeAreReadBackFromASegment(t *testing.T) {
	src := everyType()
	rows := randomRows(src, 3000, 9)
	var data bytes.Buffer
	if err := WriteSegment(&data, rows, allOf(rows), SegmentSchema{Fields: src.Fields, Definition: "d"}, 1); err != nil {
		t.Fatal(err)
	}
	path := writeTemp(t, data.Bytes())
	row := map[int64]int{}
	for i, offset := range rows.Offset {
		row[offset] = i
	}
	for c, field := range src.Fields {
		got := intake.NewRows(src)
		if err := readIDs(path, field.Name, c, got); err != nil {
			t.Fatal(err)
		}
		if got.Len() != rows.Len() {
			t.Fatalf("%s: %d rows of %d", field.Name, got.Len(), rows.Len())
		}
		for i := range got.Len() {
			j, ok := row[got.Offset[i]]
			a, b := &got.Columns[c], &rows.Columns[c]
			if !ok || got.Timestamp[i] != rows.Timestamp[j] || a.Null(i) != b.Null(j) {
				t.Fatalf("%s: row %d at offset %d differs", field.Name, i, got.Offset[i])
			}
			same := true
			switch {
			case a.Null(i):
			case a.Strs != nil:
				same = bytes.Equal(a.Strs[i].Bytes(), b.Strs[j].Bytes())
			case a.Wide != nil:
				same = a.Wide[i] == b.Wide[j]
			default:
				same = a.Words[i] == b.Words[j]
			}
			if !same {
				t.Fatalf("%s: the value at offset %d differs", field.Name, got.Offset[i])
			}
		}
	}
	if err := readIDs(path, "no_such", 0, intake.NewRows(src)); err == nil {
		t.Error("a column that is not there was read")
	}
	if err := readIDs(writeTemp(t, data.Bytes()[:data.Len()/2]), src.Fields[0].Name, 0, intake.NewRows(src)); err == nil {
		t.Error("half a file was read")
	}
}

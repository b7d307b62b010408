package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// everyList has an array of each kind of column, with and without null elements, decimals at each width.
func everyList() *view.Source {
	src := &view.Source{Name: "lists"}
	for _, of := range everyType().Fields {
		for _, holes := range []bool{false, true} {
			t := view.Type{Kind: view.List, Item: of.Type.Kind, Precision: of.Type.Precision, Scale: of.Type.Scale, Holes: holes}
			src.Fields = append(src.Fields, view.Field{Name: fmt.Sprintf("l%d", len(src.Fields)), Type: t, Nullable: len(src.Fields)%3 > 0})
		}
	}
	return src
}

// elementsOf are the elements of row i of column c.
func elementsOf(rows *intake.Rows, c, i int) []algebra.Value {
	col := &rows.Columns[c]
	values := []algebra.Value{}
	for k := range col.Lists[i].Length {
		values = append(values, valueOf(col.Items, int(col.Lists[i].Offset+k)))
	}
	return values
}

func TestInputShowsTheElementsOfArrays(t *testing.T) {
	_, conn := openTest(t)
	src := everyList()
	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	rows, back, copied := intake.NewRows(src), intake.NewRows(src), intake.NewRows(src)
	for _, n := range []int{1, 63, 65, 2048, 2049, 5000, 300} {
		rows.Reset()
		back.Reset()
		copied.Reset()
		fillRows(rnd, src, rows, n+3)
		in.Set(rows, nil, n)
		err := conn.Query(t.Context(), "SELECT * FROM "+in.From()+" ORDER BY _offset", func(chunk *Chunk) error {
			for k := range chunk.Len() {
				row, i := chunk.Row(k), back.Extend()
				for c := range src.Fields {
					row.CopyTo(back, c, i, c)
					if !row.Null(c) && !slices.Equal(row.Items(c), elementsOf(rows, c, i)) {
						return fmt.Errorf("row %d, %s: read %v, want %v", i, src.Fields[c].Type, row.Items(c), elementsOf(rows, c, i))
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		in.Clear()
		if back.Len() != n {
			t.Fatalf("%d rows, want %d", back.Len(), n)
		}
		for i := range n {
			copied.Extend()
			for c := range src.Fields {
				copied.Copy(i, c, rows, i)
				for _, other := range []*intake.Rows{back, copied} {
					if other.Columns[c].Null(i) != rows.Columns[c].Null(i) || !slices.Equal(elementsOf(other, c, i), elementsOf(rows, c, i)) {
						t.Fatalf("row %d of %d, %s: copied %v, want %v", i, n, src.Fields[c].Type, elementsOf(other, c, i), elementsOf(rows, c, i))
					}
				}
			}
		}
	}
}

// What definitions may ask of an array, as both layers compute it.
func TestConditionsOfArrays(t *testing.T) {
	db, conn := openTest(t)
	src := &view.Source{Name: "x", Fields: []view.Field{{Name: "tags", Type: view.Type{Kind: view.List, Item: view.String, Holes: true}, Nullable: true}, {Name: "n", Type: typ(view.Int64)}}}
	checker, err := NewChecker(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	in, err := conn.RegisterRows("events", src)
	if err != nil {
		t.Fatal(err)
	}
	rows := intake.NewRows(src)
	for n, tags := range [][]string{{"vip", "new"}, {}, nil, {"new", ""}, {"a tag of more than twelve bytes", "vip"}} {
		i := rows.Extend()
		rows.SetWord(1, i, int64(n))
		if tags == nil {
			continue
		}
		rows.OpenList(0, i)
		for _, tag := range tags {
			elements, at := rows.ExtendList(0, i)
			if tag != "" {
				elements.SetBytes(0, at, []byte(tag))
			}
		}
	}
	in.Set(rows, nil, rows.Len())
	columns := []view.Column{{Name: "tags", Type: src.Fields[0].Type}, {Name: "n", Type: typ(view.Int64)}}
	for condition, want := range map[string]string{
		"contains(tags, 'vip')": "[0 4]", "list_contains(tags, 'new')": "[0 3]", "length(tags) = 0": "[1]", "len(tags) > 1": "[0 3 4]", "tags[1] = 'new'": "[3]",
		"tags[2] is null": "[1 2 3]", "tags is null": "[2]", "coalesce(len(tags), 0) = 0": "[1 2]", "list_has_any(tags, ['vip', 'x'])": "[0 4]",
		"len(list_filter(tags, lambda x: x like '%w%')) > 0": "[0 3 4]", "tags[-1] = 'vip'": "[4]",
	} {
		checked, err := checker.Check(columns, []string{condition})
		if err != nil || checked[0].Err != "" || checked[0].Volatile || checked[0].Type.Kind != view.Bool {
			t.Errorf("%s: %+v, %v", condition, checked, err)
			continue
		}
		var kept []int64
		for _, row := range allRows(t, conn, "SELECT n FROM "+in.From()+" WHERE "+condition+" ORDER BY n") {
			kept = append(kept, row[0].Int64())
		}
		if fmt.Sprint(kept) != want {
			t.Errorf("%s: %v, want %s", condition, kept, want)
		}
	}
	for expr, want := range map[string]string{
		"tags": "array<string>", "list_transform(tags, lambda x: upper(x))": "array<string>", "[n, 2.5]": "array<decimal(20,1)>", "[[n]]": "invalid", "list_sum([n])": "int128",
	} {
		checked, err := checker.Check(columns, []string{expr})
		if err != nil || checked[0].Err != "" || checked[0].Type.String() != want {
			t.Errorf("%s: %+v, %v, want %s", expr, checked, err, want)
		}
	}
}

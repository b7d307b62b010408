package algebra

import (
	"reflect"
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

// Derived measures are not in a definition's hash, so a view file of before one was added, or moved, is read as before.
func TestDerivedMeasuresMoveNoColumnOfAViewFile(t *testing.T) {
	p := everyPart(t)
	moved := *p.View
	moved.Measures = slices.Insert(slices.Clone(p.View.Measures), 2, view.Measure{Name: "double", Agg: view.Derived, Expr: "n * 2", Type: view.Type{Kind: view.Int64}})
	other, err := Compile(&moved)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p.ViewColumns(), other.ViewColumns()) || p.ExactColumns(2)[0] != other.ExactColumns(3)[0] {
		t.Errorf("%v\n%v", p.ViewColumns(), other.ViewColumns())
	}
}

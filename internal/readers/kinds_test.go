package readers

import (
	"os"
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// What other engines read of a new kind of column is nobody's test until the fixture has one.
func TestTheFixtureHasEveryKindOfColumn(t *testing.T) {
	p, err := engine.Parse(t.Context(), []view.File{{Path: "caudal.yaml", Data: []byte(project)}}, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range view.ColumnKinds() {
		if !slices.ContainsFunc(p.Sources[0].Fields, func(f view.Field) bool { return f.Type.Kind == kind }) {
			t.Errorf("%s is not in it", view.Type{Kind: kind})
		}
	}
}

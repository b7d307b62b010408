package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// constantsOf are the names of the constants of a type, as the package's source declares them.
func constantsOf(t *testing.T, file, of string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range parsed.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		inside := false
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); ok {
				inside = id.Name == of
			}
			if inside {
				names = append(names, v.Names[0].Name)
			}
		}
	}
	return names
}

// Whoever adds an aggregation adds it to the list that the tests of all of them walk: of laws, golden bytes, and the matrix of types.
func TestTheListOfAggregationsHasAllThatAreKept(t *testing.T) {
	byName := map[string]Agg{"Count": Count, "Sum": Sum, "Min": Min, "Max": Max, "Average": Average, "CountDistinct": CountDistinct, "Percentile": Percentile, "First": First, "Last": Last,
		"VarSamp": VarSamp, "VarPop": VarPop, "StddevSamp": StddevSamp, "StddevPop": StddevPop, "TopK": TopK, "Histogram": Histogram}
	for _, name := range constantsOf(t, "project.go", "Agg") {
		if name == "Derived" || name == "Share" || name == "Running" {
			continue // composed after the merge: nothing is kept of them
		}
		if a, known := byName[name]; !known || !slices.Contains(Aggregations(), a) {
			t.Errorf("aggregation %s is not in the list", name)
		}
	}
	for _, a := range Aggregations() {
		if !a.Stored() || aggOf(string(a)) != a || !slices.Contains(aggNames(), string(a)) {
			t.Errorf("%s is in the list, and cannot be named", a)
		}
		if !strings.Contains(ViewSchema(), `"`+string(a)+`"`) {
			t.Errorf("the schema of views does not know %s", a)
		}
	}
}

// The same of the kinds of columns: a new one meets the matrix, or is one of answers.
func TestTheListOfKindsHasAllThatAColumnCanBeOf(t *testing.T) {
	names := constantsOf(t, "type.go", "Kind") // a list is of any of them: TestAnArrayIsOfEveryKind
	for i, name := range names {
		answers := name == "Invalid" || name == "Int128" || name == "Array" || name == "List"
		if listed := slices.Contains(ColumnKinds(), Kind(i)); listed == answers {
			t.Errorf("kind %s: in the list of a column's kinds: %t", name, listed)
		}
	}
	if len(names) != int(List)+1 {
		t.Errorf("the kinds are %v", names)
	}
}

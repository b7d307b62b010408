package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namesOfSpec finds what the specification says of the code: `go: file:name, file:name`.
var namesOfSpec = regexp.MustCompile(`go: ((?:[\w/.]+\.go:\w+(?:, )?)+)`)

func TestTheSpecificationNamesCodeThatExists(t *testing.T) {
	files, err := filepath.Glob("../docs/spec/*.tla")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d modules of the specification, %v", len(files), err)
	}
	declared := map[string]map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := namesOfSpec.FindAllStringSubmatch(string(text), -1)
		if all := strings.Count(string(text), "go: "); len(found) != all || all == 0 {
			t.Errorf("%s: %d of %d notes of the form go: file:name can be read", file, len(found), all)
		}
		for _, note := range found {
			for name := range strings.SplitSeq(note[1], ", ") {
				path, what, _ := strings.Cut(name, ":")
				if declared[path] == nil {
					declared[path] = declarations(t, filepath.Join("..", path))
				}
				if !declared[path][what] {
					t.Errorf("%s names %s of %s, which is not there", file, what, path)
				}
			}
		}
	}
}

// declarations are the functions, methods and variables of a Go file.
func declarations(t *testing.T, path string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return names
	}
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, n := range v.Names {
						names[n.Name] = true
					}
				}
			}
		}
	}
	return names
}

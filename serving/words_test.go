package serving

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDocumentSaysWhatTheCommentsSay keeps words.json, by which the OpenAPI document describes the fields of answers, equal to the comments beside them (-update writes it).
func TestTheDocumentSaysWhatTheCommentsSay(t *testing.T) {
	words := map[string]string{}
	for _, dir := range []string{".", "ingest", filepath.Join("..", "internal", "ledger")} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		must(t, err)
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.ParseComments)
				must(t, err)
				ast.Inspect(file, func(n ast.Node) bool {
					if d, ok := n.(*ast.GenDecl); ok && d.Tok == gotoken.TYPE {
						describe(words, d)
					}
					return true
				})
			}
		}
	}
	text, err := json.MarshalIndent(words, "", "  ")
	must(t, err)
	text = append(text, '\n')
	if *update {
		must(t, os.WriteFile("words.json", text, 0o644))
	}
	held, err := os.ReadFile("words.json")
	must(t, err)
	if string(held) != string(text) {
		t.Error("words.json is not what the comments say (run with -update)")
	}
	if words["Provenance.Watermark"] == "" || words["Entry"] == "" {
		t.Errorf("%d comments were found", len(words))
	}
}

// describe notes the comments of the exported structs of a declaration that are written as JSON.
func describe(words map[string]string, d *ast.GenDecl) {
	clean := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, spec := range d.Specs {
		named := spec.(*ast.TypeSpec)
		s, ok := named.Type.(*ast.StructType)
		if !ok || !named.Name.IsExported() {
			continue
		}
		found := false
		for _, f := range s.Fields.List {
			if f.Tag == nil || !strings.Contains(f.Tag.Value, "json:") {
				continue
			}
			found = true
			for _, name := range f.Names {
				if text := clean(f.Doc.Text() + " " + f.Comment.Text()); text != "" {
					words[named.Name.Name+"."+name.Name] = text
				}
			}
		}
		if text := clean(d.Doc.Text()); found && text != "" {
			words[named.Name.Name] = text
		}
	}
}

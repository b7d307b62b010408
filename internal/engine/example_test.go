package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

// Every view of the examples is accepted by the checker and planned in both layers.
func TestExamplesRunInBothLayers(t *testing.T) {
	db, conn := openTest(t)
	checker, err := NewChecker(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	projects, err := filepath.Glob("../../examples/*/caudal.yaml")
	if err != nil || len(projects) == 0 {
		t.Fatalf("%d examples, %v", len(projects), err)
	}
	inputs := map[*view.Source]*Input{}
	for _, project := range projects {
		dir := filepath.Dir(project)
		views, err := filepath.Glob(filepath.Join(dir, "views", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var files []view.File
		for _, path := range append([]string{project}, views...) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, view.File{Path: filepath.ToSlash(rel), Data: data})
		}
		p, problems := view.Parse(files, func(string) (string, bool) { return "", false }, checker)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", dir, problems)
		}
		for _, v := range p.Views {
			in := inputs[v.Source]
			if in == nil {
				if in, err = conn.RegisterRows(fmt.Sprint("rows", len(inputs)), v.Source); err != nil {
					t.Fatal(err)
				}
				inputs[v.Source] = in
				rows := intake.NewRows(v.Source)
				rows.Extend()
				in.Set(rows, nil, 1)
			}
			bothLayers(t, conn, v, in)
		}
	}
}

func bothLayers(t *testing.T, conn *Conn, v *view.View, in *Input) {
	t.Helper()
	plan, err := algebra.Compile(v)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := conn.Prepare(plan.PartialSQL(in.From()))
	if err != nil {
		t.Fatalf("view %s: %v", v.Name, err)
	}
	defer stmt.Close()
	if err := stmt.Run(context.Background(), func(*Chunk) error { return nil }); err != nil {
		t.Fatalf("view %s: %v", v.Name, err)
	}
	for _, grain := range v.Grains {
		sql := plan.BatchSQL(algebra.BatchOptions{From: in.From(), Grain: grain, Starts: []int64{-1_000_000_000_000_000}})
		if got := allRows(t, conn, sql); len(got) > 0 && len(got) != len(plan.Sets()) {
			t.Errorf("view %s by %s: %d cells of one event in %d sets", v.Name, grain.Name, len(got), len(plan.Sets()))
		}
	}
}

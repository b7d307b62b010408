package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// What `caudal lint` cannot know without a lake, `caudal lint --lake` tells: that rows of before could not be read as rows of now.
func TestLintComparesTheSourcesWithWhatTheLakeHolds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLake(t.Context(), project, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PutDefinition(t.Context(), project.Sources[0].Hash(), project.Sources[0].Canonical()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		old, new, want string
		without        bool // without the lake it is in order
	}{
		{"country: string", "country: string", "", true},
		{"country: string", "country: string\n      channel: string?", "", true},
		{"country: string", "country: int64", "field country is of type int64, and was string", true},
		{"decimal(10,2)", "decimal(10,3)", "field amount is of type decimal(10,3), and was decimal(10,2)", true},
	} {
		write(t, filepath.Join(dir, "caudal.yaml"), strings.Replace(shopProject, c.old, c.new, 1))
		if out, err := caudal(t, "lint", "--project", dir).CombinedOutput(); (err == nil) != c.without {
			t.Errorf("%s, without the lake: %v\n%s", c.new, err, out)
		}
		out, err := caudal(t, "lint", "--lake", "--project", dir).CombinedOutput()
		if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.new, err, out)
		}
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/readers"
	"github.com/caudal/caudal/internal/testservices"
)

// filesOfAVersion runs the line of docs/lake.md that makes Trino's list of a version's files, as Trino names them.
func filesOfAVersion(t *testing.T, w *readers.World, s *testservices.TrinoServer, line string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", line)
	c.Dir = w.Dir
	list, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(list)), "'"+w.Dir, "'"+s.FolderLocation(w.Dir))
}

// Trino is the fifth reader: by the statements of docs/lake.md, over the files as they lie there. It is here, and not with the other readers, as a
// Trino runs here already.
func TestTrinoFindsEveryRowOfAVersionAndOfTheSegments(t *testing.T) {
	s := testservices.Trino(t)
	w := readers.New(t)
	old := w.Version
	w.Grow(t)
	w.ListFiles(t)
	blocks, err := readers.Lines("Trino")
	if err != nil || len(blocks) != 3 {
		t.Fatalf("docs/lake.md: %d blocks, %v", len(blocks), err)
	}
	list := filesOfAVersion(t, w, s, blocks[0])
	want := w.Want()
	for i, name := range []string{"version", "segments"} {
		text := strings.NewReplacer("s3://bucket/prefix", s.FolderLocation(w.Dir), "…", list).Replace(blocks[i+1])
		found := w.Trino(t, s.URL, text, "_partition")
		if len(found) != 1 {
			t.Fatalf("%s: %d answers", name, len(found))
		}
		f := found[0]
		if wrong := want.Compare(f); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
		t.Logf("%-8s %-8s %d rows, sum of n %s, of wide %s, %d nulls of maybe, sha256 %.12s", "Trino", name, f.Rows, f.Sums["n"], f.Sums["wide"], f.Nulls["maybe"], f.SHA256)
	}
	// Why a query names files: the folder holds those of the version before, too.
	whole := w.Trino(t, s.URL, "SELECT * FROM lake.caudal.orders_files;", "_partition")
	if len(old.Files) == 0 || whole[0].Rows <= want.Rows {
		t.Errorf("the folder as a whole has %d rows, the version %d: nothing superseded lies beside it, so this test shows nothing", whole[0].Rows, want.Rows)
	}
}

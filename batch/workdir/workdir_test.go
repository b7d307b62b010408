package workdir

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestARunRemovesTheFoldersOfKilledRunsAndNoOthers(t *testing.T) {
	parent := t.TempDir()
	folder := func(name string, lock bool, age time.Duration) string {
		t.Helper()
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Join(dir, "spill"), 0o700); err != nil {
			t.Fatal(err)
		}
		if lock {
			if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	folder("caudal-batch-killed", true, 0)
	folder("caudal-batch-of-an-older-version", false, 2*abandoned)
	making := folder("caudal-batch-in-the-making", false, 0)
	other := folder("caudal-else", true, 0)
	atWork, err := New(parent)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := New(parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{making, other, atWork.Path, mine.Path}
	slices.Sort(want)
	got, err := filepath.Glob(filepath.Join(parent, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("left are %v, not %v", got, want)
	}
	for _, d := range []*Dir{atWork, mine} {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.Path); !os.IsNotExist(err) {
			t.Errorf("%s is still there", d.Path)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestANewProjectIsSoundTestedAndAnswers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "Über 2 Shops!")
	said, err := caudal(t, "init", dir).Output()
	if err != nil || !strings.Contains(string(said), "caudal dev") {
		t.Fatalf("caudal init: %v\n%s", err, said)
	}
	ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil || string(ignored) != ".caudal/\n" {
		t.Errorf("git ignores %q (%v)", ignored, err)
	}
	d := &devProcess{t: t, dir: dir}
	if out := d.must("lint"); !strings.HasPrefix(out, "ber_2_shops: ") || !strings.HasSuffix(out, " no mistakes\n") {
		t.Errorf("lint says %s", out)
	}
	if out := d.must("test"); !strings.Contains(out, "3 passed, 0 failed") {
		t.Errorf("test says %s", out)
	}
	d = startDevIn(t, dir)
	defer d.stop()
	d.must("produce", "visits", filepath.Join(dir, "visits.csv"))
	const want = "time,page,visits,seconds,source,exactness\n2026-03-28T00:00:00Z,/cart,25,2436,speed,exact\n" // counted in the file
	got := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		got = d.must("query", "pages", "--measures", "visits,seconds", "--dimensions", "page", "--where", "page = '/cart'", "-o", "csv")
		if got == want {
			return
		}
	}
	t.Errorf("the new project answers\n%s", got)
}

func TestInitOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes.txt"), "mine")
	out, err := caudal(t, "init", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is not empty (it holds notes.txt): name a folder that is not there yet") {
		t.Errorf("caudal init says %v: %s", err, out)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
}

func TestAProjectIsNamedAfterItsFolder(t *testing.T) {
	for folder, want := range map[string]string{"shop": "shop", "My-Shop": "my_shop", "2024": "analytics", "7up": "up", "...": "analytics", strings.Repeat("a", 80): strings.Repeat("a", 63), "a.": "a"} {
		if got := projectNamed(folder); got != want {
			t.Errorf("%q becomes %q, want %q", folder, got, want)
		}
	}
}

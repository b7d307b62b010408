package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unitFiles are the lines of each unit.
func unitFiles(t *testing.T) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob("../systemd/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no units: %v", err)
	}
	files := map[string][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = strings.Split(string(text), "\n")
	}
	return files
}

// TestSystemdAcceptsTheUnits lets systemd itself verify them, with a command in place of caudal's that is there.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for name, lines := range unitFiles(t) {
		text := strings.ReplaceAll(strings.Join(lines, "\n"), "/usr/bin/caudal", "/bin/true")
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

package seamtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageNamesWhatExists keeps docs/seam-tests.md true: each test and each script that it names exists, each script is named, and so is
// each numbered step of the protocol.
func TestThePageNamesWhatExists(t *testing.T) {
	page, err := os.ReadFile("../../docs/seam-tests.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		body, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(body), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("the page names %s, which does not exist", m[1])
		}
	}
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9]+(-[a-z0-9]+)*)`").FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
	}
	for _, path := range scripts {
		if name := strings.TrimSuffix(filepath.Base(path), ".txt"); !named[name] {
			t.Errorf("the page does not name the script %s", name)
		}
		delete(named, strings.TrimSuffix(filepath.Base(path), ".txt"))
	}
	for name := range named {
		if strings.Contains(name, "-") && name != "seam-tests" {
			t.Errorf("the page names the script %s, which does not exist", name)
		}
	}
	for _, step := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19") {
		if !strings.Contains(string(page), "\n| "+step+" ") {
			t.Errorf("the page has no row for step %s", step)
		}
	}
}

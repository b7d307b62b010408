package readers

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Lines returns the blocks of code under a heading of the third level of docs/lake.md, in order: what a user of that reader writes.
func Lines(heading string) ([]string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return nil, fmt.Errorf("find docs/lake.md: the source of this file is not known")
	}
	path := filepath.Join(filepath.Dir(here), "..", "..", "docs", "lake.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what users write: %w", err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+heading+"\n")
	if !found {
		return nil, fmt.Errorf("%s has no heading %q", path, heading)
	}
	section, _, _ = strings.Cut(section, "\n##")
	var blocks []string
	for i, part := range strings.Split(section, "\n```") {
		if i%2 == 1 {
			_, code, _ := strings.Cut(part, "\n")
			blocks = append(blocks, code)
		}
	}
	return blocks, nil
}

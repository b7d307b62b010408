package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTheShellCompletesViewsSourcesAndWhatTheyHave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView+"windows:\n  - {name: last_3h, hopping: {size: 3h, every: 1h}}\n")
	for typed, want := range map[string]string{
		"query ":                          "sales",
		"explain ":                        "sales",
		"produce ":                        "orders",
		"batch run sales ":                "",
		"lake compact ":                   "orders",
		"erase --source ":                 "orders",
		"query sales --measures ":         "revenue lines",
		"query sales --measures revenue,": "revenue,lines",
		"query sales --dimensions ":       "country",
		"query sales --grain ":            "1h 1d",
		"query sales --window ":           "last_3h",
		"query sales --order ":            "revenue lines country",
		"query nothing --measures ":       "",
		"-o ":                             "table json csv",
	} {
		words := strings.Split(typed, " ")
		out, err := caudal(t, append([]string{"__complete", "--project", dir}, words...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", typed, err)
		}
		var names []string
		for line := range strings.Lines(string(out)) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); name != "" && !strings.HasPrefix(name, ":") {
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("after %q comes %q, want %q", typed, got, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, err := caudal(t, "completion", shell).Output(); err != nil || !strings.Contains(string(out), "caudal") {
			t.Errorf("completion %s: %v, %d bytes", shell, err, len(out))
		}
	}
}

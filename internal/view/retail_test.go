package view

import (
	"os"
	"path/filepath"
	"testing"
)

const retailFolder = "../../examples/retail"

func retailFiles(t *testing.T) []File {
	t.Helper()
	var out []File
	for _, pattern := range []string{"caudal.yaml", "views/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(retailFolder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(retailFolder, path)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, File{Path: filepath.ToSlash(rel), Data: data})
		}
	}
	return out
}

func noEnvironment(string) (string, bool) { return "", false }

func TestRetailExampleIsSound(t *testing.T) {
	p, problems := Parse(retailFiles(t), noEnvironment, fakeChecker{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if p.Name != "retail" || len(p.Sources) != 2 || len(p.Views) != 7 || len(p.Kafka.Brokers) != 0 {
		t.Fatalf("parsed %+v", p)
	}
}

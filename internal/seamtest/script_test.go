package seamtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what the scripts of testdata expect")

// TestMain lets scripts run side by side beyond the number of cores: they mostly wait for one another's services.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("list the scripts: %v (%d files)", err, len(paths))
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			playFile(t, path)
		})
	}
}

func playFile(t *testing.T, path string) {
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	script, err := parseScript(string(body))
	if err != nil {
		t.Fatal(err)
	}
	partitions, both := partitionsOf(string(body))
	p := newPlayer(NewWorld(t, partitions, both))
	p.limit(limitsOf(string(body)))
	for i := range script {
		if script[i].command == "" {
			continue
		}
		have, err := p.play(script[i])
		if err != nil {
			t.Fatalf("%s: %s: %v", path, script[i].command, err)
		}
		if want := strings.Join(script[i].output, "\n"); !*update && have != want {
			t.Fatalf("%s: %s\n%s\nprints\n%s\nand should print\n%s", path, script[i].command, strings.Join(script[i].input, "\n"), have, want)
		}
		script[i].output = nil
		if have != "" {
			script[i].output = strings.Split(have, "\n")
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(formatScript(script)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

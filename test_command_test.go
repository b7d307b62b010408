package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/trial"
)

const wrongTest = `tests:
  - name: right
    given: [{at: "2026-01-01T10:00:00Z", invoice: A, country: France, amount: 1}]
    expect: [{revenue: 1, lines: 1}]
  - name: wrong
    given: [{at: "2026-01-01T10:00:00Z", invoice: A, country: France, amount: 1}]
    query: {dimensions: [country]}
    expect:
      - {country: France, revenue: 2}
`

func TestAFailedTestIsExitStatusOneWithItsPlace(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView+wrongTest)
	d := &devProcess{t: t, dir: dir}
	out, status := d.caudal("test")
	for _, want := range []string{"ok    sales: right\n", "FAIL  sales: wrong\n", "views/sales.yaml:17: country=France: revenue\n", "expected  2\n", `speed     "1.00"`, `batch     "1.00"`, "1 passed, 1 failed"} {
		if status != exitFailed || !strings.Contains(out, want) {
			t.Errorf("exit status %d, %q is missing in\n%s", status, want, out)
		}
	}
	out, status = d.caudal("test", "--run", "wrong", "-o", "json")
	var outcomes []trial.Outcome
	if err := json.Unmarshal([]byte(out), &outcomes); err != nil || status != exitFailed || len(outcomes) != 1 || outcomes[0].Test != "wrong" || len(outcomes[0].Differences) != 1 {
		t.Errorf("exit status %d, %v: %s", status, err, out)
	}
	if out, status = d.caudal("test", "--run", "write"); status != exitUsage || !strings.Contains(out, `there are "sales: right", "sales: wrong"`) {
		t.Errorf("a pattern without a test: exit status %d: %s", status, out)
	}
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	if out, status = d.caudal("test"); status != exitOK || !strings.Contains(out, "no view has a test") {
		t.Errorf("without tests: exit status %d: %s", status, out)
	}
}

// Every view of every example has tests, and they pass.
func TestTheTestsOfTheExamplesPass(t *testing.T) {
	folders, err := os.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			p, err := loadProject(t.Context(), filepath.Join("examples", folder.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range p.Views {
				if len(v.Tests) == 0 {
					t.Errorf("view %s has no test", v.Name)
				}
			}
			outcomes, err := trial.Run(t.Context(), trial.Config{Project: p, Seams: 1, Cases: trial.Cases(p, func(string) bool { return true })})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range outcomes {
				if !o.Passed {
					t.Errorf("%s: %s: %s %+v", o.View, o.Test, o.Error, o.Differences)
				}
			}
		})
	}
}

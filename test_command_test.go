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
	t.Parallel()
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
	if out, status = d.caudal("test"); status != exitOK || !strings.Contains(out, "no view and no alert has a test") {
		t.Errorf("without tests: exit status %d: %s", status, out)
	}
}

const wrongAlert = `alert: dear
view: sales
by: [country]
when: "revenue > 5"
tests:
  - name: wrong
    given: [{at: "2026-01-01T10:00:00Z", invoice: A, country: France, amount: 6}]
    expect:
      - {kind: firing, labels: {country: France}, values: {revenue: 7}}
      - {kind: recovered, labels: {country: France}}
`

func TestAFailedTestOfAnAlertShowsWhatIsExpectedBesideWhatIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	write(t, filepath.Join(dir, "alerts", "dear.yaml"), wrongAlert)
	d := &devProcess{t: t, dir: dir}
	out, status := d.caudal("test")
	const want = `FAIL  alert dear: wrong
      alerts/dear.yaml:9: firing, country=France: values.revenue
        expected  7
        speed     "6.00"
        batch     "6.00"
      alerts/dear.yaml:10: recovered, country=France: nobody is told of this
        expected  {"kind":"recovered"}
0 passed, 1 failed`
	if status != exitFailed || !strings.Contains(out, want) {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	out, status = d.caudal("test", "--run", "alert dear: ", "-o", "json")
	var outcomes []trial.Outcome
	if err := json.Unmarshal([]byte(out), &outcomes); err != nil || status != exitFailed || len(outcomes) != 1 || outcomes[0].Alert != "dear" || outcomes[0].View != "sales" || len(outcomes[0].Differences) != 2 {
		t.Errorf("exit status %d, %v: %s", status, err, out)
	}
}

// Every view and every alert of every example has tests, and they pass.
func TestTheTestsOfTheExamplesPass(t *testing.T) {
	t.Parallel()
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
			for _, a := range p.Alerts {
				if len(a.Tests) == 0 {
					t.Errorf("alert %s has no test", a.Name)
				}
			}
			outcomes, err := trial.Run(t.Context(), trial.Config{Project: p, Seams: 1, Cases: trial.Cases(p, func(string) bool { return true })})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range outcomes {
				if !o.Passed {
					t.Errorf("%s: %s %+v", o.Name(), o.Error, o.Differences)
				}
			}
		})
	}
}

package check

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// metric finds names of ours in an expression.
var metric = regexp.MustCompile(`caudal[_:][a-z0-9_:]+`)

// known are the metrics that docs/operations/metrics.md lists; a test of the main module holds that page to what is exported.
func known(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(caudal_[a-z_]+)`").FindAllStringSubmatch(string(page), -1) {
		names = append(names, row[1])
		if strings.HasSuffix(row[1], "_seconds") {
			names = append(names, row[1]+"_bucket", row[1]+"_sum", row[1]+"_count")
		}
	}
	return names
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Annotations         map[string]string
		}
	}
}

func rules(t *testing.T) ruleFile {
	t.Helper()
	text, err := os.ReadFile("../prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file ruleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRulesDoWhatTheirCasesSay runs Prometheus' own rule tests.
func TestRulesDoWhatTheirCasesSay(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed: make services installs it")
	}
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"check", "config", "--syntax-only", "prometheus.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		run := exec.Command(promtool, args...)
		run.Dir = "../prometheus"
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}

func TestRulesAndDashboardsAskForMetricsThatExist(t *testing.T) {
	names := known(t)
	var expressions []string
	for _, g := range rules(t).Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
			if r.Record != "" {
				names = append(names, r.Record)
			}
		}
	}
	for title, expr := range panels(t) {
		if len(expr) == 0 {
			t.Errorf("panel %q asks nothing", title)
		}
		expressions = append(expressions, expr...)
	}
	found := 0
	for _, e := range expressions {
		for _, name := range metric.FindAllString(e, -1) {
			found++
			if !slices.Contains(names, name) {
				t.Errorf("%s is in no list of metrics: %s", name, e)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d names were found", found)
	}
}

// panels are the expressions of the dashboards, by the panel's title.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			UID    string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil || board.UID == "" {
			t.Fatalf("%s: uid %q, %v", path, board.UID, err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				all[p.Title] = append(all[p.Title], target.Expr)
			}
		}
	}
	return all
}

func TestEveryAlertHasARunBookAndACase(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			if want := "docs/operations/alerts.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
				t.Errorf("%s names the run-book %q, not %q", r.Alert, r.Annotations["runbook"], want)
			}
			if !strings.Contains(string(page), "\n## "+r.Alert+"\n") {
				t.Errorf("docs/operations/alerts.md has no chapter %s", r.Alert)
			}
		}
	}
}

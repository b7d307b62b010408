package check

import (
	"encoding/json"
	"fmt"
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

// promtool is where Prometheus' own tool is.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed: make services installs it")
	}
	return path
}

// TestRulesDoWhatTheirCasesSay runs Prometheus' own rule tests.
func TestRulesDoWhatTheirCasesSay(t *testing.T) {
	promtool := promtool(t)
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

// TestEveryAlertIsShownToFireAndNotTo holds the cases to the rules: each alert has an evaluation that expects it, and one that expects it not to be.
func TestEveryAlertIsShownToFireAndNotTo(t *testing.T) {
	text, err := os.ReadFile("../prometheus/rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string           `json:"alertname"`
				ExpAlerts []map[string]any `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, c := range cases.Tests {
		for _, e := range c.AlertRuleTest {
			if len(e.ExpAlerts) > 0 {
				fires[e.Alertname] = true
			} else {
				silent[e.Alertname] = true
			}
		}
	}
	for _, g := range rules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert != "" && (!fires[r.Alert] || !silent[r.Alert]) {
				t.Errorf("%s: a case where it fires: %v; where it does not: %v", r.Alert, fires[r.Alert], silent[r.Alert])
			}
		}
	}
}

// TestDashboardsLoadWithoutAChange parses every expression by Prometheus' own parser, as rules, and sees that what Grafana needs is there: the
// datasource that is provisioned, an id of its own for each panel, and a place that no other panel has.
func TestDashboardsLoadWithoutAChange(t *testing.T) {
	source, err := os.ReadFile("../grafana/provisioning/datasources/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../grafana/dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var expressions strings.Builder
	expressions.WriteString("groups:\n- name: panels\n  rules:\n")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				ID         int
				Title      string
				GridPos    struct{ X, Y, W, H int }
				Datasource struct{ Type, UID string }
				Targets    []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatal(err)
		}
		ids, places := map[int]bool{}, map[[2]int]string{}
		for _, p := range board.Panels {
			if ids[p.ID] || p.Datasource.Type != "prometheus" || !strings.Contains(string(source), "uid: "+p.Datasource.UID+",") {
				t.Errorf("%s: panel %q has id %d and asks %+v", path, p.Title, p.ID, p.Datasource)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, taken := places[[2]int{x, y}]; taken || x >= 24 {
						t.Fatalf("%s: %q stands where %q does, or outside", path, p.Title, other)
					}
					places[[2]int{x, y}] = p.Title
				}
			}
			for i, target := range p.Targets {
				rule, err := json.Marshal(map[string]string{"record": fmt.Sprintf("panel_%d_%d", p.ID, i), "expr": target.Expr})
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&expressions, "  - %s\n", rule)
			}
		}
	}
	promtool := promtool(t)
	file := filepath.Join(t.TempDir(), "panels.yaml")
	if err := os.WriteFile(file, []byte(expressions.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("a panel asks what cannot be parsed: %v: %s", err, out)
	}
}

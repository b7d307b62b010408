package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/speed"
)

// exposed is what a process says at /metrics: the values of each name, with their labels.
type exposed map[string][]exposedValue

type exposedValue struct {
	labels map[string]string
	value  float64
}

func readExposed(t *testing.T, text string) exposed {
	t.Helper()
	line, label := regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`), regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	all := exposed{}
	for l := range strings.Lines(text) {
		part := line.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
		if part == nil {
			continue
		}
		v := exposedValue{labels: map[string]string{}}
		for _, pair := range label.FindAllStringSubmatch(part[2], -1) {
			v.labels[pair[1]] = pair[2]
		}
		var err error
		if v.value, err = strconv.ParseFloat(part[3], 64); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		all[part[1]] = append(all[part[1]], v)
	}
	return all
}

// sum adds up the values of a name whose labels are as given in pairs.
func (e exposed) sum(name string, labels ...string) (total float64) {
values:
	for _, v := range e[name] {
		for i := 0; i < len(labels); i += 2 {
			if v.labels[labels[i]] != labels[i+1] {
				continue values
			}
		}
		total += v.value
	}
	return total
}

// missing are the expressions that ask for a name, or group by a label, which the process does not have.
func (e exposed) missing(expressions map[string]string, recorded []string) (wrong []string) {
	metric, grouped := regexp.MustCompile(`caudal[_:][a-z0-9_:]+`), regexp.MustCompile(`by \(([^)]*)\)`)
	for where, expr := range expressions {
		names := metric.FindAllString(expr, -1)
		for _, name := range names {
			if len(e[name]) == 0 && !slices.Contains(recorded, name) {
				wrong = append(wrong, where+": nobody exports "+name)
			}
		}
		if len(names) != 1 || len(e[names[0]]) == 0 {
			continue
		}
		for _, by := range grouped.FindAllStringSubmatch(expr, -1) {
			for _, label := range strings.Split(by[1], ",") {
				if _, ok := e[names[0]][0].labels[strings.TrimSpace(label)]; !ok {
					wrong = append(wrong, where+": "+names[0]+" has no label "+label)
				}
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// watched are the expressions of the rules and dashboards, by where they stand, and the names of those that are recorded.
func watched(t *testing.T) (expressions map[string]string, recorded []string) {
	t.Helper()
	expressions = map[string]string{}
	text, err := os.ReadFile("infra/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			expressions["rule "+r.Record+r.Alert] = r.Expr
			if r.Record != "" {
				recorded = append(recorded, r.Record)
			}
		}
	}
	paths, err := filepath.Glob("infra/grafana/dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("dashboards: %v, %v", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatal(err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				expressions[filepath.Base(path)+", "+p.Title+" "+target.RefID] = target.Expr
			}
		}
	}
	return expressions, recorded
}

// TestRulesAndDashboardsAskForWhatARunningProcessExports takes the names from /metrics of a process that has events, a dead letter, a query and a
// batch behind it, and not from a list.
func TestRulesAndDashboardsAskForWhatARunningProcessExports(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	r, err := findRunning(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	one := `[{"id":"9","invoice":"Z","at":"2026-01-01T09:00:00Z","country":"Spain","amount":1.0}]`
	if status, text := post(t, r.HTTP+"/v1/events/orders", one); status != 200 {
		t.Fatalf("status %d: %s", status, text)
	}
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	d.awaitQuery("time,lines,source,exactness\n2026-01-01T00:00:00Z,4,speed,exact\n", "--measures", "lines", "--grain", "1d")
	before := time.Now().Add(-time.Second).Unix() // the metric is in whole seconds
	d.must("batch", "run")
	get(t, r.HTTP+"/v1/views/sales/query?measures=lines&grain=1d")
	expressions, recorded := watched(t)
	if len(expressions) < 50 {
		t.Fatalf("only %d expressions were found", len(expressions))
	}
	var now exposed
	for deadline := time.Now().Add(patience); ; {
		now = readExposed(t, get(t, r.HTTP+"/metrics"))
		now["up"] = nil
		wrong := now.missing(expressions, recorded)
		if len(wrong) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d expressions are wrong:\n%s", len(wrong), strings.Join(wrong, "\n"))
		}
		time.Sleep(100 * time.Millisecond) // metrics are told on ticks of the process, which give no signal
	}
	for what, value := range map[string]float64{
		"events that were timed":    now.sum("caudal_speed_end_to_end_seconds_count", "source", "orders"),
		"bytes of Redis":            now.sum("caudal_speed_redis_bytes", "view", "sales"),
		"segments":                  now.sum("caudal_archive_lake_segments", "topic", "orders"),
		"bytes of segments":         now.sum("caudal_archive_lake_segment_bytes", "topic", "orders"),
		"the last batch":            now.sum("caudal_batch_last_run_timestamp_seconds") - float64(before),
		"the last batch that wrote": now.sum("caudal_batch_last_success_timestamp_seconds", "view", "sales"),
		"the time of the batch":     now.sum("caudal_batch_last_run_duration_seconds"),
		"requests of the route":     now.sum("caudal_serving_request_seconds_count", "status", "200"),
	} {
		if value <= 0 {
			t.Errorf("%s: %v", what, value)
		}
	}
	if n := now.sum("caudal_batch_events", "view", "sales"); n != 5 {
		t.Errorf("the batch says %v events, of which one is a duplicate", n)
	}
	if n := now.sum("caudal_batch_changed_answers", "cause", "unexplained") + now.sum("caudal_batch_failed") + now.sum("caudal_speed_lag_seconds"); n != 0 {
		t.Errorf("unexplained, failed and behind are %v", n)
	}
}

// TestTheAlarmsOfAWSWatchTheGroupsThatThereAre compares the consumer groups that CloudWatch is asked for with those that the roles join.
func TestTheAlarmsOfAWSWatchTheGroupsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("terraform/modules/alarms/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`"(caudal-[^"]*\$\{var\.project\}[^"]*)"`).FindAllStringSubmatch(string(text), -1)
	if len(named) != 2 {
		t.Fatalf("the alarms name the groups %v", named)
	}
	for _, n := range named {
		if group := strings.ReplaceAll(n[1], "${var.project}", "shop"); group != speed.Group("shop") && group != batch.ArchiveGroup("shop") {
			t.Errorf("no role joins the consumer group %s", group)
		}
	}
}

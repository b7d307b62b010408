package main

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestEveryMetricIsDocumented holds docs/operations/metrics.md to what the roles really export: each name with its labels, and no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(caudal_[a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = strings.TrimSpace(row[2])
	}
	exported := exportedMetrics(t)
	for name, labels := range exported {
		if have, ok := documented[name]; !ok || have != labels {
			t.Errorf("docs/operations/metrics.md says %q of %s, whose labels are %q", have, name, labels)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/operations/metrics.md speaks of %s, which nobody exports", name)
	}
}

// exportedMetrics returns the labels of each metric of a process that has all roles.
func exportedMetrics(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/caudal.yaml", shopProject)
	write(t, dir+"/views/sales.yaml", shopView)
	project, err := loadProject(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := embedServices(project, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	s, err := open(t.Context(), project, dir, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	project.Batch.Every = time.Hour
	p, err := s.assemble(roles{speed: true, archive: true, batch: true, serve: true, watch: true})
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() { p.registry.Describe(descriptions); close(descriptions) }()
	description := regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: \{([^}]*)\}`)
	exported := map[string]string{}
	for d := range descriptions {
		parts := description.FindStringSubmatch(d.String())
		labels := strings.Split(parts[2], ",")
		slices.Sort(labels)
		exported[parts[1]] = strings.Join(labels, ", ")
	}
	return exported
}

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// TestTheExportedDashboardAsksWhatSQLAnswers sends the statements of the dashboard's panels as Grafana does, with its macro filled in.
func TestTheExportedDashboardAsksWhatSQLAnswers(t *testing.T) {
	t.Parallel()
	psql, err := exec.LookPath("psql")
	if err != nil {
		testservices.Missing(t, "psql", testservices.ErrNotInstalled)
	}
	d := startDev(t)
	defer d.stop()
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	d.awaitQuery("time,lines,source,exactness\n2026-01-01T00:00:00Z,3,speed,exact\n", "--measures", "lines", "--grain", "1d")
	running, err := findRunning(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard grafanaDashboard
	if err := json.Unmarshal([]byte(d.must("export", "grafana")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range dashboard.Panels {
		sql := strings.Replace(p.Targets[0].RawSQL, `$__timeFilter("time")`, `"time" BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-02T00:00:00Z'`, 1)
		out, err := exec.Command(psql, running.SQL, "-XAtc", sql).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", sql, err, out)
		}
		got = append(got, p.Title+"\n"+string(out))
	}
	want := "sales: revenue\n2026-01-01 10:00:00+00|12.50\n2026-01-01 11:00:00+00|7.25\n" + "sales: lines\n2026-01-01 10:00:00+00|2\n2026-01-01 11:00:00+00|1\n"
	if strings.Join(got, "") != want {
		t.Errorf("the panels show\n%s\nwant\n%s", strings.Join(got, ""), want)
	}
}

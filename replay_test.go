package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/batch"
)

// changedProject is the project of d as somebody has it who changed its view and deployed nothing yet.
func (d *devProcess) changedProject(view string) *devProcess {
	d.t.Helper()
	r, err := findRunning(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	dir := d.t.TempDir()
	services := fmt.Sprintf("\nkafka: {brokers: [%q]}\nredis: {addrs: [%q]}\nlake: {url: %q}\n", strings.Join(r.Brokers, `", "`), r.Redis[0], filepath.Join(stateDir(d.dir), "lake"))
	write(d.t, filepath.Join(dir, "caudal.yaml"), shopProject+services)
	write(d.t, filepath.Join(dir, "views", "sales.yaml"), view)
	return &devProcess{t: d.t, dir: dir}
}

func TestAUserReplaysAViewSwitchesAndGoesBack(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	ask := []string{"--measures", "revenue,lines", "--grain", "1d"}
	const before, after = "19.75,3", "12.50,2"
	answer := func(numbers, source string) string {
		return "time,revenue,lines,source,exactness\n2026-01-01T00:00:00Z," + numbers + "," + source + ",exact\n"
	}
	d.awaitQuery(answer(before, "speed"), ask...)
	d.must("batch", "run")
	d.awaitQuery(answer(before, "batch"), ask...)

	c := d.changedProject(strings.ReplaceAll(shopView, "dimensions:", "where: country = 'France'\ndimensions:") + "  - {name: largest, agg: max, expr: amount}\n")
	if out := c.must("batch", "run"); !strings.Contains(out, "the project's file holds another definition: `caudal replay sales` rebuilds it") {
		t.Errorf("batch run: %s", out)
	}
	if out := c.must("replay", "sales"); !strings.Contains(out, "still answers from definition") || !strings.Contains(out, "-7.25") || !strings.Contains(out, "Spain") {
		t.Errorf("replay: %s", out)
	}
	d.awaitQuery(answer(before, "batch"), ask...)
	if _, status := d.caudal("query", "sales", "--measures", "largest"); status != exitUsage {
		t.Errorf("a measure of a definition that does not answer yet: exit status %d", status)
	}

	var done batch.Replayed
	if err := json.Unmarshal([]byte(c.must("replay", "sales", "--switch", "--grain", "1h", "-o", "json")), &done); err != nil {
		t.Fatal(err)
	}
	if !done.Switched || done.Difference.Changed == 0 || done.Difference.Grains[0] != "1h" {
		t.Fatalf("%+v", done)
	}
	d.awaitQuery(answer(after, "batch"), ask...)
	d.awaitQuery("time,largest,source,exactness\n2026-01-01T00:00:00Z,10.00,batch,exact\n", "--measures", "largest", "--grain", "1d")
	if out := c.must("replay", "sales", "--switch"); !strings.Contains(out, "there is nothing to rebuild") {
		t.Errorf("replay again: %s", out)
	}
	if out := d.must("batch", "list", "-o", "csv"); !strings.Contains(out, "sales,answering,") || !strings.Contains(out, "sales,previous,") {
		t.Errorf("batch list: %s", out)
	}

	if out := c.must("replay", "sales", "--undo", "-o", "csv"); !strings.Contains(out, "1d,Spain,revenue,,7.25,7.25") {
		t.Errorf("undo: %s", out)
	}
	d.awaitQuery(answer(before, "batch"), ask...)
	if out := c.must("replay", "sales", "--drop"); !strings.Contains(out, done.Definition) {
		t.Errorf("drop: %s", out)
	}
	if out, status := c.caudal("replay", "sales", "--undo"); status != exitFailed || !strings.Contains(out, "no definition to go back to") {
		t.Errorf("undo after the drop: exit status %d, %s", status, out)
	}
	for _, args := range [][]string{{"replay"}, {"replay", "sales", "--undo", "--switch"}, {"replay", "sales", "--drop", "--grain", "1d"}} {
		if out, status := c.caudal(args...); status != exitUsage {
			t.Errorf("caudal %s: exit status %d, %s", strings.Join(args, " "), status, out)
		}
	}
	d.stop()
}

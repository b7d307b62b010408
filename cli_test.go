package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const shopProject = `
project: shop
sources:
  orders:
    partitions: 2
    key: invoice
    event_time: {field: at, format: rfc3339}
    event_id: id
    fields:
      id: string
      invoice: string
      at: timestamp
      country: string
      amount: decimal(10,2)
`

const shopView = `
view: sales
source: orders
dimensions: [country]
grains: [1h, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
`

const shopOrders = `id,invoice,at,country,amount
1,A,2026-01-01T10:00:00Z,France,10.00
2,A,2026-01-01T10:00:01Z,France,2.50
3,B,2026-01-01T11:00:00Z,Spain,7.25
3,B,2026-01-01T11:00:00Z,Spain,7.25
`

// devProcess is a `caudal dev` that a test talks to as a person would.
type devProcess struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startDev(t *testing.T) *devProcess {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	write(t, filepath.Join(dir, "orders.csv"), shopOrders)
	return startDevIn(t, dir)
}

// startDevIn is a `caudal dev` of the project in dir.
func startDevIn(t *testing.T, dir string) *devProcess {
	t.Helper()
	d := &devProcess{t: t, dir: dir, cmd: caudal(t, "dev", dir, "--http", "127.0.0.1:0", "--sql", "127.0.0.1:0")}
	d.begin()
	d.awaitURL()
	return d
}

// begin starts the process, whose output is then read line by line.
func (d *devProcess) begin() {
	d.t.Helper()
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.out = bufio.NewScanner(stdout)
}

// awaitURL returns when dev has said where it runs.
func (d *devProcess) awaitURL() {
	d.t.Helper()
	for d.out.Scan() {
		if strings.Contains(d.out.Text(), " runs: http://") {
			return
		}
	}
	d.t.Fatal("dev ended without saying where it runs")
}

func (d *devProcess) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	for d.out.Scan() {
		// what is left is read before Wait, which closes the pipe
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("dev does not stop cleanly: %v", err)
	}
}

// caudal runs another command in the project and returns what it printed, and its exit status.
func (d *devProcess) caudal(args ...string) (stdout string, status int) {
	d.t.Helper()
	c := caudal(d.t, append(args, "--project", d.dir)...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	if err != nil {
		out.WriteString(log.String())
	}
	return out.String(), c.ProcessState.ExitCode()
}

// must is caudal for a command that has to succeed.
func (d *devProcess) must(args ...string) string {
	d.t.Helper()
	out, status := d.caudal(args...)
	if status != exitOK {
		d.t.Fatalf("caudal %s: exit status %d: %s", strings.Join(args, " "), status, out)
	}
	return out
}

// awaitQuery asks until the answer, as CSV, is the wanted one.
func (d *devProcess) awaitQuery(want string, args ...string) {
	d.t.Helper()
	got := ""
	for range 60 {
		if got = d.must(append(append([]string{"query", "sales"}, args...), "-o", "csv")...); got == want {
			return
		}
	}
	d.t.Fatalf("caudal query sales %s: got\n%s\nwant\n%s", strings.Join(args, " "), got, want)
}

func TestAUserProducesQueriesBatchesAndRollsBack(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	ask := []string{"--measures", "revenue,lines", "--dimensions", "country", "--grain", "1d", "--order", "country"}
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,speed,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,speed,exact\n", ask...)

	if out := d.must("batch", "run", "-o", "csv"); !strings.Contains(out, "sales,000001-") || !strings.Contains(out, ",4,1,0,0,") {
		t.Errorf("batch run: %s", out)
	}
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,batch,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,batch,exact\n", ask...)

	var lists []struct {
		View      string
		Snapshots []struct {
			ID      string
			Current bool
		}
	}
	if err := json.Unmarshal([]byte(d.must("batch", "list", "-o", "json")), &lists); err != nil {
		t.Fatal(err)
	}
	if len(lists) != 1 || len(lists[0].Snapshots) != 2 || !lists[0].Snapshots[1].Current {
		t.Fatalf("batch list: %+v", lists)
	}
	d.must("batch", "rollback", "sales", lists[0].Snapshots[0].ID)
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,speed,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,speed,exact\n", ask...)

	// What batch answered with the other snapshot, and the lake itself, by a field that is no dimension and from a time off the grain.
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,batch,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,batch,exact\n",
		append(ask, "--as-of", lists[0].Snapshots[1].ID)...)
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,lake,exact\n",
		append(ask, "--exact", "--from", "2025-12-31T00:00:01Z", "--where", "country like 'F%' and id != 'x'")...)

	if out := d.must("status", "-o", "json"); !strings.Contains(out, `"speed": 0`) {
		t.Errorf("status: %s", out)
	}
	if out := d.must("dead-letters", "list", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("dead-letters list: %s", out)
	}
	d.stop()
}

func TestPruneDeletesOldSnapshotsAndADryRunNothing(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	write(t, filepath.Join(d.dir, "caudal.yaml"), shopProject+"batch: {snapshots: 1, instant_rollbacks: 0}\n")
	d.awaitURL() // the definitions were saved
	d.must("batch", "run")
	d.must("batch", "run")
	type pruned struct {
		View      string
		Snapshots []string
	}
	prune := func(args ...string) []pruned {
		t.Helper()
		var all []pruned
		if err := json.Unmarshal([]byte(d.must(append([]string{"batch", "prune", "-o", "json"}, args...)...)), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for range 2 {
		if all := prune("sales", "--dry-run"); len(all) != 1 || all[0].View != "sales" || len(all[0].Snapshots) != 2 {
			t.Fatalf("it would prune %+v", all)
		}
	}
	if all := prune(); len(all[0].Snapshots) != 2 {
		t.Fatalf("pruned %+v", all)
	}
	if out := d.must("batch", "list", "-o", "csv"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "current") {
		t.Errorf("left are %s", out)
	}
	if out := d.must("batch", "prune"); !strings.HasPrefix(out, "VIEW") {
		t.Errorf("for people: %s", out)
	}
	d.awaitQuery("time,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,19.75,3,batch,exact\n", "--measures", "revenue,lines", "--grain", "1d")
	d.stop()
}

func TestMistakesInACallAreExitStatusTwoWithAMend(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	for _, call := range []struct {
		args []string
		want string
	}{
		{[]string{"query", "sales", "--dimensions", "cuntry"}, "country"},
		{[]string{"query", "sails"}, "sales"},
		{[]string{"query", "sales", "--grain", "1d", "--from", "2026-01-01T05:00:00Z"}, "2026-01-01T00:00:00Z"},
		{[]string{"query", "sales", "--as-of", "nothing"}, "batch list"},
		{[]string{"query", "sales", "--exact", "--where", "amont > 5"}, "amount"},
		{[]string{"produce", "order"}, "orders"},
		{[]string{"query"}, "accepts 1 arg"},
		{[]string{"status", "-o", "xml"}, "json"},
		{[]string{"run", "batch"}, "batch.every"},
		{[]string{"frobnicate"}, "unknown command"},
	} {
		if out, status := d.caudal(call.args...); status != exitUsage || !strings.Contains(out, call.want) {
			t.Errorf("caudal %s: exit status %d, %s", strings.Join(call.args, " "), status, out)
		}
	}
	d.stop()
}

func TestDevStartsAnewWhenADefinitionIsSaved(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	d.must("produce", "orders", filepath.Join(d.dir, "orders.csv"))
	write(t, filepath.Join(d.dir, "views", "sales.yaml"), strings.ReplaceAll(shopView, "agg: count", "agg: cuont"))
	write(t, filepath.Join(d.dir, "views", "sales.yaml"), shopView+"  - {name: largest, agg: max, expr: amount}\n")
	d.awaitURL()
	// The view is rebuilt beside the answers, which then come from the new definition.
	out, status := "", exitUsage
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if out, status = d.caudal("query", "sales", "--measures", "largest", "--grain", "1d", "-o", "csv"); status == exitOK && strings.Contains(out, "2026-01-01T00:00:00Z,10.00,") {
			d.stop()
			return
		}
	}
	t.Fatalf("exit status %d: %s", status, out)
}

func TestLintTellsEveryMistakeWithItsPlaceAndMend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), shopProject)
	write(t, filepath.Join(dir, "views", "sales.yaml"), strings.ReplaceAll(strings.ReplaceAll(shopView, "[country]", "[cuntry]"), "agg: count", "agg: cuont"))
	d := &devProcess{t: t, dir: dir}
	out, status := d.caudal("lint")
	for _, want := range []string{"views/sales.yaml:4:", `did you mean "country"?`, "views/sales.yaml:8:", `did you mean "count"?`} {
		if !strings.Contains(out, want) {
			t.Errorf("lint says %q, want %q in it", out, want)
		}
	}
	if status != exitFailed {
		t.Errorf("exit status %d", status)
	}
}

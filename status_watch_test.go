package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caudal/caudal/serving"
)

func TestAWatchedStatusWritesALineWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	defer d.stop()
	watch := caudal(t, "status", "--watch", "--project", d.dir)
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.Contains(lines.Text(), "sales: speed lag 0") {
		t.Fatalf("the first line is %q", lines.Text())
	}
	write(t, filepath.Join(d.dir, "more.csv"), shopOrders)
	d.must("produce", "orders", filepath.Join(d.dir, "more.csv"))
	for lines.Scan() && !strings.Contains(lines.Text(), "watermark 2026-01-01T") {
		if strings.Contains(lines.Text(), "\x1b") {
			t.Errorf("what is no terminal is drawn on: %q", lines.Text())
		}
	}
	if !strings.Contains(lines.Text(), "watermark 2026-01-01T") {
		t.Errorf("it ended with %q", lines.Text())
	}
	if err := watch.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		// what is left is read before Wait, which closes the pipe
	}
	if err := watch.Wait(); err != nil {
		t.Errorf("Ctrl-C ends it with %v", err)
	}
}

func TestATerminalIsDrawnOver(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a := &app{output: "table", stdout: out}
	lag := int64(7)
	for range 2 {
		s := serving.Status{Project: "shop", Views: []serving.ViewStatus{{View: "sales", Partitions: []serving.PartitionStatus{{Lag: serving.Lag{Speed: &lag}, Healthy: true}}}}}
		if err := a.redraw(s); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if screens := strings.Split(string(text), "\x1b[H\x1b[J"); len(screens) != 3 || screens[1] != screens[2] || !strings.Contains(screens[1], "sales") {
		t.Errorf("%q", text)
	}
}

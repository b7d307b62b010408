package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// peer is a system that people would use instead, driven by a script of benchmarks/peers.
type peer struct {
	name, title string
	script      string
	unable      []string // views that it has no aggregate for
	precision   precision
}

// able are the views of a piece of work that the peer can compute.
func (p *peer) able(work streamed) []string {
	return slices.DeleteFunc(slices.Clone(work.views), func(view string) bool { return slices.Contains(p.unable, view) })
}

// peerTools is where benchmarks/peers/install.sh put what the scripts need.
type peerTools struct {
	home, scripts    string
	streams, batches []peer
}

// peerLimit bounds one script.
const peerLimit = 20 * time.Minute

// findPeers says which systems there are to compare with.
func findPeers() (*peerTools, error) {
	root, err := testservices.Root()
	if err != nil {
		return nil, err
	}
	t := &peerTools{home: filepath.Join(root, ".services", "peers"), scripts: filepath.Join(root, "benchmarks", "peers")}
	if _, err := os.Stat(filepath.Join(t.home, "version")); err != nil { // written last
		return nil, fmt.Errorf("peers: %w: nothing in %s", testservices.ErrNotInstalled, t.home)
	}
	t.streams = []peer{
		{name: "flink", title: "Flink SQL", script: "flink.py", unable: []string{"spread"}, precision: exact}, // Flink 1.20 has no percentile
		{name: "spark", title: "Spark Structured Streaming", script: "spark.py", precision: approximate},
	}
	t.batches = []peer{
		{name: "duckdb", title: "DuckDB", script: "duck.py", precision: exact},
		{name: "polars", title: "polars", script: "frames.py", precision: exact},
	}
	return t, nil
}

// peerTask is what a script is asked to do, in JSON.
type peerTask struct {
	Brokers string   `json:"brokers"`
	Topic   string   `json:"topic"`
	Ends    []int64  `json:"ends"` // of the log, by partition
	Warm    []int64  `json:"warm"` // up to where it runs once before it is measured
	Files   []string `json:"files"`
	Views   []string `json:"views"`
	Dedup   bool     `json:"dedup"`
	Dir     string   `json:"dir"`  // for what it keeps
	Out     string   `json:"out"`  // a folder of CSV for each view: bucket in µs, dimension, count, sum, and the view's third measure
	Jars    string   `json:"jars"` // its connectors
}

// peerResult is what a script says in the last line that it prints.
type peerResult struct {
	Version    string  `json:"version"`
	Seconds    float64 `json:"seconds"`
	Guarantees string  `json:"guarantees"`
}

// run lets a script work.
func (t *peerTools) run(ctx context.Context, p peer, task peerTask) (result peerResult, err error) {
	for _, dir := range []string{task.Dir, task.Out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return result, err
		}
	}
	asked, err := json.Marshal(task)
	if err != nil {
		return result, err
	}
	ctx, cancel := context.WithTimeout(ctx, peerLimit)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(t.home, "python", "bin", "python"), filepath.Join(t.scripts, p.script), string(asked))
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return result, fmt.Errorf("%s: %w: %s", p.script, err, said.Bytes())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &result); err != nil {
		return result, fmt.Errorf("read what %s prints: %w: %s", p.script, err, out)
	}
	return result, nil
}

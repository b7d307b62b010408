// The benchmark of every path, of memory and of growth: each figure beside this machine's own limit for that work, in one run. And of what people would use instead, over the same events.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// row is one measured figure beside the limit that it is compared with and the aim that it should meet.
type row struct {
	Item  string  `json:"item,omitempty"` // letter of issue 8's list
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Limit string  `json:"limit,omitempty"` // the row that the ratio is to
	Ratio float64 `json:"ratio,omitempty"` // value / limit
	Aim   float64 `json:"aim,omitempty"`   // at least; for memory and latencies at most
	Met   bool    `json:"met"`             // true where there is no aim
}

// part measures some rows in a process of its own, so that its peak of memory is its own too.
type part struct {
	name    string
	measure func(ctx context.Context, events int) ([]row, error)
	full    bool // asked for by -full only: it takes minutes, or gigabytes
}

var parts = []part{{name: "limits", measure: limits}, {name: "flush", measure: flushPath}, {name: "speed", measure: speedPath}, {name: "archive", measure: archivePath},
	{name: "real", measure: realPaths}, {name: "batch", measure: batchPath}, {name: "batch-10m", measure: batchOf(10_000_000)}, {name: "batch-100m", measure: batchOf(100_000_000), full: true},
	{name: "lake", measure: lakePath}, {name: "training", measure: trainingSet}, {name: "serving", measure: servingPath},
	{name: "memory", measure: memoryOf(1_000, 100_000)}, {name: "memory-5m", measure: memoryOf(5_000_000), full: true}, {name: "rest", measure: restFor(time.Hour)}, {name: "rest-day", measure: restFor(24 * time.Hour), full: true},
	{name: "growth", measure: growth}, {name: "demo", measure: demoMemory}}

func main() {
	n := flag.Int("events", 1_000_000, "events to measure with")
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("part", "", "measure one part only and print it as JSON: "+partNames())
	full := flag.Bool("full", false, "measure what takes many minutes too: 100 million rows, 5 million cells, a day at rest")
	peers := flag.Bool("peers", false, "compare with what people would use instead, which benchmarks/peers/install.sh installs, and with nothing else")
	asked := flag.String("duty", "", "do what this JSON asks for over services that run, for another process of this binary")
	flag.Parse()
	work := func() error { return run(context.Background(), *n, *asJSON, *full, *only) }
	if *peers {
		work = func() error { return comparePeers(context.Background(), *n) }
	}
	if *asked != "" {
		work = func() error { return runDuty(context.Background(), *asked) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, asJSON, full bool, only string) error {
	if only != "" {
		return runPart(ctx, n, only)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the benchmark's binary: %w", err)
	}
	var rows []row
	for _, p := range parts {
		if p.full && !full {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s with %d events\n", p.name, n)
		c := exec.CommandContext(ctx, self, "-events", strconv.Itoa(n), "-part", p.name)
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		var more []row
		if err := json.Unmarshal(out, &more); err != nil {
			return fmt.Errorf("read the rows of %s: %w", p.name, err)
		}
		rows = append(rows, more...)
	}
	relate(rows)
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"rows": rows})
	}
	return printTable(rows)
}

// runPart measures one part in this process, and prints its rows as JSON.
func runPart(ctx context.Context, n int, name string) error {
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	if i < 0 {
		return fmt.Errorf("no part %q, but %s", name, partNames())
	}
	profiled, err := startProfile(name)
	if err != nil {
		return err
	}
	rows, err := parts[i].measure(ctx, n)
	err = errors.Join(err, profiled())
	if errors.Is(err, testservices.ErrNotInstalled) {
		fmt.Fprintf(os.Stderr, "%s is not measured: %v (make services installs it)\n", name, err)
		rows, err = []row{}, nil
	}
	if err != nil {
		return fmt.Errorf("measure %s: %w", name, err)
	}
	return json.NewEncoder(os.Stdout).Encode(rows)
}

// partNames lists the parts.
func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// relate fills in the ratios and whether the aims are met.
func relate(rows []row) {
	values := map[string]float64{}
	for _, r := range rows {
		values[r.Name] = r.Value
	}
	for i := range rows {
		r := &rows[i]
		if limit := values[r.Limit]; limit > 0 {
			r.Ratio = r.Value / limit
		}
		switch {
		case r.Aim == 0:
			r.Met = true
		case r.Unit == mebibytes || r.Unit == milliseconds:
			r.Met = r.Value <= r.Aim
		default:
			r.Met = r.Value >= r.Aim
		}
	}
}

func printTable(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tfigure\tvalue\tunit\tof its limit\taim\tmet\t")
	for _, r := range rows {
		ratio, aim, met := "", "", ""
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f of %s", r.Ratio, r.Limit)
		}
		if r.Aim > 0 {
			aim, met = fmt.Sprintf("%.0f", r.Aim), map[bool]string{true: "yes", false: "no"}[r.Met]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Item, r.Name, figure(&r), r.Unit, ratio, aim, met)
	}
	return w.Flush()
}

// figure is a row's value as the table shows it: with the digits that tell small ones apart.
func figure(r *row) string {
	if r.Value < 10 || r.Unit == milliseconds || r.Unit == times {
		return fmt.Sprintf("%.2f", r.Value)
	}
	return fmt.Sprintf("%.0f", r.Value)
}

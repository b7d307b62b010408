package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// labelled are the windows of a series that people have called out of the ordinary, µs.
type labelled map[string][][2]int64

func readLabels(t *testing.T) labelled {
	t.Helper()
	text, err := os.ReadFile("examples/anomalies/labels.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string][][2]string
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	out := labelled{}
	for series, windows := range raw {
		for _, w := range windows {
			var ends [2]int64
			for i := range ends {
				at, err := time.Parse("2006-01-02 15:04:05.000000", w[i])
				if err != nil {
					t.Fatal(err)
				}
				ends[i] = at.UnixMicro()
			}
			out[series] = append(out[series], ends)
		}
	}
	return out
}

// score is how the causes of a rule lie to the labelled windows.
type score struct {
	alerts, right  int
	windows, found int
}

// line is a score as the README has it.
func (s score) line(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %.1f %% | %d | %d | %.1f %% |", name, s.alerts, s.right, 100*float64(s.right)/float64(s.alerts), s.windows, s.found, 100*float64(s.found)/float64(s.windows))
}

// meets says whether a cause has an hour in a window.
func meets(a *view.Alert, c alert.Cause, w [2]int64) bool {
	return c.Bucket <= w[1] && a.Window.End(c.Last, a.View.Location) > w[0]
}

// judge runs a rule over the rows of the whole year.
func judge(ctx context.Context, server *serving.Server, a *view.Alert) ([]alert.Cause, error) {
	result, err := server.Query(ctx, serving.Query{View: a.View.Name, Dimensions: a.By, Measures: a.Measures(), Grain: a.Window.Name, Where: a.Where, Limit: 1_000_000})
	if err != nil {
		return nil, err
	}
	all := alert.Range{From: math.MinInt64, To: math.MaxInt64}
	o := alert.Observation{Range: all, Watermark: math.MaxInt64 - 1, Now: time.Unix(0, 0)}
	for _, row := range result.Rows {
		o.Rows = append(o.Rows, alert.Row{Bucket: row[0].Int64(), Key: row[1 : 1+len(a.By)], Measures: slices.Clone(row[1+len(a.By):])})
	}
	for range alert.Past(a, all) {
		o.Past = append(o.Past, o.Rows)
	}
	state, _ := alert.Evaluate(a, alert.State{}, o)
	if state.Lost > 0 {
		return nil, fmt.Errorf("%d causes were lost", state.Lost)
	}
	return slices.DeleteFunc(state.Causes, func(c alert.Cause) bool { return c.Fired.IsZero() }), nil
}

// seriesOf is the series that a cause is of.
func seriesOf(c alert.Cause) string {
	series, ok := c.Labels.Get("series")
	if !ok || series == nil {
		panic("an alert of this example that is not by series")
	}
	return *series
}

// The precision and recall of the example's rules against what people have labelled are what its README says. An alert is right where one of its hours
// lies in a labelled window of its series; a window is found where an alert is right about it.
func TestTheAnomaliesAreFoundAsOftenAsTheReadmeSays(t *testing.T) {
	t.Parallel()
	labels := readLabels(t)
	replayExample(t, "anomalies", "series.csv.gz", 85225, func(ctx context.Context, w *whole, server *serving.Server) error {
		total := score{}
		foundAny := map[string]bool{}
		var lines []string
		for _, a := range w.project.Alerts {
			causes, err := judge(ctx, server, a)
			if err != nil {
				return err
			}
			s, found := score{alerts: len(causes)}, map[string]bool{}
			for _, c := range causes {
				right := false
				for i, window := range labels[seriesOf(c)] {
					if meets(a, c, window) {
						right = true
						found[fmt.Sprint(seriesOf(c), i)], foundAny[fmt.Sprint(seriesOf(c), i)] = true, true
					}
				}
				if right {
					s.right++
				}
			}
			for series, windows := range labels {
				if a.Where == "" || series == "machine_temperature_system_failure" {
					s.windows += len(windows)
				}
			}
			s.found = len(found)
			lines = append(lines, s.line("`"+a.Name+"`"))
			total.alerts, total.right = total.alerts+s.alerts, total.right+s.right
		}
		for _, windows := range labels {
			total.windows += len(windows)
		}
		total.found = len(foundAny)
		heldTo(t, "examples/anomalies/README.md", append(lines, total.line("all of them")))
		return nil
	})
}

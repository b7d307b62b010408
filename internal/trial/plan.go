package trial

import (
	"encoding/json"
	"fmt"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// seams is how many of the places between two events of a test the batch is put to, at most; those at both ends come on top.
const seams = 3

// trial is a test that is being run.
type trial struct {
	Case
	paths []*path // the first has its seam behind the last event
	speed reading // of the first path, before the batch
	batch reading // of the first path, after it
}

// path is one way of a test's events through the layers: those before the seam arrive before the batch, the others after it.
type path struct {
	view   *view.View // the test's, over a topic of its own
	given  []view.GivenEvent
	seam   int
	sent   map[int]int64 // records so far, by partition
	merged reading       // after the last event, where the seam lies before it
}

// reading is what was answered at one moment.
type reading struct {
	result *serving.Result
	rows   []map[string]json.RawMessage
	seam   int              // events that had come before the batch
	counts map[string]int64 // of view.CountNames; of the first path only
	err    error
}

// plan lays out the paths of the tests.
func plan(cases []Case) []*trial {
	var trials []*trial
	for i, c := range cases {
		t := &trial{Case: c}
		for k, seam := range places(len(c.Test.Given)) {
			name := fmt.Sprintf("t%d_%d", i+1, k)
			source := *c.View.Source
			source.Name, source.Topic, source.Partitions = name, name, c.Test.Partitions
			t.paths = append(t.paths, &path{view: c.View.Over(name, &source), given: c.Test.Given, seam: seam, sent: map[int]int64{}})
		}
		trials = append(trials, t)
	}
	return trials
}

// places are the seams of a test of n events: the end first, then inner ones, spread evenly.
func places(n int) []int {
	all := []int{n}
	for k := 1; k <= seams; k++ {
		at := k * n / (seams + 1)
		if n <= seams+1 {
			at = k
		}
		if at > 0 && at < n && at != all[len(all)-1] {
			all = append(all, at)
		}
	}
	return all
}

// eachPath calls f for every path of the trials, until one fails.
func eachPath(trials []*trial, f func(*path) error) error {
	for _, t := range trials {
		for _, p := range t.paths {
			if err := f(p); err != nil {
				return fmt.Errorf("%s:%d: %w", t.Test.File, t.Test.Line, err)
			}
		}
	}
	return nil
}

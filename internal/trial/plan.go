package trial

import (
	"encoding/json"
	"fmt"

	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

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
	watch  *watched      // of an alert; else nil
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
func plan(cases []Case, seams int) []*trial {
	var trials []*trial
	for i, c := range cases {
		t := &trial{Case: c}
		scene := c.scene()
		for k, seam := range places(len(scene.Given), seams) {
			name := fmt.Sprintf("t%d_%d", i+1, k)
			source := *c.View.Source
			source.Name, source.Topic, source.Partitions = name, name, scene.Partitions
			w := &path{view: c.View.Over(name, &source), given: scene.Given, seam: seam, sent: map[int]int64{}}
			if c.Alert != nil {
				w.watch = &watched{alert: c.Alert.Over(w.view)}
			}
			t.paths = append(t.paths, w)
		}
		trials = append(trials, t)
	}
	return trials
}

// places are the seams of a test of n events: the end first, then so many inner ones, spread evenly, or as many as there are.
func places(n, seams int) []int {
	all := []int{n}
	seams = min(seams, n-1)
	for k := 1; k <= seams; k++ {
		all = append(all, k*n/(seams+1))
	}
	return all
}

// eachPath calls f for every path of the trials, until one fails.
func eachPath(trials []*trial, f func(*path) error) error {
	for _, t := range trials {
		for _, p := range t.paths {
			if err := f(p); err != nil {
				return fmt.Errorf("%s:%d: %w", t.scene().File, t.scene().Line, err)
			}
		}
	}
	return nil
}

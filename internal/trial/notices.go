package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
)

// told compares what was told with what the test of an alert expects, and the ways through the layers with each other.
func (t *trial) told() Outcome {
	o := Outcome{View: t.View.Name, Alert: t.Alert.Name, Test: t.Notice.Name, File: t.Notice.File, Line: t.Notice.Line, Paths: len(t.paths) + 1, Differences: []Difference{}}
	c := notices{trial: t, out: &o}
	for i, w := range t.paths {
		if w.watch.err != nil {
			o.Error = w.watch.err.Error()
			return o
		}
		if i == 0 {
			c.add(w.watch.told[:w.watch.speed], "")
		}
		c.add(w.watch.told, fmt.Sprintf("merged at a seam after event %d", w.seam))
	}
	for i := range t.Notice.Expect {
		c.expected(i)
	}
	c.others()
	o.Passed = len(o.Differences) == 0
	return o
}

// notices compares what was told on several ways: first of the speed layer alone, then once batch had everything, then of the merge at each seam.
type notices struct {
	*trial
	out  *Outcome
	ways []way
}

// way is one of them.
type way struct {
	told  []alert.Notice
	match []int // by expectation: the notice that it is of; -1: there is none
	note  string
}

func (c *notices) add(told []alert.Notice, note string) {
	w := way{told: told, match: make([]int, len(c.Notice.Expect)), note: note}
	free := make([]bool, len(told))
	for i := range free {
		free[i] = true
	}
	// Those that are wholly what is expected first; then those of the same kind and labels.
	for round := range 2 {
		for i := range c.Notice.Expect {
			if round == 0 {
				w.match[i] = -1
			}
			e := &c.Notice.Expect[i]
			for k := range told {
				if w.match[i] < 0 && free[k] && c.same(e, &told[k], round == 0) {
					w.match[i], free[k] = k, false
				}
			}
		}
	}
	c.ways = append(c.ways, w)
}

// same says whether a notice is of the kind and the labels that are expected; where all is asked, whether it is what is expected.
func (c *notices) same(e *view.ExpectedNotice, n *alert.Notice, all bool) bool {
	if string(n.Kind) != e.Kind {
		return false
	}
	for _, l := range e.Labels {
		of := column{kind: c.View.Dimensions[c.View.Dimension(l.Name)].Type.Kind, zone: c.View.Location}
		if value, _ := n.Labels.Get(l.Name); !of.same(of.json(value), l.Value) {
			return false
		}
	}
	return !all || !slices.ContainsFunc(e.Columns, func(x view.ExpectedColumn) bool {
		of, got := c.column(n, x.Name)
		return !of.same(got, x.Value)
	})
}

// column is one column of a notice, as a test names it, and its value.
func (c *notices) column(n *alert.Notice, name string) (column, json.RawMessage) {
	times := map[string]string{"bucket": n.Bucket, "last": n.Last, "since": n.Since, "until": n.Until, "at": n.At}
	of := column{name: name, kind: view.Timestamp, zone: c.View.Location}
	text := times[name]
	switch {
	case name == "late":
		of.kind, text = view.Bool, fmt.Sprint(n.Late)
	case name == "reason":
		of.kind, text = view.String, n.Reason
	case strings.HasPrefix(name, view.ValuePrefix):
		measure := strings.TrimPrefix(name, view.ValuePrefix)
		of.kind = c.View.Measures[c.View.Measure(measure)].Type.Kind
		value, _ := n.Values.Get(measure)
		return of, of.json(value)
	case text == "":
		return of, of.json(nil)
	}
	return of, of.json(&text)
}

// columns are the names of all columns of a notice.
func (c *notices) columns() []string {
	names := append(view.NoticeTimes(), "late", "reason")
	for _, m := range c.Alert.Measures() {
		names = append(names, view.ValuePrefix+m)
	}
	return names
}

// expected compares one expected notice with what was told on each way. What the test says nothing of has to be the same on all ways.
func (c *notices) expected(i int) {
	e := &c.Notice.Expect[i]
	row := nameOf(e.Kind, e.Labels)
	found := func(w *way) *alert.Notice {
		if w.match[i] < 0 {
			return nil
		}
		return &w.told[w.match[i]]
	}
	for k := range c.ways {
		if found(&c.ways[k]) == nil {
			c.differ(Difference{Line: e.Line, Row: row, Expected: written(e), Note: "nobody is told of this"}, k, func(w *way) string { return textOf(found(w)) })
			return
		}
	}
	for _, name := range c.columns() {
		of, reference := c.column(found(&c.ways[0]), name)
		d := Difference{Line: e.Line, Row: row, Column: name}
		if k := slices.IndexFunc(e.Columns, func(x view.ExpectedColumn) bool { return x.Name == name }); k >= 0 {
			reference = e.Columns[k].Value
			d.Expected = string(reference)
		}
		value := func(w *way) json.RawMessage {
			_, v := c.column(found(w), name)
			return v
		}
		if k := slices.IndexFunc(c.ways, func(w way) bool { return !of.same(value(&w), reference) }); k >= 0 {
			c.differ(d, k, func(w *way) string { return string(value(w)) })
		}
	}
}

// others reports what was told and nobody expects, each once.
func (c *notices) others() {
	var seen []string
	for k := range c.ways {
		w := &c.ways[k]
		for i := range w.told {
			text := textOf(&w.told[i])
			if slices.Contains(w.match, i) || slices.Contains(seen, text) {
				continue
			}
			seen = append(seen, text)
			var labels []view.ExpectedColumn
			for _, l := range w.told[i].Labels {
				of := column{kind: c.View.Dimensions[c.View.Dimension(l.Name)].Type.Kind}
				labels = append(labels, view.ExpectedColumn{Name: l.Name, Value: of.json(l.Value)})
			}
			line := c.Notice.ExpectLine
			c.differ(Difference{Line: line, Row: nameOf(string(w.told[i].Kind), labels), Note: "nobody expects this"}, k, func(o *way) string {
				if slices.ContainsFunc(o.told, func(n alert.Notice) bool { return textOf(&n) == text }) {
					return text
				}
				return ""
			})
		}
	}
}

// differ notes a difference with what each way says. Of those that are merged, the one of the difference, or the first.
func (c *notices) differ(d Difference, at int, says func(*way) string) {
	d.File, d.Speed, d.Batch = c.Notice.File, says(&c.ways[0]), says(&c.ways[1])
	if merged := max(at, 2); merged < len(c.ways) {
		d.Merged = says(&c.ways[merged])
		if at >= 2 && d.Note == "" {
			d.Note = c.ways[at].note
		}
	}
	c.out.Differences = append(c.out.Differences, d)
}

// nameOf tells a notice from others: "firing, station=Dongsi".
func nameOf(kind string, labels []view.ExpectedColumn) string {
	parts := []string{kind}
	for _, l := range labels {
		text := string(l.Value)
		if s, ok := decode(l.Value).(string); ok {
			text = s
		}
		parts = append(parts, l.Name+"="+text)
	}
	return strings.Join(parts, ", ")
}

// written is what a test says of a notice.
func written(e *view.ExpectedNotice) string {
	parts := []string{`"kind":` + fmt.Sprintf("%q", e.Kind)}
	for _, x := range e.Columns {
		parts = append(parts, fmt.Sprintf("%q:%s", x.Name, x.Value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// textOf is a notice as people compare it; "" where there is none.
func textOf(n *alert.Notice) string {
	if n == nil {
		return ""
	}
	text, err := json.Marshal(struct {
		Kind   alert.Phase  `json:"kind"`
		Bucket string       `json:"bucket"`
		Last   string       `json:"last"`
		Since  string       `json:"since"`
		Until  string       `json:"until,omitempty"`
		At     string       `json:"at"`
		Values alert.Labels `json:"values,omitempty"`
		Late   bool         `json:"late,omitempty"`
		Reason string       `json:"reason,omitempty"`
	}{n.Kind, n.Bucket, n.Last, n.Since, n.Until, n.At, n.Values, n.Late, n.Reason})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

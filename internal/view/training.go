package view

import "time"

// Training is the definition of a training set: one row for each label, with what could be known of its entities at the row's time.
type Training struct {
	Name        string
	Description string
	Labels      Labels
	Keys        []TrainingKey
	Features    []Feature
	Hash        string // SHA-256, hex, of everything that decides what a row holds
	Canonical   []byte // the JSON that was hashed
}

// Labels says which events make a row, when, and what is carried along of them.
type Labels struct {
	Source *Source
	Where  []string // SQL over the source's columns, all of which have to hold
	// Time is an expression over the source's columns, of type timestamp; "" = the event's time. The row is then known at that time, and else
	// when its record arrived.
	Time    string
	Columns []TrainingColumn
}

// TrainingColumn is a column of a training set that is read off the label's event.
type TrainingColumn struct {
	Name string
	Expr string
	Type Type
}

// TrainingKey names an entity whose history features look at: an expression over the label's event.
type TrainingKey = TrainingColumn

// Feature is an aggregate over the events of an entity in a window that ends before the row's time.
type Feature struct {
	Name   string
	Key    int     // of Training.Keys: whose events
	Source *Source // of the events
	By     string  // SQL over Source's columns: the entity that an event is of; of the key's type
	Where  []string
	// Measure is what is taken of them: Agg, Expr, Input, Type and P. Its filter is among Where.
	Measure Measure
	Window  time.Duration // the length of the window, whole microseconds
	Delay   time.Duration // how long before the row's time it ends: the window is [time-Delay-Window, time-Delay)
}

type canonicalTraining struct {
	Algebra  int                       `json:"algebra"`
	Labels   canonicalLabels           `json:"labels"`
	Keys     []canonicalTrainingColumn `json:"keys"`
	Features []canonicalFeature        `json:"features"`
}

type canonicalLabels struct {
	Source  string                    `json:"source"` // name
	Where   []string                  `json:"where"`
	Time    string                    `json:"time"`
	Columns []canonicalTrainingColumn `json:"columns"`
}

type canonicalTrainingColumn struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
	Type Type   `json:"type"`
}

type canonicalFeature struct {
	Name     string   `json:"name"`
	Key      string   `json:"key"`
	Source   string   `json:"source"` // name
	By       string   `json:"by"`
	Where    []string `json:"where"`
	Agg      Agg      `json:"agg"`
	Expr     string   `json:"expr"`
	Input    string   `json:"input"`
	Type     Type     `json:"type"`
	P        float64  `json:"p"`
	WindowUS int64    `json:"window_us"`
	DelayUS  int64    `json:"delay_us"`
}

// seal fills in Canonical and Hash. Sources are named and not written out: a set's manifest pins the definition of each beside its version.
func (t *Training) seal() {
	c := canonicalTraining{
		Algebra: AlgebraVersion,
		Labels:  canonicalLabels{Source: t.Labels.Source.Name, Where: append([]string{}, t.Labels.Where...), Time: t.Labels.Time},
	}
	for _, col := range t.Labels.Columns {
		c.Labels.Columns = append(c.Labels.Columns, canonicalTrainingColumn(col))
	}
	for _, k := range t.Keys {
		c.Keys = append(c.Keys, canonicalTrainingColumn(k))
	}
	for i := range t.Features {
		f := &t.Features[i]
		input := ""
		if f.Measure.Input.Kind != Invalid {
			input = f.Measure.Input.String()
		}
		c.Features = append(c.Features, canonicalFeature{
			Name: f.Name, Key: t.Keys[f.Key].Name, Source: f.Source.Name, By: f.By, Where: append([]string{}, f.Where...),
			Agg: f.Measure.Agg, Expr: f.Measure.Expr, Input: input, Type: f.Measure.Type, P: f.Measure.P,
			WindowUS: f.Window.Microseconds(), DelayUS: f.Delay.Microseconds(),
		})
	}
	t.Canonical = canonicalJSON(c)
	t.Hash = hashOf(t.Canonical)
}

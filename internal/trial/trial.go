// Package trial runs the inline tests of views and alerts through the layers as they are: each test's events go to topics of an embedded broker, the
// speed layer and the archive read them there, a batch computes them, and the serving layer is asked, or an alert judged by what it answers.
//
// Every test has topics of its own, so that all tests of a project go through one set of layers and one batch together. On the first topic
// all events arrive before the batch: what is answered before it comes from the speed layer alone, and what is answered after it from batch
// alone. On the others the batch comes after a part of the events, so that the answer is merged at a seam that lies between them.
package trial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/caudal/caudal/internal/view"
)

// Case is an inline test of a view, or of an alert.
type Case struct {
	View   *view.View
	Test   *view.Test // of the view; nil where it is the alert's
	Alert  *view.Alert
	Notice *view.AlertTest // of the alert
}

// Cases are the inline tests of a project whose name the filter lets pass: those of the views and then those of the alerts, in the order of the files.
func Cases(p *view.Project, pass func(name string) bool) []Case {
	var cases []Case
	add := func(c Case) {
		if pass(c.Name()) {
			cases = append(cases, c)
		}
	}
	for _, v := range p.Views {
		for i := range v.Tests {
			add(Case{View: v, Test: &v.Tests[i]})
		}
	}
	for _, a := range p.Alerts {
		for i := range a.Tests {
			add(Case{View: a.View, Alert: a, Notice: &a.Tests[i]})
		}
	}
	return cases
}

// Name is how people speak of the test: "view: test", or "alert name: test".
func (c Case) Name() string { return c.Of() + ": " + c.scene().Name }

// Of is what is tested: a view's name, or "alert name".
func (c Case) Of() string {
	if c.Alert != nil {
		return "alert " + c.Alert.Name
	}
	return c.View.Name
}

// scene is what happens.
func (c Case) scene() *view.Scene {
	if c.Alert != nil {
		return &c.Notice.Scene
	}
	return &c.Test.Scene
}

// Outcome is how a test came out.
type Outcome struct {
	View        string       `json:"view"`
	Alert       string       `json:"alert,omitempty"` // whose test it is; absent: the view's
	Test        string       `json:"test"`
	File        string       `json:"file"`
	Line        int          `json:"line"`
	Passed      bool         `json:"passed"`
	Paths       int          `json:"paths"`           // ways through the layers whose answers were compared
	Error       string       `json:"error,omitempty"` // why there is no answer
	Differences []Difference `json:"differences"`
}

// Name is how people speak of the test, as Case.Name.
func (o *Outcome) Name() string {
	if o.Alert != "" {
		return "alert " + o.Alert + ": " + o.Test
	}
	return o.View + ": " + o.Test
}

// Difference is one value that is not what the test expects, or that the layers do not agree on. The values are JSON; "" where there is none.
type Difference struct {
	File     string `json:"file"`
	Line     int    `json:"line"`             // of the expectation
	Row      string `json:"row,omitempty"`    // what tells it from the others; "" where there is one
	Column   string `json:"column,omitempty"` // "": the row as a whole
	Expected string `json:"expected"`         // "": nothing was said of it
	Speed    string `json:"speed"`
	Merged   string `json:"merged"`
	Batch    string `json:"batch"`
	Note     string `json:"note,omitempty"`
}

// Config says what tests are run with.
type Config struct {
	Project *view.Project
	Cases   []Case
	Seams   int           // places between two events of a test that a batch is put to, beside those before and behind them all
	Logger  *slog.Logger  // of the layers; default: silent
	Within  time.Duration // for all of it; default 2 min
}

// Run runs the tests and says of each how it came out, in their order. The error is that the layers could not be run.
func Run(ctx context.Context, cfg Config) (out []Outcome, err error) {
	if len(cfg.Cases) == 0 {
		return nil, nil
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Within == 0 {
		cfg.Within = 2 * time.Minute
	}
	dir, err := os.MkdirTemp("", "caudal-test-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the tests: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Within, fmt.Errorf("the layers did not get through the tests within %v: run fewer of them at once", cfg.Within))
	defer cancel()
	trials := plan(cfg.Cases, cfg.Seams)
	l, err := start(ctx, cfg, trials, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	if err := l.carryOut(ctx, trials); err != nil {
		return nil, err
	}
	for _, t := range trials {
		if t.Alert != nil {
			out = append(out, t.told())
		} else {
			out = append(out, t.outcome())
		}
	}
	return out, nil
}

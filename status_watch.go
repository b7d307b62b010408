package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/caudal/caudal/serving"
)

// watchEvery is the time between two looks at the status.
const watchEvery = 2 * time.Second

// fetchStatus asks how far the layers are; text is the answer as it came.
func (a *app) fetchStatus(ctx context.Context) (s serving.Status, text []byte, err error) {
	if text, err = a.call(ctx, http.MethodGet, "/v1/status", ""); err != nil {
		return s, nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, nil, fmt.Errorf("read the status: %w", err)
	}
	return s, text, nil
}

// watchStatus shows the status again and again until ctx ends: drawn over itself on a terminal, a line for each view that changed elsewhere,
// and with -o json an object a line. Services that are away for a while end it only if they are at its start.
func (a *app) watchStatus(ctx context.Context) error {
	if a.output == "csv" {
		return usageError{errors.New("--watch writes a table or, with -o json, a line of JSON for each look")}
	}
	show := a.showChanges()
	switch {
	case a.output == "json":
		show = func(s serving.Status) error { return json.NewEncoder(a.stdout).Encode(s) }
	case isatty.IsTerminal(a.stdout.Fd()):
		show = a.redraw
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failure := ""
	for seen := false; ; {
		s, _, err := a.fetchStatus(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !seen:
			return err
		case err != nil && err.Error() != failure:
			failure = err.Error()
			fmt.Fprintf(a.stderr, "%v; looking again\n", err)
		case err == nil:
			seen, failure = true, ""
			if err := show(s); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// redraw puts the status in the place of everything that the terminal shows.
func (a *app) redraw(s serving.Status) error {
	fmt.Fprintf(a.stdout, "\x1b[H\x1b[J%s at %s, every %v; Ctrl-C ends it\n\n", s.Project, s.Time, watchEvery)
	return a.printStatus(s)
}

// showChanges writes a line for each view of which something changed since the line before.
func (a *app) showChanges() func(serving.Status) error {
	shown := map[string]string{}
	return func(s serving.Status) error {
		for _, v := range s.Views {
			if line := statusLine(v); line != shown[v.View] {
				shown[v.View] = line
				if _, err := fmt.Fprintf(a.stdout, "%s %s\n", s.Time, line); err != nil {
					return fmt.Errorf("write the status: %w", err)
				}
			}
		}
		return nil
	}
}

// statusLine is a view's status in a line.
func statusLine(v serving.ViewStatus) string {
	state := "ok"
	var wrong []string
	for _, p := range v.Partitions {
		if !p.Healthy {
			wrong = append(wrong, fmt.Sprintf("partition %d: %s", p.Partition, p.Reason))
		}
	}
	switch {
	case v.Error != "":
		state = v.Error
	case len(wrong) > 0:
		state = strings.Join(wrong, "; ")
	}
	return fmt.Sprintf("%s: speed lag %s, archive lag %s, watermark %s, snapshot %s, %s", v.View, number(v.Lag.Speed), number(v.Lag.Archive), v.Watermark, v.Snapshot, state)
}

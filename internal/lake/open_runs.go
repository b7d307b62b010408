package lake

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// OpenRuns returns the cuts of the runs of a view that may still publish, by run: those whose cut was noted after since, by the store's
// clock, and that have published no snapshot. A run that is older has been given up.
func (l *Lake) OpenRuns(ctx context.Context, view, definition string, since time.Time) (map[string]RunCut, error) {
	_, tag, err := l.Current(ctx, view, definition)
	if err != nil {
		return nil, err
	}
	published := map[string]bool{}
	for _, p := range tag.current.History {
		_, run, _ := strings.Cut(p.Snapshot, "-") // see snapshotID
		published[run] = true
	}
	open := map[string]RunCut{}
	folder := viewFolder(view, definition) + "/"
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("runs of %s: %w", view, err)
		}
		run, isCut := strings.CutSuffix(strings.TrimPrefix(object.Key, folder), "/"+cutName)
		if !isCut || published[run] || !object.Modified.After(since) {
			continue
		}
		if open[run], err = l.RunCut(ctx, view, definition, run); err != nil {
			return nil, err
		}
	}
	return open, nil
}

package lake

import (
	"context"
	"errors"
	"fmt"
)

// RunCut is where a run ends: V in the life of the topic that was the newest when it began, and in those before.
type RunCut struct {
	Topic   Topic       `json:"topic"`
	Cuts    map[int]Cut `json:"cuts"`
	Earlier []Past      `json:"earlier,omitempty"`
}

// PutRunCut fixes the cut of a run, so that a run that is started again uses the same V: the one that was put first is returned.
func (l *Lake) PutRunCut(ctx context.Context, view, definition, run string, cut RunCut) (RunCut, error) {
	key := l.RunKey(view, definition, run, cutName)
	_, err := l.store.Create(ctx, key, encode(cut))
	if err == nil {
		return cut, nil
	}
	if !errors.Is(err, ErrExists) {
		return RunCut{}, fmt.Errorf("put cut of run %s: %w", run, err)
	}
	return l.RunCut(ctx, view, definition, run)
}

// RunCut returns the cut of a run. ErrNotFound if it has made none.
func (l *Lake) RunCut(ctx context.Context, view, definition, run string) (RunCut, error) {
	key := l.RunKey(view, definition, run, cutName)
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return RunCut{}, fmt.Errorf("cut of run %s: %w", run, err)
	}
	var cut RunCut
	err = decode(key, data, &cut)
	return cut, err
}

package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving/watch"
)

// watched is an alert over one path, which is looked at before the first event, after each, and after the batch.
type watched struct {
	alert *view.Alert
	judge *watch.Judge
	now   int64          // µs: the clock, which the records' timestamps move
	told  []alert.Notice // so far
	speed int            // how many of them were told before the batch
	err   error
}

// apart are the trials of views and those of alerts.
func apart(all []*trial) (views, alerts []*trial) {
	for _, t := range all {
		if t.Alert != nil {
			alerts = append(alerts, t)
		} else {
			views = append(views, t)
		}
	}
	return views, alerts
}

// watchBefore sends the events before the seams, one by one.
func (l *layers) watchBefore(ctx context.Context, trials []*trial) error {
	err := eachPath(trials, func(w *path) error {
		w.watch.judge = watch.NewJudge(l.server, w.watch.alert)
		if len(w.given) > 0 {
			w.watch.now = w.given[0].Timestamp
		}
		l.look(ctx, w)
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.walk(ctx, trials, func(w *path) (from, to int) { return 0, w.seam }); err != nil {
		return err
	}
	return eachPath(trials, func(w *path) error {
		w.watch.speed = len(w.watch.told)
		return nil
	})
}

// watchAfter looks at what the batch has made of them, and sends the others.
func (l *layers) watchAfter(ctx context.Context, trials []*trial) error {
	l.ahead.Add(int64(time.Hour))
	err := eachPath(trials, func(w *path) error {
		l.look(ctx, w)
		return nil
	})
	if err != nil {
		return err
	}
	return l.walk(ctx, trials, func(w *path) (from, to int) { return w.seam, len(w.given) })
}

// walk goes through some events of each path, and looks at the alert after each.
func (l *layers) walk(ctx context.Context, trials []*trial, part func(w *path) (from, to int)) error {
	for k, more := 0, true; more; k++ {
		more = false
		var moved []*path
		err := eachPath(trials, func(w *path) error {
			from, to := part(w)
			if from+k >= to {
				return nil
			}
			more = true
			moved = append(moved, w)
			e := &w.given[from+k]
			w.watch.now = max(w.watch.now, e.Timestamp)
			if e.Clock {
				return nil
			}
			return l.send(ctx, w, from+k, from+k+1)
		})
		if err != nil {
			return err
		}
		if err := l.settle(ctx, trials); err != nil {
			return err
		}
		for _, w := range moved {
			l.look(ctx, w)
		}
	}
	return nil
}

// look judges the alert of a path.
func (l *layers) look(ctx context.Context, w *path) {
	s := w.watch
	if s.err != nil {
		return
	}
	told, err := s.judge.Look(ctx, time.UnixMicro(s.now))
	if err != nil {
		s.err = fmt.Errorf("judge the alert: %w", err)
	}
	for i := range told {
		told[i].At = formatTime(s.now, w.view.Location) // the zone that the test is written in
	}
	s.told = append(s.told, told...)
}

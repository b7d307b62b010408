package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
)

// Judge judges an alert as a Watcher does, and keeps what it finds in memory: for inline tests of alerts.
type Judge struct {
	observer observer
	state    alert.State
}

// NewJudge prepares to judge an alert over what an asker says of its view.
func NewJudge(asker Asker, a *view.Alert) *Judge {
	return &Judge{observer: observer{asker: asker, alert: a, windows: Config{}.withDefaults().Windows}}
}

// Look says what is to be told by now. An answer that is partial is an error.
func (j *Judge) Look(ctx context.Context, now time.Time) ([]alert.Notice, error) {
	a := j.observer.alert
	m, err := j.observer.asker.Mark(ctx, a.View.Name)
	if err != nil {
		return nil, fmt.Errorf("look how far view %s is: %w", a.View.Name, err)
	}
	var told []alert.Notice
	for {
		o, err := j.observer.observe(ctx, &j.state, m)
		if err != nil || o == nil {
			return told, err
		}
		o.Now = now
		var notices []alert.Notice
		j.state, notices = alert.Evaluate(a, j.state, *o)
		if told = append(told, notices...); whole(o) {
			return told, nil
		}
	}
}

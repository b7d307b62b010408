package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// rule is an alert that is being watched.
type rule struct {
	w     *Watcher
	alert *view.Alert
	post  *post

	state    alert.State
	observer observer
	stored   []byte       // the state as it stands in the lake
	tag      lake.NoteTag // of it
	kept     time.Time    // by the clock: when it was put there
	mark     string       // of the last look
	looked   time.Time    // by the clock
	waiting  string       // why the last look judged nothing
}

// load reads what is kept of the alert.
func (r *rule) load(ctx context.Context) error {
	data, tag, err := r.w.cfg.Lake.Note(ctx, serving.AlertNote(r.alert.Name))
	if err != nil {
		return err
	}
	r.stored, r.tag = data, tag
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(data, &r.state); err != nil {
		return fmt.Errorf("read what is kept of alert %s: %w", r.alert.Name, err)
	}
	return nil
}

// look judges the alert if anything can have changed. Errors are of the lake's state or a crash's; a view that cannot be asked is logged.
func (r *rule) look(ctx context.Context, m serving.Mark, quiet []alert.Silence) error {
	now := r.w.cfg.Clock()
	beat := r.w.cfg.Beat
	if r.alert.Kind == view.AlertNoData {
		beat = min(beat, max(r.w.cfg.Every, r.alert.NoData/20))
	}
	if m.Text == r.mark && r.waiting == "" && now.Sub(r.looked) < beat {
		return nil
	}
	r.mark, r.looked = m.Text, now
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = r.judge(ctx, m, quiet, now); err != nil {
			return err
		}
	}
	return nil
}

// judge looks at as many windows as one look may have. More are to be looked at where it returns true.
func (r *rule) judge(ctx context.Context, m serving.Mark, quiet []alert.Silence, now time.Time) (more bool, err error) {
	o, err := r.observer.observe(ctx, &r.state, m)
	if err != nil {
		r.wait(ctx, err.Error())
		return false, nil
	}
	r.wait(ctx, "")
	if o == nil {
		return false, r.keep(ctx, now, nil)
	}
	o.Now, o.Silences = now, quiet
	next, notices := alert.Evaluate(r.alert, r.state, *o)
	r.state = next
	r.w.metrics.looks.WithLabelValues(r.alert.Name).Inc()
	r.w.metrics.lost.WithLabelValues(r.alert.Name).Set(float64(next.Lost))
	if err := r.w.step("judged"); err != nil {
		return false, err
	}
	if err := r.keep(ctx, now, notices); err != nil {
		return false, err
	}
	return !whole(o), nil
}

// wait notes why nothing is judged; "" = it is.
func (r *rule) wait(ctx context.Context, why string) {
	value := 0.0
	if why != "" {
		value = 1
		if ctx.Err() == nil && why != r.waiting {
			r.w.cfg.Logger.Warn("an alert is not judged for now", "alert", r.alert.Name, "reason", why)
		}
	}
	r.waiting = why
	r.w.metrics.waiting.WithLabelValues("alert " + r.alert.Name).Set(value)
}

// keepNoDataEvery is how seldom it is kept that data has come.
const keepNoDataEvery = 5 * time.Second

// keep puts the state into the lake where it is another than stands there: before anybody is told.
func (r *rule) keep(ctx context.Context, now time.Time, notices []alert.Notice) error {
	for _, m := range alert.Messages(r.alert, notices, now) {
		if len(m.To) > 0 {
			r.state.Outbox = append(r.state.Outbox, m)
		}
	}
	if err := r.post.locate(ctx, r.state.Outbox); err != nil {
		return err
	}
	if r.alert.Kind == view.AlertNoData && len(notices) == 0 && r.stored != nil && now.Sub(r.kept) < max(keepNoDataEvery, r.alert.NoData/4) {
		return nil
	}
	data, err := json.Marshal(r.state)
	if err != nil {
		return fmt.Errorf("encode what is kept of alert %s: %w", r.alert.Name, err)
	}
	if bytes.Equal(data, r.stored) {
		return nil
	}
	if r.tag, err = r.w.cfg.Lake.SwingNote(ctx, serving.AlertNote(r.alert.Name), data, r.tag); err != nil {
		return err
	}
	r.stored, r.kept = data, now
	for _, n := range notices {
		r.w.metrics.notices.WithLabelValues(r.alert.Name, string(n.Kind)).Inc()
	}
	return r.w.step("kept")
}

// taken notes that a sink has taken a message, or that it was put aside.
func (r *rule) taken(ctx context.Context, t taken) error {
	if err := r.w.step("sent"); err != nil {
		return err
	}
	i := slices.IndexFunc(r.state.Outbox, func(m alert.Message) bool { return m.ID == t.message })
	if i < 0 {
		return nil
	}
	r.state.Outbox = slices.Clone(r.state.Outbox)
	m := &r.state.Outbox[i]
	m.To = slices.DeleteFunc(slices.Clone(m.To), func(name string) bool { return name == t.sink })
	if len(m.To) == 0 {
		r.state.Outbox = slices.Delete(r.state.Outbox, i, i+1)
	}
	r.kept = time.Time{}
	if err := r.keep(ctx, r.w.cfg.Clock(), nil); err != nil {
		return err
	}
	return r.w.step("taken")
}

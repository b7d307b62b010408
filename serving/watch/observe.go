package watch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// observer asks a view for what an alert is judged by.
type observer struct {
	asker    Asker
	alert    *view.Alert
	windows  int    // that one look may have
	snapshot string // that the last look was at
}

// whole says whether an observation goes to the end of what there is.
func whole(o *alert.Observation) bool { return o.Range.To == math.MaxInt64 }

// observe asks for what the next look is about; nil where there is nothing to judge yet.
func (b *observer) observe(ctx context.Context, s *alert.State, m serving.Mark) (*alert.Observation, error) {
	a := b.alert
	q := serving.Query{View: a.View.Name, Dimensions: a.By, Measures: a.Measures(), Where: a.Where}
	if a.Window.Hop != nil {
		q.Window = a.Window.Name
	} else {
		q.Grain = a.Window.Name
	}
	if !m.Known && a.Kind != view.AlertNoData {
		s.Begin(a)
		return nil, nil
	}
	o := &alert.Observation{Range: alert.Range{From: math.MinInt64, To: math.MaxInt64}, Watermark: math.MinInt64 + a.LookBack.Microseconds(), Lateness: a.View.Source.Lateness.Microseconds()}
	if a.Kind == view.AlertNoData {
		if m.Known {
			o.Range.From = a.Window.Floor(m.Watermark-a.LookBack.Microseconds(), a.View.Location)
		}
	} else if err := b.bound(ctx, q, s, m, o); err != nil {
		return nil, err
	}
	got, err := ask(ctx, b.asker, q, o.Range)
	if err != nil {
		return nil, err
	}
	if got.partial != "" {
		return nil, fmt.Errorf("the answer is partial: %s", got.partial)
	}
	o.Rows = got.rows
	if got.known {
		o.Watermark = got.watermark
	}
	o.Batch = b.snapshot != "" && b.snapshot != got.snapshot
	for _, past := range alert.Past(a, o.Range) {
		earlier, err := ask(ctx, b.asker, q, past)
		if err != nil {
			return nil, err
		}
		o.Past = append(o.Past, earlier.rows)
	}
	if whole(o) {
		b.snapshot = got.snapshot
	}
	return o, nil
}

// bound says which buckets are looked at: so many that one look is bounded, and none is left out.
func (b *observer) bound(ctx context.Context, q serving.Query, s *alert.State, m serving.Mark, o *alert.Observation) error {
	a, loc := b.alert, b.alert.View.Location
	from := s.From(a, m.Watermark)
	o.Range.From = from
	// No less than what is looked at again each time, and what is open at once: so each look gets on.
	span := (max(time.Duration(b.windows)*a.Window.Step(), a.LookBack) + 2*a.Window.Size()).Microseconds()
	if from != math.MinInt64 && m.Watermark-from <= span {
		return nil
	}
	first, found, err := firstBucket(ctx, b.asker, q, from)
	if err != nil || !found {
		return err
	}
	if to := a.Window.Floor(first+span, loc); to < m.Watermark {
		o.Range.To = to
	}
	return nil
}

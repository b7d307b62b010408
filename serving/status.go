package serving

import (
	"context"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// Status is how far each layer is.
type Status struct {
	Project string       `json:"project"`
	Time    string       `json:"time"`
	Batch   []BatchAsk   `json:"batch_asked"` // who asks for a batch before its time, and why
	Lag     Lag          `json:"lag"`         // largest over the views and partitions, and so what an alarm looks at
	Views   []ViewStatus `json:"views"`
}

// BatchAsk is a wish for a batch that none has answered.
type BatchAsk struct {
	View   string `json:"view,omitempty"` // "": all
	Cause  string `json:"cause"`
	Reason string `json:"reason"`
	Since  string `json:"since"`
}

// Lag is in records; null: not known.
type Lag struct {
	Speed   *int64 `json:"speed"`   // in the log and not in the speed layer
	Coarse  *int64 `json:"coarse"`  // in the log and not in the speed layer's grains but the finest
	Archive *int64 `json:"archive"` // in the log and not in the lake
}

// ViewStatus is how far the layers are with one view.
type ViewStatus struct {
	View       string            `json:"view"`
	Topic      string            `json:"topic"`
	Definition string            `json:"definition"`
	Snapshot   string            `json:"snapshot"` // that is served; "": none yet
	Sequence   int64             `json:"sequence"`
	Published  string            `json:"published,omitempty"` // when the snapshot was computed
	Watermark  string            `json:"watermark,omitempty"` // of the view: the smallest of its partitions
	Error      string            `json:"error,omitempty"`     // why the snapshot cannot be brought up to date
	Lag        Lag               `json:"lag"`                 // sums over the partitions
	Partitions []PartitionStatus `json:"partitions"`
}

// PartitionStatus is how far the layers are with one partition.
type PartitionStatus struct {
	Incarnation   int      `json:"incarnation"` // life of the topic, from 1
	Partition     int      `json:"partition"`
	LogStart      *int64   `json:"log_start"` // null: Kafka did not answer
	LogEnd        *int64   `json:"log_end"`
	Batch         int64    `json:"batch"`   // V of the snapshot that is served
	Speed         *int64   `json:"speed"`   // offset that the speed layer has reached; null: it has no state
	Coarse        *int64   `json:"coarse"`  // the same of its grains but the finest, which may be flushed less often
	Archive       *int64   `json:"archive"` // offset that the lake has reached; null: nothing is archived yet
	Lag           Lag      `json:"lag"`
	BehindSeconds *float64 `json:"behind_seconds"` // age of the newest record in the speed layer, 0 where it has reached the log's end
	Watermark     string   `json:"watermark,omitempty"`
	Events        int64    `json:"events"`     // counted by the speed layer since the oldest epoch that it keeps
	Duplicates    int64    `json:"duplicates"` //
	Late          int64    `json:"late"`       //
	DeadLetters   int64    `json:"dead_letters"`
	Errors        int64    `json:"errors"`
	Other         int64    `json:"other"`    // events under `__other__`, beyond the view's max_values
	Deferred      int64    `json:"deferred"` // events left to the next batch, beyond the project's speed.live_cells
	Healthy       bool     `json:"healthy"`  // the speed layer's state continues the snapshot
	Reason        string   `json:"reason,omitempty"`
}

// Status asks all layers how far they are, with the views that ctx's caller may read. What cannot be had is left out and said in the reasons; the error is
// that nobody may know.
func (s *Server) Status(ctx context.Context) (Status, error) {
	own, err := s.own(ctx)
	if err != nil {
		return Status{}, err
	}
	now := s.cfg.Clock()
	out := Status{Project: s.cfg.Project.Name, Time: now.UTC().Format(time.RFC3339), Batch: []BatchAsk{}, Views: []ViewStatus{}}
	asked, err := s.cfg.Lake.BatchAsked(ctx)
	if err != nil {
		s.cfg.Logger.Warn("who asks for a batch is not known", "error", err)
	}
	for _, a := range asked {
		if a.View != "" && !slices.ContainsFunc(own.Views, func(v *view.View) bool { return v.Name == a.View }) {
			continue
		}
		out.Batch = append(out.Batch, BatchAsk{View: a.View, Cause: a.Cause, Reason: a.Reason, Since: a.At.UTC().Format(time.RFC3339)})
	}
	for _, declared := range own.Views {
		v, err := s.find(ctx, declared.Name)
		if err != nil {
			out.Views = append(out.Views, ViewStatus{View: declared.Name, Topic: declared.Source.Topic, Sequence: -1, Partitions: []PartitionStatus{}, Error: err.Error()})
			continue
		}
		vs := s.viewStatus(ctx, s.state(v), now)
		out.Lag.Speed = larger(out.Lag.Speed, vs.Lag.Speed)
		out.Lag.Coarse = larger(out.Lag.Coarse, vs.Lag.Coarse)
		out.Lag.Archive = larger(out.Lag.Archive, vs.Lag.Archive)
		out.Views = append(out.Views, vs)
	}
	return out, nil
}

func (s *Server) viewStatus(ctx context.Context, vs *viewState, now time.Time) ViewStatus {
	out := ViewStatus{View: vs.view.Name, Topic: vs.view.Source.Topic, Definition: vs.view.Hash, Sequence: -1, Partitions: []PartitionStatus{}}
	snap, release, err := s.pin(ctx, vs)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	defer release()
	out.Snapshot, out.Sequence = snap.manifest.ID, snap.sequence
	if !snap.manifest.Created.IsZero() {
		out.Published = snap.manifest.Created.UTC().Format(time.RFC3339)
	}
	vs.mu.Lock()
	if vs.failed != nil {
		out.Error = vs.failed.Error()
	}
	vs.mu.Unlock()
	parts, reason := s.partitions(ctx, vs, snap)
	parts = slices.DeleteFunc(parts, func(p partition) bool { return p.covered })
	if reason != "" {
		out.Error = reason
	}
	topic, topicErr := s.topics.get(ctx, vs.view.Source.Topic)
	if topicErr != nil && out.Error == "" {
		out.Error = "where the log ends is not known: " + topicErr.Error()
	}
	groups := make([]live.Group, len(parts))
	for i, p := range parts {
		groups[i] = s.group(vs, &p)
	}
	speedCtx, cancel := context.WithTimeout(ctx, s.cfg.SpeedTimeout)
	heads := s.cfg.Live.Heads(speedCtx, groups)
	cancel()
	for i := range parts {
		b, known := topic.bounds[parts[i].number]
		p := PartitionStatus{Incarnation: parts[i].life, Partition: parts[i].number, Batch: parts[i].batch}
		if known && topicErr == nil && !parts[i].over {
			p.LogStart, p.LogEnd = &b.first, &b.next
		}
		p.speed(heads[i], vs.view.Source.Lateness, now)
		if next, _, _, err := s.cfg.Lake.Next(ctx, lake.Topic{Name: vs.view.Source.Topic, Incarnation: p.Incarnation}, p.Partition); err != nil {
			p.Reason = err.Error()
		} else if next >= 0 {
			p.Archive = &next
		}
		p.lags()
		if heads[i].OK {
			parts[i].read = reading{served: live.ServedWhole, at: standing{heads[i].Off, heads[i].Progress}}
		}
		out.Lag.Speed, out.Lag.Archive = plus(out.Lag.Speed, p.Lag.Speed), plus(out.Lag.Archive, p.Lag.Archive)
		out.Lag.Coarse = plus(out.Lag.Coarse, p.Lag.Coarse)
		out.Partitions = append(out.Partitions, p)
	}
	if at, ok := (&merged{snap: snap, partitions: parts}).watermark(vs.view.Source); ok {
		out.Watermark = formatTime(at, time.UTC)
	}
	return out
}

// speed fills in what the speed layer's meta says.
func (p *PartitionStatus) speed(h live.Head, lateness time.Duration, now time.Time) {
	switch {
	case h.Err != nil:
		p.Reason = h.Err.Error()
		return
	case !h.OK:
		p.Reason = "the speed layer has no state of this partition yet"
		return
	case !h.Holds(p.Batch):
		p.Reason = "the speed layer's state does not continue the snapshot; it is being rebuilt"
	default:
		p.Healthy = true
	}
	p.Speed, p.Coarse = &h.Off, &h.Coarse
	p.Events, p.Duplicates, p.Late, p.DeadLetters, p.Errors = h.Counts.Events, h.Counts.Duplicates, h.Counts.Late, h.Counts.Dead, h.Counts.Errors
	p.Other, p.Deferred = h.Counts.Other, h.Counts.Deferred
	if h.Progress.MaxEventTime != beginning {
		p.Watermark = formatTime(h.Progress.MaxEventTime-lateness.Microseconds(), time.UTC)
	}
	if p.LogEnd == nil {
		return
	}
	behind := 0.0
	if h.Off < *p.LogEnd {
		if h.Progress.MaxTimestamp == beginning {
			return
		}
		behind = max(0, now.Sub(time.UnixMicro(h.Progress.MaxTimestamp)).Seconds())
	}
	p.BehindSeconds = &behind
}

func (p *PartitionStatus) lags() {
	if p.LogEnd == nil {
		return
	}
	speed, archive := p.Batch, *p.LogStart
	if p.Speed != nil {
		speed = *p.Speed
	}
	if p.Archive != nil {
		archive = *p.Archive
	}
	coarse := p.Batch
	if p.Coarse != nil {
		coarse = max(coarse, *p.Coarse)
	}
	speed, coarse, archive = max(0, *p.LogEnd-speed), max(0, *p.LogEnd-coarse), max(0, *p.LogEnd-archive)
	p.Lag = Lag{&speed, &coarse, &archive}
}

func plus(a, b *int64) *int64 {
	if a == nil || b == nil {
		return or(a, b)
	}
	sum := *a + *b
	return &sum
}

func larger(a, b *int64) *int64 {
	if a == nil || b == nil {
		return or(a, b)
	}
	most := max(*a, *b)
	return &most
}

func or(a, b *int64) *int64 {
	if a != nil {
		return a
	}
	return b
}

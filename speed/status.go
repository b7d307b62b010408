package speed

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caudal/caudal/internal/intake"
)

// Status is where the worker stood at its last look, at most about a second ago.
type Status struct {
	Joined     bool              `json:"joined"`            // the consumer group has said which partitions are this worker's, if any
	Trouble    string            `json:"trouble,omitempty"` // what keeps it from working at all
	Partitions []PartitionStatus `json:"partitions"`        // those given to this worker, by source and number
}

// PartitionStatus is one partition's part of it.
type PartitionStatus struct {
	Source    string       `json:"source"`
	Topic     string       `json:"topic"`
	Partition int          `json:"partition"`
	Served    bool         `json:"served"`    // false: being taken
	Offset    int64        `json:"offset"`    // records below it are in Redis, for every view
	End       int64        `json:"end"`       // of the log; -1: not known yet
	Lag       int64        `json:"lag"`       // records between the two
	Watermark int64        `json:"watermark"` // event time, µs UTC, up to which the partition is complete but for late events; the lowest int64 before any event
	Views     []ViewStatus `json:"views"`
	Trouble   string       `json:"trouble,omitempty"` // why its memory was dropped last, if it has not made progress since

	read int64 // the greatest record timestamp below Offset, µs UTC; not above 0: none is known
}

// ViewStatus is where one view of a partition stands.
type ViewStatus struct {
	View   string `json:"view"`
	Epoch  int64  `json:"epoch"`
	Offset int64  `json:"offset"`
	Coarse int64  `json:"coarse"` // of the grains but the finest, which may be flushed less often
	Cells  int    `json:"cells"`  // in memory
}

// Ready says whether every partition that was given to the worker is served.
func (s Status) Ready() bool {
	if !s.Joined || s.Trouble != "" {
		return false
	}
	for _, p := range s.Partitions {
		if !p.Served {
			return false
		}
	}
	return true
}

// statusBoard is where the loops leave their partitions' status.
type statusBoard struct {
	mu      sync.Mutex
	isIn    bool
	problem string
	parts   map[*partition]PartitionStatus
}

// trouble notes what keeps the whole worker from working.
func (b *statusBoard) trouble(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isIn, b.problem = false, err.Error()
}

// joined notes that the worker is at work.
func (b *statusBoard) joined() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isIn, b.problem = true, ""
}

// Status returns a snapshot; it may be called at any time.
func (w *Worker) Status() Status {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	s := Status{Joined: w.status.isIn, Trouble: w.status.problem}
	for _, p := range w.status.parts {
		s.Partitions = append(s.Partitions, p)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Partition, b.Partition))
	})
	return s
}

func (w *Worker) forget(parts []*partition) {
	w.status.mu.Lock()
	defer w.status.mu.Unlock()
	for _, p := range parts {
		delete(w.status.parts, p)
		w.metrics.lag.DeleteLabelValues(p.lane.src.Name, p.label)
		w.metrics.lagSeconds.DeleteLabelValues(p.lane.src.Name, p.label)
		w.metrics.watermark.DeleteLabelValues(p.lane.src.Name, p.label)
	}
}

// report leaves the status of the loop's partitions on the board and in the metrics.
func (s *shift) report() {
	all := make([]PartitionStatus, len(s.parts))
	for i, p := range s.parts {
		all[i] = s.statusOf(p)
	}
	s.w.status.mu.Lock()
	defer s.w.status.mu.Unlock()
	for i, p := range s.parts {
		s.w.status.parts[p] = all[i]
	}
	s.w.status.isIn, s.w.status.problem = true, ""
}

func (s *shift) statusOf(p *partition) PartitionStatus {
	src := s.lane.src
	st := PartitionStatus{Source: src.Name, Topic: src.Topic, Partition: p.number, Served: p.up(), Offset: p.lowest(), End: p.end.Load(),
		Watermark: intake.Start().MaxEventTime, Trouble: p.trouble}
	if st.End >= 0 {
		st.Lag = max(0, st.End-st.Offset)
	}
	for _, g := range p.groups {
		v := ViewStatus{View: g.id.View, Epoch: g.start, Offset: g.off, Coarse: g.coarse.off}
		for _, c := range g.chunks {
			v.Cells += c.len()
		}
		st.Views = append(st.Views, v)
		if g.off == st.Offset {
			st.read = max(st.read, g.progress.MaxTimestamp)
		}
		if g.off == st.Offset && g.progress.MaxEventTime > intake.Start().MaxEventTime+src.Lateness.Microseconds() {
			st.Watermark = g.progress.MaxEventTime - src.Lateness.Microseconds()
			s.m.watermark.WithLabelValues(src.Name, p.label).Set(float64(st.Watermark) / 1e6)
		}
	}
	return st
}

// measure keeps an eye on the logs' ends, beside the loop, which should not wait for it.
func (s *shift) measure(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, p := range s.parts {
			_, next, err := s.w.cfg.Stream.Bounds(ctx, s.lane.src.Topic, p.number)
			if err != nil {
				s.m.errors.WithLabelValues(s.lane.src.Name, "measure lag").Inc()
				continue
			}
			p.end.Store(next)
			s.w.lagging(p, next, time.Now())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

package speed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/view"
)

// partition is one partition of a source that this worker owns, or tries to: the fold of its log and a group for each view. Groups
// may stand at different offsets; the fold begins at the lowest and each group takes only records from its own on.
type partition struct {
	number int
	label  string // number, as metrics have it
	lane   *lane
	fold   *intake.Fold
	groups []*group // as lane.queries
	feed   *feed    // nil: the partition is to be taken
	share  part     // of the micro-batch in hand

	again    time.Time // not to be taken before
	failures int
	since    time.Time    // taken at
	trouble  string       // why it was dropped last, until it makes progress again
	end      atomic.Int64 // of the log, as last seen; -1: not yet
	caughtUp time.Time    // when nothing was left to read, the last time that measure saw it; only measure has it
}

func newPartition(l *lane, project *view.Project, topic lake.Topic, number int) *partition {
	p := &partition{number: number, label: strconv.Itoa(number), lane: l}
	p.share.p = p
	p.end.Store(-1)
	for _, q := range l.queries {
		p.groups = append(p.groups, newGroup(live.Group{Project: project.Name, Topic: topic.Name, Incarnation: topic.Incarnation, Partition: number,
			View: q.view.Name, Hash: q.view.Hash}, q.plan, project.Speed))
	}
	return p
}

// up says whether the partition is being read.
func (p *partition) up() bool { return p.feed != nil }

// begin is where the log is read from: what every group has below it, in all grains, is whole.
func (p *partition) begin() (int64, intake.Progress) {
	low, at := p.groups[0].begin()
	for _, g := range p.groups[1:] {
		if off, progress := g.begin(); off < low {
			low, at = off, progress
		}
	}
	return low, at
}

// lowest is the offset below which every group has all records, in its finest grain.
func (p *partition) lowest() int64 {
	off := p.groups[0].off
	for _, g := range p.groups[1:] {
		off = min(off, g.off)
	}
	return off
}

// take is SEAM Worker 1: every group of the partition, then the fold and the feed from the lowest of their offsets.
func (s *shift) take(ctx context.Context, p *partition) error {
	token := randomID()
	for i, g := range p.groups {
		if err := s.w.stillInUse(ctx, s.lane.queries[i].view); err != nil {
			return err
		}
		v, at, err := s.boundary(ctx, i, p.number)
		if err != nil {
			return err
		}
		m, how, err := s.w.cfg.Live.Take(ctx, g.id, v, at, token, randomID())
		if err != nil {
			return err
		}
		limited, err := s.limits(ctx, g.id, m)
		if err != nil {
			return err
		}
		g.adopt(m, limited)
		s.m.taken.WithLabelValues(s.lane.src.Name, string(how)).Inc()
		s.w.log.Debug("group taken", "group", g.id.String(), "how", string(how), "offset", m.Off, "boundary", v)
		if err := s.step("take"); err != nil {
			return err
		}
	}
	low, at := p.begin()
	p.fold = intake.NewFold(p.lane.schema, at)
	p.feed = s.startFeed(ctx, p, low)
	p.since = time.Now()
	return nil
}

// limits reads what the limits of the newest epoch of a group did that was just taken; nil: nothing.
func (s *shift) limits(ctx context.Context, id live.Group, m live.Meta) (*live.Limited, error) {
	met := false
	for chunk := range m.Chunks {
		met = met || chunk.Start == m.Newest() && chunk.Grain == live.Limits
	}
	if !met {
		return nil, nil
	}
	l, err := s.w.cfg.Live.Limits(ctx, id, m.Newest(), true)
	if err != nil {
		return nil, err
	}
	if l.Served != live.ServedWhole || l.Meta.Inst != m.Inst || l.Meta.Off != m.Off || l.Epochs[m.Newest()] == nil {
		return nil, fmt.Errorf("redis changed %s between a take and the reading of its limits", id)
	}
	return l.Epochs[m.Newest()], nil
}

// boundary is V of CURRENT for one view and partition, with the intake's progress there. A partition that the snapshot does not
// name begins at 0, and so do all of them in a life of the topic that began after it.
func (s *shift) boundary(ctx context.Context, view, number int) (int64, intake.Progress, error) {
	m, err := s.w.current(ctx, s.lane.queries[view].view, s.topic, s.starts, s.w.cfg.Poll)
	if err != nil {
		return 0, intake.Progress{}, err
	}
	cuts, _ := m.CutsOf(s.topic.Incarnation)
	if cut, ok := cuts[number]; ok {
		return cut.Offset, cut.Progress, nil
	}
	return 0, intake.Start(), nil
}

// drop forgets all that memory holds of the partition. If it is still ours it is taken again, after a pause.
func (s *shift) drop(p *partition, why string, err error) {
	if p.feed != nil {
		p.feed.stop()
		p.feed = nil
	}
	p.fold = nil
	for _, g := range p.groups {
		g.forget()
	}
	if time.Since(p.since) > time.Minute {
		p.failures = 0
	}
	pause := s.w.cfg.Backoff << min(p.failures, 6)
	p.failures++
	p.again = time.Now().Add(pause/2 + rand.N(pause))
	s.m.dropped.WithLabelValues(s.lane.src.Name, why).Inc()
	p.trouble = fmt.Sprintf("%s: %v", why, err)
	s.w.log.Warn("partition dropped, to be taken again", "topic", s.topic.String(), "partition", p.number, "why", why, "error", err)
}

// takeDue takes the partitions whose pause is over.
func (s *shift) takeDue(ctx context.Context) error {
	for _, p := range s.parts {
		if p.up() || time.Now().Before(p.again) {
			continue
		}
		err := s.take(ctx, p)
		if crashed(err) || over(err) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			s.m.errors.WithLabelValues(s.lane.src.Name, "take").Inc()
			s.drop(p, "take failed", err)
		}
	}
	return nil
}

// poll is SEAM Worker 7. Nothing is on its way to Redis when it is called, so what Redis holds must be what memory says.
func (s *shift) poll(ctx context.Context) error {
	var ids []live.Group
	var groups []*group
	var parts []*partition
	var views []int
	for _, p := range s.parts {
		if !p.up() {
			continue
		}
		for i, g := range p.groups {
			ids, groups, parts, views = append(ids, g.id), append(groups, g), append(parts, p), append(views, i)
		}
	}
	for i, h := range s.w.cfg.Live.Heads(ctx, ids) {
		g, p := groups[i], parts[i]
		if !p.up() || ctx.Err() != nil {
			continue
		}
		if h.Err != nil {
			s.m.errors.WithLabelValues(s.lane.src.Name, "poll redis").Inc()
			continue
		}
		switch {
		case !h.OK:
			s.drop(p, "state gone", fmt.Errorf("redis has nothing of %s", g.id))
			continue
		case h.Inst != g.inst || h.Off != g.off || h.Coarse != g.coarse.off:
			s.drop(p, "state differs", fmt.Errorf("redis has %s at offset %d, its coarser grains at %d, memory at %d and %d", g.id, h.Off, h.Coarse, g.off, g.coarse.off))
			continue
		case h.Newest() != g.start && h.Newest() == g.off:
			g.cut(g.off)
			s.m.cuts.WithLabelValues(s.lane.src.Name, g.id.View).Inc()
			if err := s.settleCoarse(ctx, p, g); err != nil {
				return err
			}
			if !p.up() {
				continue
			}
		case h.Newest() != g.start:
			s.drop(p, "state differs", fmt.Errorf("redis has %s in epoch %d, memory in %d", g.id, h.Newest(), g.start))
			continue
		}
		v, _, err := s.boundary(ctx, views[i], p.number)
		if over(err) {
			return err
		}
		if err != nil {
			s.m.errors.WithLabelValues(s.lane.src.Name, "poll current").Inc()
			continue
		}
		if !h.Holds(v) {
			s.drop(p, "no boundary", fmt.Errorf("no epoch of %s starts at %d, the boundary of CURRENT", g.id, v))
			continue
		}
		s.askBatch(ctx, g)
	}
	return s.step("poll")
}

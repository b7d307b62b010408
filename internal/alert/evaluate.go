package alert

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

// Observation is one look at the merged cells of a view.
type Observation struct {
	Range     Range     // Rows are all rows of these buckets
	Watermark int64     // µs: buckets that end until then are over
	Lateness  int64     // µs: how much further the newest event is
	Now       time.Time // by the clock: stands in notices, ends silences, and says how long there was no data
	Rows      []Row
	Past      [][]Row // as Past(alert, Range)
	Batch     bool    // since the look before a batch has published: it is why what is over can be another than it was
	Silences  []Silence
}

// look is one evaluation under way.
type look struct {
	alert   *view.Alert
	state   *State
	o       *Observation
	notices []Notice
	when    *condition.Condition // of AlertWhen
	causes  map[string][]*Cause  // of this definition, by key
	gone    map[*Cause]bool      // of them: to be forgotten
	begun   []*Cause
}

// Evaluate says what is to be told after an observation, and what is to be kept. The state that is given is left as it is. The same state and
// observation give the same notices.
func Evaluate(a *view.Alert, before State, o Observation) (State, []Notice) {
	s := before
	s.Causes, s.Known = slices.Clone(before.Causes), slices.Clone(before.Known)
	l := &look{alert: a, state: &s, o: &o}
	l.redefine()
	s.Begun = true
	if a.Kind == view.AlertNoData {
		l.noData()
	} else {
		if a.Kind == view.AlertWhen {
			l.when = conditionOf(a)
		}
		all := l.series()
		for _, key := range slices.Sorted(maps.Keys(all)) {
			l.judge(all[key], l.causes[key])
		}
		l.keep()
		s.Through = max(s.Through, min(o.Watermark, l.looked()))
	}
	l.unsilence()
	s.Floor = max(s.Floor, o.Range.From)
	slices.SortStableFunc(s.Causes, func(x, y Cause) int {
		return cmp.Or(cmp.Compare(x.Bucket, y.Bucket), cmp.Compare(x.Labels.key(), y.Labels.key()), cmp.Compare(x.Round, y.Round))
	})
	s.prune()
	return s, l.notices
}

// redefine ends what fires under another definition of the alert.
func (l *look) redefine() {
	s := l.state
	if s.Definition == l.alert.Hash {
		return
	}
	for i := range s.Causes {
		c := &s.Causes[i]
		if c.Phase == Firing {
			c.Until = c.Since
			l.finished(c, Recovered, "the alert's definition changed")
		}
	}
	old := slices.DeleteFunc(s.Causes, func(c Cause) bool { return !c.Phase.over() })
	for i := range old {
		old[i].Last = math.MinInt64 // of another definition: no bucket of this one is among its own
	}
	*s = State{Alert: l.alert.Name, Definition: l.alert.Hash, Through: l.o.Range.From, Floor: l.o.Range.From, Causes: old, Outbox: s.Outbox, Lost: s.Lost}
}

// series sorts the rows by key. A row of values that were folded into one is no key's.
func (l *look) series() map[string]*series {
	all := map[string]*series{}
	find := func(labels Labels) *series {
		key := labels.key()
		if all[key] == nil {
			all[key] = &series{labels: labels, rows: cells{}, past: make([]cells, len(l.o.Past))}
			for k := range all[key].past {
				all[key].past[k] = cells{}
			}
		}
		return all[key]
	}
	add := func(rows []Row, into func(*series) cells) {
		for i := range rows {
			if !folded(&rows[i]) {
				into(find(LabelsOf(l.alert.By, rows[i].Key)))[rows[i].Bucket] = &rows[i]
			}
		}
	}
	add(l.o.Rows, func(s *series) cells { return s.rows })
	for k := range l.o.Past {
		add(l.o.Past[k], func(s *series) cells { return s.past[k] })
	}
	l.causes, l.gone = map[string][]*Cause{}, map[*Cause]bool{}
	for i := range l.state.Causes {
		if c := &l.state.Causes[i]; c.Last != math.MinInt64 && (!c.Phase.over() || c.Last >= l.state.Floor) {
			find(c.Labels)
			l.causes[c.Labels.key()] = append(l.causes[c.Labels.key()], c)
		}
	}
	return all
}

func folded(r *Row) bool {
	for _, v := range r.Key {
		if v.IsOther() {
			return true
		}
	}
	return false
}

func (l *look) next(bucket int64) int64 { return l.alert.Window.Next(bucket, l.alert.View.Location) }
func (l *look) end(bucket int64) int64  { return l.alert.Window.End(bucket, l.alert.View.Location) }

// looked is until when all buckets that end are in the range.
func (l *look) looked() int64 {
	if l.o.Range.To == math.MaxInt64 {
		return math.MaxInt64
	}
	return l.end(l.alert.Window.Floor(l.o.Range.To-1, l.alert.View.Location))
}

// closed says whether a bucket is over.
func (l *look) closed(bucket int64) bool {
	return l.end(bucket) <= l.o.Watermark && bucket < l.o.Range.To
}

// within is the newest event time, as far as it lies in a bucket.
func (l *look) within(bucket int64) int64 {
	return min(max(bucket, l.o.Watermark+l.o.Lateness), l.end(bucket))
}

// own is the start of the part of a bucket that no earlier one has: the bucket's own start, but for hops.
func (l *look) own(bucket int64) int64 { return l.end(bucket) - (l.next(bucket) - bucket) }

// judge brings the causes of a key up to date.
func (l *look) judge(s *series, own []*Cause) {
	holding, bands := map[int64]bool{}, map[int64]*Band{}
	for bucket := range s.rows {
		if l.alert.Closed && !l.closed(bucket) {
			continue
		}
		if holding[bucket], bands[bucket] = s.holds(l.alert, l.when, bucket); !holding[bucket] {
			delete(holding, bucket)
		}
	}
	if len(own) == 0 && len(holding) == 0 {
		return
	}
	for _, c := range own {
		if l.recheck(c, holding) {
			l.gone[c] = true
		}
	}
	all := own
	covered := func(bucket int64) bool {
		return slices.ContainsFunc(all, func(c *Cause) bool {
			return !l.gone[c] && c.Phase != Corrected && c.First() <= bucket && bucket <= c.Last
		})
	}
	l.join(own, holding, covered)
	for _, c := range own {
		if !l.gone[c] && !c.Phase.over() {
			l.extend(c, holding)
			l.advance(c, s, own, bands)
			l.finish(c, holding)
		}
	}
	for _, bucket := range slices.Sorted(maps.Keys(holding)) {
		if covered(bucket) {
			continue
		}
		c := l.begin(s, own, bucket)
		l.extend(c, holding)
		l.advance(c, s, all, bands)
		l.finish(c, holding)
		all, l.begun = append(all, c), append(l.begun, c)
	}
}

// keep notes the causes that began, and drops those that were nothing.
func (l *look) keep() {
	kept := make([]Cause, 0, len(l.state.Causes)+len(l.begun))
	for i := range l.state.Causes {
		if c := &l.state.Causes[i]; !l.gone[c] {
			kept = append(kept, *c)
		}
	}
	for _, c := range l.begun {
		if len(kept) >= MaxCauses {
			l.state.Lost++
			l.notices = slices.DeleteFunc(l.notices, func(n Notice) bool { return n.Cause == c.ID })
			continue
		}
		kept = append(kept, *c)
	}
	l.state.Causes = kept
}

// begin is a cause that begins with a bucket.
func (l *look) begin(s *series, own []*Cause, bucket int64) *Cause {
	c := &Cause{Labels: s.labels, Phase: Pending, Bucket: bucket, Last: bucket, Since: l.since(bucket), Late: l.end(bucket) <= l.state.Through}
	if c.Late {
		c.Reason = l.why()
	}
	for _, o := range own {
		if o.Bucket == bucket {
			c.Round = max(c.Round, o.Round+1)
		}
	}
	c.ID = causeID(l.alert, s.labels, bucket, c.Round)
	return c
}

// since is from when on the condition holds in a bucket, as far as is known.
func (l *look) since(bucket int64) int64 {
	if l.closed(bucket) {
		return l.own(bucket)
	}
	return l.within(bucket)
}

// join lets causes begin earlier: where the condition turns out to hold in the buckets before the first as well, as it does in hops that share its events,
// and after late events, that is the same cause, which is not told of once more.
func (l *look) join(own []*Cause, holding map[int64]bool, covered func(bucket int64) bool) {
	buckets := slices.Sorted(maps.Keys(holding))
	for _, c := range own {
		if l.gone[c] || c.Phase == Corrected || c.Phase == Passed {
			continue
		}
		for _, bucket := range slices.Backward(buckets) {
			if l.next(bucket) != c.First() || covered(bucket) {
				continue
			}
			c.Head = &bucket
			if !c.told() && c.Phase != Firing {
				c.Since = min(c.Since, l.since(bucket))
			}
		}
	}
}

// recheck looks at the buckets of a cause again. True: it is to be forgotten, as nobody was told of it.
func (l *look) recheck(c *Cause, holding map[int64]bool) (forget bool) {
	if c.Phase == Corrected || c.First() < l.o.Range.From || c.Last >= l.o.Range.To {
		return false
	}
	over := true
	for bucket := c.First(); bucket <= c.Last; bucket = l.next(bucket) {
		if holding[bucket] {
			return false
		}
		over = over && l.closed(bucket)
	}
	switch {
	case c.Phase == Pending || c.Phase == Waiting:
		return true
	case !over: // it may hold again before the bucket is over
	case c.Phase == Passed:
		return true
	default:
		c.Until = l.end(c.Last)
		l.finished(c, Corrected, l.why())
	}
	return false
}

// why is what changes buckets that are over.
func (l *look) why() string {
	if l.o.Batch {
		return "corrected by batch"
	}
	return "corrected by late events"
}

// extend moves the end of a cause over the buckets that follow.
func (l *look) extend(c *Cause, holding map[int64]bool) {
	for next := l.next(c.Last); holding[next]; next = l.next(next) {
		c.Last = next
	}
}

// advance fires a cause that has held long enough.
func (l *look) advance(c *Cause, s *series, others []*Cause, bands map[int64]*Band) {
	if row := s.rows[c.Last]; row != nil && c.Phase != Firing {
		c.Values, c.Expected = LabelsOf(l.alert.Measures(), row.Measures), bands[c.Last]
	}
	held := l.end(c.Last)
	if !l.closed(c.Last) {
		held = l.within(c.Last)
	}
	if c.Phase == Firing || held-c.Since < l.alert.For.Microseconds() {
		return
	}
	for _, o := range others {
		if o != c && o.Phase == Recovered && o.Bucket < c.Bucket && held < o.Until+l.alert.CoolDown.Microseconds() {
			c.Phase = Waiting
			return
		}
	}
	l.fire(c)
}

// fire tells of a cause, unless a silence keeps it from being told.
func (l *look) fire(c *Cause) {
	c.Phase, c.Fired = Firing, l.o.Now.UTC()
	if c.Silenced = silences(l.o.Silences, l.alert.Name, c.Labels, l.o.Now); c.Silenced == "" {
		l.notices = append(l.notices, notice(l.alert, c, Firing, l.o.Now))
	}
}

// finish ends a cause once a bucket is over in which the condition does not hold.
func (l *look) finish(c *Cause, holding map[int64]bool) {
	next := l.next(c.Last)
	if holding[next] || !l.closed(next) || next < l.o.Range.From {
		return
	}
	c.Until = l.end(c.Last)
	switch c.Phase {
	case Firing:
		l.finished(c, Recovered, "")
	case Pending, Waiting:
		c.Phase, c.Ended = Passed, l.o.Now.UTC()
	}
}

// finished tells that a cause is over, where somebody was told of it.
func (l *look) finished(c *Cause, kind Phase, reason string) {
	told := c.told()
	c.Phase, c.Reason, c.Ended = kind, reason, l.o.Now.UTC()
	if told {
		l.notices = append(l.notices, notice(l.alert, c, kind, l.o.Now))
	}
}

// unsilence tells of causes that fire on when their silence has ended.
func (l *look) unsilence() {
	for i := range l.state.Causes {
		c := &l.state.Causes[i]
		if c.Phase == Firing && c.Silenced != "" {
			if c.Silenced = silences(l.o.Silences, l.alert.Name, c.Labels, l.o.Now); c.Silenced == "" {
				l.notices = append(l.notices, notice(l.alert, c, Firing, l.o.Now))
			}
		}
	}
}

package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// noData judges, by the clock, how long nothing new has come of each key that data has come of; without dimensions, of the view.
func (l *look) noData() {
	l.meet()
	now, limit := l.o.Now, l.alert.NoData
	for i := range l.state.Known {
		k := &l.state.Known[i]
		c := l.firing(k.Labels)
		quiet := now.Sub(k.Seen)
		switch {
		case c != nil && quiet < limit:
			c.Until = now.UnixMicro()
			l.finished(c, Recovered, "")
		case c == nil && quiet >= limit && len(l.state.Causes) >= MaxCauses:
			l.state.Lost++
		case c == nil && quiet >= limit:
			l.missing(k)
		}
	}
	// Keys that are too old to be known are, unless they are missed.
	oldest := l.o.Watermark - l.alert.LookBack.Microseconds()
	l.state.Known = slices.DeleteFunc(l.state.Known, func(k Known) bool {
		return len(l.alert.By) > 0 && k.Bucket < oldest && l.firing(k.Labels) == nil
	})
}

// meet notes which keys there are, and which of them have something new.
func (l *look) meet() {
	newest := map[string]*Row{}
	for i := range l.o.Rows {
		r := &l.o.Rows[i]
		if folded(r) {
			continue
		}
		key := LabelsOf(l.alert.By, r.Key).key()
		if o := newest[key]; o == nil || o.Bucket < r.Bucket {
			newest[key] = r
		}
	}
	if len(l.alert.By) == 0 && len(newest) == 0 && len(l.state.Known) == 0 {
		l.state.Known = append(l.state.Known, Known{Labels: Labels{}, Bucket: math.MinInt64, Seen: l.o.Now.UTC()})
	}
	for i := range l.state.Known {
		k := &l.state.Known[i]
		key := k.Labels.key()
		if r := newest[key]; r != nil {
			if d := digest(r); d != k.Digest {
				k.Bucket, k.Digest, k.Seen = r.Bucket, d, l.o.Now.UTC()
			}
			delete(newest, key)
		}
	}
	for i := range l.o.Rows {
		r := &l.o.Rows[i]
		labels := LabelsOf(l.alert.By, r.Key)
		if newest[labels.key()] == r && len(l.state.Known) < maxKeys {
			l.state.Known = append(l.state.Known, Known{Labels: labels, Bucket: r.Bucket, Digest: digest(r), Seen: l.o.Now.UTC()})
		}
	}
}

// digest tells one state of a row from the next.
func digest(r *Row) string {
	sum := sha256.Sum256(algebra.AppendKey(algebra.AppendKey(nil, []algebra.Value{algebra.TimestampValue(r.Bucket)}), r.Measures))
	return hex.EncodeToString(sum[:8])
}

// firing is the cause that fires of a key; nil: none does.
func (l *look) firing(labels Labels) *Cause {
	key := labels.key()
	i := slices.IndexFunc(l.state.Causes, func(c Cause) bool { return c.Phase == Firing && c.Labels.key() == key })
	if i < 0 {
		return nil
	}
	return &l.state.Causes[i]
}

// missing begins a cause whose cell is the last that there was of a key, unless an earlier one was over too short ago.
func (l *look) missing(k *Known) {
	c := Cause{Labels: k.Labels, Bucket: k.Bucket, Last: k.Bucket, Since: k.Seen.UnixMicro()}
	key := k.Labels.key()
	for i := range l.state.Causes {
		o := &l.state.Causes[i]
		if o.Labels.key() != key {
			continue
		}
		if o.Bucket == c.Bucket {
			c.Round = max(c.Round, o.Round+1)
		}
		if o.Phase == Recovered && l.o.Now.UnixMicro() < o.Until+l.alert.CoolDown.Microseconds() {
			return
		}
	}
	c.ID = causeID(l.alert, k.Labels, c.Bucket, c.Round)
	l.fire(&c)
	l.state.Causes = append(l.state.Causes, c)
}

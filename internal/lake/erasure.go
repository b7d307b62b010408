package lake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Erasure is a tombstone: which records of a topic have to be forgotten. It is created once, and from then on every computation from segments
// leaves its records out; it is swung once more, by If-Match, when no object of the lake holds them any longer, and then says no more what
// they were.
type Erasure struct {
	Number     int           `json:"number"`     // of the topic, from 1
	Source     string        `json:"source"`     // by name
	Definition string        `json:"definition"` // hash of the source over whose columns Where is
	Topic      Topic         `json:"topic"`      // the life of the topic when the erasure was asked for
	Below      map[int]int64 `json:"below"`      // records at or above the offset of their partition came later and stay
	Where      string        `json:"where,omitempty"`
	Contains   string        `json:"contains,omitempty"`  // dead letters whose key, value or detail contains it go too; "" = none by their bytes
	AllDead    bool          `json:"all_dead,omitempty"`  // all dead letters go
	DeadOnly   bool          `json:"dead_only,omitempty"` // no events go, so that no answer changes
	Sum        string        `json:"sum"`                 // SHA-256 of what was asked for, to recognise it by once Where and Contains are gone
	By         string        `json:"by"`                  // process
	Asked      time.Time     `json:"asked"`
	Done       time.Time     `json:"done,omitzero"` // since when nothing of it is left; zero: not yet

	tag string
}

// Open says whether segments may still hold records of the erasure.
func (e *Erasure) Open() bool { return e.Done.IsZero() }

// Bound is the offset below which the erasure takes records of a partition in a life of the topic: all of an earlier life, none of a later.
func (e *Erasure) Bound(t Topic, partition int) int64 {
	switch {
	case t.Incarnation < e.Topic.Incarnation:
		return math.MaxInt64
	case t.Incarnation > e.Topic.Incarnation:
		return 0
	}
	return e.Below[partition]
}

// sum names what an erasure asks for.
func (e *Erasure) sum() string {
	return Sum(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%t", e.Source, e.Where, e.Contains, e.AllDead))
}

func erasureFolder(topic string) string { return "lake/" + topic + "/_erased/" }

func erasureKey(topic string, number int) string {
	return fmt.Sprintf("%s%06d.json", erasureFolder(topic), number)
}

// Erasures returns the tombstones of a topic, all its lives', by number: the first has number 1 and there is no gap.
func (l *Lake) Erasures(ctx context.Context, topic string) ([]Erasure, error) {
	var all []Erasure
	folder := erasureFolder(topic)
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("erasures of topic %s: %w", topic, err)
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(object.Key, folder), ".json"))
		if err != nil || n != len(all)+1 {
			return nil, fmt.Errorf("erasures of topic %s: %w: %s stands where number %d should", topic, ErrCorrupt, object.Key, len(all)+1)
		}
		e, err := l.erasure(ctx, object.Key)
		if err != nil {
			return nil, fmt.Errorf("erasures of topic %s: %w", topic, err)
		}
		all = append(all, *e)
	}
	return all, nil
}

// erasure reads a tombstone. One that is done never changes again.
func (l *Lake) erasure(ctx context.Context, key string) (*Erasure, error) {
	l.mu.Lock()
	known := l.erasures[key]
	l.mu.Unlock()
	if known != nil {
		return known, nil
	}
	data, tag, err := l.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	e := &Erasure{}
	if err := decode(key, data, e); err != nil {
		return nil, err
	}
	e.tag = tag
	if !e.Open() {
		l.mu.Lock()
		l.erasures[key] = e
		l.mu.Unlock()
	}
	return e, nil
}

// PutErasure makes the next tombstone of a topic and returns it with its number. Of two who come at once one gets ErrExists.
func (l *Lake) PutErasure(ctx context.Context, e Erasure) (*Erasure, error) {
	if e.Topic.Name == "" || e.Topic.Incarnation < 1 || e.Definition == "" || e.Where == "" && e.Contains == "" && !e.AllDead {
		return nil, fmt.Errorf("put erasure of source %s: it names no topic, no definition or no records", e.Source)
	}
	all, err := l.Erasures(ctx, e.Topic.Name)
	if err != nil {
		return nil, err
	}
	e.Number, e.Sum, e.Asked, e.Done, e.DeadOnly = len(all)+1, e.sum(), e.Asked.UTC(), time.Time{}, e.Where == ""
	if e.tag, err = l.store.Create(ctx, erasureKey(e.Topic.Name, e.Number), encode(&e)); err != nil {
		return nil, fmt.Errorf("put erasure %d of topic %s: %w", e.Number, e.Topic.Name, err)
	}
	return &e, nil
}

// FinishErasure notes that nothing is left of an erasure's records, and takes out of the tombstone what would name them. One that is done
// already is success.
func (l *Lake) FinishErasure(ctx context.Context, e *Erasure, now time.Time) error {
	done := *e
	done.Where, done.Contains, done.Done = "", "", now.UTC()
	key := erasureKey(e.Topic.Name, e.Number)
	_, err := l.store.Swap(ctx, key, encode(&done), e.tag)
	if errors.Is(err, ErrChanged) {
		standing, readErr := l.erasure(ctx, key)
		if readErr == nil && !standing.Open() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("finish erasure %d of topic %s: %w", e.Number, e.Topic.Name, err)
	}
	return nil
}

// Asks says whether the erasure is for the same records, but for its bound.
func (e *Erasure) Asks(source, where, contains string, allDead bool) bool {
	return e.Sum == (&Erasure{Source: source, Where: where, Contains: contains, AllDead: allDead}).sum()
}

// Erased says why a snapshot may not be answered from any more: it holds records that were erased, or its boundary would let the speed layer
// read them in the log again. Nil: it may.
func (l *Lake) erased(ctx context.Context, m *Manifest) error {
	all, err := l.Erasures(ctx, m.Topic.Name)
	if err != nil {
		return err
	}
	for i := range all {
		if !m.WithoutErased(&all[i]) {
			return fmt.Errorf("%w %d of %s", ErrErased, all[i].Number, all[i].Asked.Format(time.DateOnly))
		}
	}
	return nil
}

// ErrErased says that a snapshot holds records that have been erased since.
var ErrErased = errors.New("it holds records that were erased by erasure")

// WithoutErased says whether answers that rest on the snapshot are free of an erasure's records: batch left them out, and the speed layer
// begins above them.
func (m *Manifest) WithoutErased(e *Erasure) bool {
	if e.DeadOnly {
		return true
	}
	if m.Erasures < e.Number {
		return false
	}
	for p, below := range e.Below {
		if m.Topic == e.Topic && m.Cuts[p].Offset < below {
			return false
		}
	}
	return true
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/intake"
)

// Cut is where a snapshot ends in one partition: V[p], and the state of the fold there.
type Cut struct {
	Offset   int64    `json:"offset"` // the snapshot covers exactly the records below it
	Progress Progress `json:"progress"`
}

// ViewFile is one file of a snapshot: what a view answers for the buckets of one period.
type ViewFile struct {
	Key    string `json:"key"`
	Unit   string `json:"unit"`   // "day", "week", "month" or "year"
	Period string `json:"period"` // its start, in the view's time zone: "2011-03-04"
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest is a snapshot of a view: what a batch published, immutable. Which dates a later batch has to compute again follows from its
// Cuts and the chunks between them and the later ones; see ChangedDates.
type Manifest struct {
	ID         string             `json:"id"` // sequence number and run, so that snapshots sort by age; set by Publish
	View       string             `json:"view"`
	Definition string             `json:"definition"` // hash
	Run        string             `json:"run"`        // id of the run that made it; part of its files' keys
	Created    time.Time          `json:"created"`
	Topic      Topic              `json:"topic"`             // the newest life of it that the snapshot covers
	Cuts       map[int]Cut        `json:"cuts"`              // V, by partition; one that is absent has V at its start
	Earlier    []Past             `json:"earlier,omitempty"` // the lives before it, oldest first
	Files      []ViewFile         `json:"files"`
	Ledger     []ViewFile         `json:"ledger,omitempty"` // what the run wrote about speed versus batch
	Parent     string             `json:"parent,omitempty"` // id of the snapshot that it was planned against
	Full       bool               `json:"full,omitempty"`   // computed without looking at the parent
	Events     int64              `json:"events"`           // below the cuts, duplicates among them
	Duplicates int64              `json:"duplicates"`
	Late       int64              `json:"late"` // of Events, without duplicates: what answers and the speed layer count
	Dead       int64              `json:"dead"`
	Missing    map[int][][2]int64 `json:"missing,omitempty"` // offsets [a, b) below the cuts that retention took
	// Uncomputed, of S0, are the offsets [a, b) from where the lake begins to the cut: the view came later, and no batch has computed them yet.
	Uncomputed map[int][2]int64 `json:"uncomputed,omitempty"`
	Erasures   int              `json:"erasures,omitempty"`    // how many erasures of the topic its files leave out: those of number 1 to this
	Erased     int64            `json:"erased,omitempty"`      // events that these took, of the chunks below the cuts
	ErasedDead int64            `json:"erased_dead,omitempty"` // dead letters that they took
}

// Current is the content of a CURRENT: of a view's snapshots, or of a table's versions.
type Current struct {
	Sequence int64         `json:"sequence"` // from 0, one more with each publish
	Snapshot string        `json:"snapshot"` // id; of a table: of its version
	History  []Publication `json:"history"`  // oldest first, this one the last; at most historyLimit
}

// Publication is one swing of CURRENT.
type Publication struct {
	Sequence int64  `json:"sequence"`
	Snapshot string `json:"snapshot"`
}

// historyLimit bounds CURRENT: three years of nightly publishes are some 40 KB.
const historyLimit = 1000

// Tag names the CURRENT that was read, so that a publish can tell whether it still stands. The zero Tag names none.
type Tag struct {
	etag    string
	current Current
}

// Sequence is the sequence number of the CURRENT that the tag names.
func (t Tag) Sequence() int64 { return t.current.Sequence }

// Snapshot is the id that the CURRENT names which the tag names; "" of the zero tag.
func (t Tag) Snapshot() string { return t.current.Snapshot }

// Current returns the snapshot that a view's answers rest on, under one definition, and the tag to publish against. The manifest is
// shared and must not be written to. ErrNotFound if there is none, not even S0.
func (l *Lake) Current(ctx context.Context, view, definition string) (*Manifest, Tag, error) {
	tag, err := l.readCurrent(ctx, currentKey(view, definition))
	if err != nil {
		return nil, Tag{}, fmt.Errorf("current snapshot of %s: %w", view, err)
	}
	m, err := l.Snapshot(ctx, view, definition, tag.current.Snapshot)
	if err != nil {
		return nil, Tag{}, err
	}
	return m, tag, nil
}

// Snapshot returns the snapshot of that id; it is shared and must not be written to. ErrNotFound if there is none.
func (l *Lake) Snapshot(ctx context.Context, view, definition, id string) (*Manifest, error) {
	key := snapshotKey(view, definition, id)
	l.mu.Lock()
	m := l.manifests[key]
	l.mu.Unlock()
	if m != nil {
		return m, nil
	}
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s of %s: %w", id, view, err)
	}
	m = &Manifest{}
	if err := decode(key, data, m); err != nil {
		return nil, err
	}
	if m.View != view || m.Definition != definition || m.ID != id {
		return nil, fmt.Errorf("%w: %s holds snapshot %s of %s@%s", ErrCorrupt, key, m.ID, m.View, m.Definition)
	}
	l.mu.Lock()
	l.manifests[key] = m
	l.mu.Unlock()
	return m, nil
}

// FirstRun is the run that S0 names.
const FirstRun = "first"

// EnsureFirst makes S0, the empty snapshot at the starts of the topic's log, unless the view has a snapshot already, and returns the one that
// stands. That of a view which comes to a lake with records says that nobody has computed them yet.
func (l *Lake) EnsureFirst(ctx context.Context, view, definition string, t Topic, starts map[int]int64, now time.Time) (*Manifest, Tag, error) {
	m, tag, err := l.Current(ctx, view, definition)
	if !errors.Is(err, ErrNotFound) {
		return m, tag, err
	}
	// Records that were erased may still stand in the log: a view that is new must not read them there, and waits for its first batch instead.
	all, err := l.Erasures(ctx, t.Name)
	if err != nil {
		return nil, Tag{}, err
	}
	begin, err := l.ensureBegin(ctx, t, starts)
	if err != nil {
		return nil, Tag{}, err
	}
	cuts := make(map[int]Cut, len(starts))
	for p, offset := range starts {
		cuts[p] = Cut{Offset: max(offset, begin[p]), Progress: intake.Start()}
		for i := range all {
			if all[i].Topic != t || all[i].DeadOnly || all[i].Below[p] <= cuts[p].Offset {
				continue
			}
			next, at, _, err := l.Next(ctx, t, p) // beyond the bound: an erasure waits for the archive
			if err != nil {
				return nil, Tag{}, err
			}
			cuts[p] = Cut{Offset: next, Progress: at}
		}
	}
	first := Manifest{Erasures: len(all), ID: snapshotID(0, FirstRun), View: view, Definition: definition, Run: FirstRun, Created: now.UTC(), Topic: t, Cuts: cuts}
	if first.Uncomputed, err = l.Uncomputed(ctx, t, cuts); err != nil {
		return nil, Tag{}, err
	}
	return l.createFirst(ctx, first)
}

// createFirst writes S0 and a CURRENT that names it. Racing callers may bring different starts: the manifest that was first is the one.
func (l *Lake) createFirst(ctx context.Context, m Manifest) (*Manifest, Tag, error) {
	if err := m.validate(); err != nil {
		return nil, Tag{}, err
	}
	if _, err := l.store.Create(ctx, snapshotKey(m.View, m.Definition, m.ID), encode(&m)); err != nil && !errors.Is(err, ErrExists) {
		return nil, Tag{}, fmt.Errorf("first snapshot of %s: %w", m.View, err)
	}
	current := Current{Snapshot: m.ID, History: []Publication{{Snapshot: m.ID}}}
	if _, err := l.store.Create(ctx, currentKey(m.View, m.Definition), encode(current)); err != nil && !errors.Is(err, ErrExists) {
		return nil, Tag{}, fmt.Errorf("first snapshot of %s: %w", m.View, err)
	}
	return l.Current(ctx, m.View, m.Definition)
}

// Publish makes a manifest the snapshot that answers rest on, if the CURRENT that tag names still stands: ErrChanged otherwise, and
// nothing changed. V may not go back in any partition. The published manifest is returned with its id.
func (l *Lake) Publish(ctx context.Context, m Manifest, tag Tag) (*Manifest, Tag, error) {
	m.ID = snapshotID(tag.current.Sequence+1, m.Run)
	m.Created = m.Created.UTC()
	fail := func(err error) (*Manifest, Tag, error) {
		return nil, Tag{}, fmt.Errorf("publish snapshot %s of %s: %w", m.ID, m.View, err)
	}
	if tag.etag == "" {
		return fail(errors.New("no snapshot to publish against: EnsureFirst comes before"))
	}
	if err := m.validate(); err != nil {
		return fail(err)
	}
	before, err := l.Snapshot(ctx, m.View, m.Definition, tag.current.Snapshot)
	if err != nil {
		return fail(err)
	}
	if err := m.follows(before); err != nil {
		return fail(err)
	}
	key := snapshotKey(m.View, m.Definition, m.ID)
	if _, err := l.store.Create(ctx, key, encode(&m)); errors.Is(err, ErrExists) {
		// The same run got so far before: what it wrote then is the snapshot, if it says the same.
		standing, err := l.Snapshot(ctx, m.View, m.Definition, m.ID)
		if err != nil {
			return fail(err)
		}
		if !standing.sameContent(&m) {
			return fail(fmt.Errorf("%w: the run wrote another manifest of that id before", ErrExists))
		}
	} else if err != nil {
		return fail(err)
	}
	return l.swing(ctx, m.View, m.Definition, m.ID, tag)
}

// Rollback makes an earlier snapshot the one that answers rest on, as a new publication: ErrChanged if the CURRENT that tag names no
// longer stands, ErrNotFound if there is no such snapshot, ErrErased if it holds records that were erased since.
func (l *Lake) Rollback(ctx context.Context, view, definition, id string, tag Tag) (*Manifest, Tag, error) {
	m, err := l.Snapshot(ctx, view, definition, id)
	switch {
	case err == nil:
		err = l.erased(ctx, m)
	case errors.Is(err, ErrNotFound) && slices.ContainsFunc(tag.current.History, func(p Publication) bool { return p.Snapshot == id }):
		err = fmt.Errorf("it was published once and is not kept any more: it was pruned, or expired as it held records that were erased since: %w", ErrNotFound)
	}
	if err != nil {
		return nil, Tag{}, fmt.Errorf("roll back: %w", err)
	}
	return l.swing(ctx, view, definition, id, tag)
}

func (l *Lake) swing(ctx context.Context, view, definition, id string, tag Tag) (*Manifest, Tag, error) {
	next, err := l.swingCurrent(ctx, currentKey(view, definition), id, tag)
	if err != nil {
		return nil, Tag{}, fmt.Errorf("publish snapshot %s of %s: %w", id, view, err)
	}
	m, err := l.Snapshot(ctx, view, definition, id)
	if err != nil {
		return nil, Tag{}, err
	}
	return m, next, nil
}

// Snapshots returns the snapshots of a view under one definition that were published and are kept, oldest first, and its current state.
// A manifest whose publish never came about is not among them. ErrNotFound if the view has none.
func (l *Lake) Snapshots(ctx context.Context, view, definition string) ([]*Manifest, Current, error) {
	_, tag, err := l.Current(ctx, view, definition)
	if err != nil {
		return nil, Current{}, err
	}
	published := map[string]bool{}
	for _, p := range tag.current.History {
		published[p.Snapshot] = true
	}
	var snapshots []*Manifest
	folder := viewFolder(view, definition) + "/snapshots/"
	for object, err := range l.store.List(ctx, folder) {
		if err != nil {
			return nil, Current{}, fmt.Errorf("snapshots of %s: %w", view, err)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(object.Key, folder), ".json")
		if !published[id] {
			continue
		}
		m, err := l.Snapshot(ctx, view, definition, id)
		if err != nil {
			return nil, Current{}, err
		}
		snapshots = append(snapshots, m)
	}
	return snapshots, tag.current, nil
}

// cutName is where a run notes its cut, among its files.
const cutName = "cut.json"

func snapshotID(sequence int64, run string) string { return fmt.Sprintf("%06d-%s", sequence, run) }

func (m *Manifest) validate() error {
	if err := errors.Join(checkName("view", m.View), checkName("definition", m.Definition), checkName("run", m.Run)); err != nil {
		return err
	}
	if m.Run == "snapshots" || m.Run == "CURRENT" {
		return fmt.Errorf("run %q: the name is taken", m.Run)
	}
	if m.Topic.Name == "" || m.Topic.Incarnation < 1 {
		return fmt.Errorf("snapshot of %s: no topic incarnation", m.View)
	}
	if err := checkCuts(m.Cuts); err != nil {
		return fmt.Errorf("snapshot of %s: %w", m.View, err)
	}
	if err := m.validateEarlier(); err != nil {
		return err
	}
	for _, f := range m.Files {
		if f.Key == "" || len(f.SHA256) != 64 {
			return fmt.Errorf("snapshot of %s: file %q has the SHA-256 %q", m.View, f.Key, f.SHA256)
		}
	}
	return nil
}

// sameContent compares all but when the manifest was made.
func (m *Manifest) sameContent(other *Manifest) bool {
	a, b := *m, *other
	a.Created, b.Created = time.Time{}, time.Time{}
	return string(encode(&a)) == string(encode(&b))
}

// Offsets is V, by partition.
func (m *Manifest) Offsets() map[int]int64 {
	v := make(map[int]int64, len(m.Cuts))
	for p := range maps.Keys(m.Cuts) {
		v[p] = m.Cuts[p].Offset
	}
	return v
}

package lake_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
)

const hash = "0123456789abcdef0123456789abcdef"

var night = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func first(t *testing.T, l *lake.Lake) lake.Tag {
	t.Helper()
	_, tag, err := l.EnsureFirst(t.Context(), "sales", hash, topic, map[int]int64{0: 100, 1: 0}, night)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func manifest(run string, p0, p1 int64) lake.Manifest {
	return lake.Manifest{View: "sales", Definition: hash, Run: run, Created: night, Topic: topic, Cuts: map[int]lake.Cut{
		0: {Offset: p0, Progress: lake.Progress{MaxEventTime: p0, MaxTimestamp: p0}}, 1: {Offset: p1},
	}, Files: []lake.ViewFile{{Key: "views/sales/0123456789ab/" + run + "/day=2026-11-20.parquet", Unit: "day", Period: "2026-11-20", Rows: 1, Bytes: 2, SHA256: lake.Sum([]byte(run))}}}
}

func publish(t *testing.T, l *lake.Lake, m lake.Manifest, tag lake.Tag) lake.Tag {
	t.Helper()
	_, tag, err := l.Publish(t.Context(), m, tag)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func wantCurrent(t *testing.T, l *lake.Lake, id string, sequence int64) *lake.Manifest {
	t.Helper()
	m, tag, err := l.Current(t.Context(), "sales", hash)
	if err != nil || m.ID != id || tag.Sequence() != sequence {
		t.Fatalf("current is %+v, sequence %d, %v; want %s, %d", m, tag.Sequence(), err, id, sequence)
	}
	return m
}

func TestTheFirstSnapshotIsMadeOnceAndHoldsTheLogsStarts(t *testing.T) {
	dir := t.TempDir()
	_, _, err := lake.New(openStore(t, dir, lake.Options{})).Current(t.Context(), "sales", hash)
	wantErr(t, err, lake.ErrNotFound)
	var wg sync.WaitGroup
	got := make([]*lake.Manifest, 8)
	for i := range got {
		wg.Go(func() {
			l := lake.New(openStore(t, dir, lake.Options{NoSync: true}))
			var err error
			if got[i], _, err = l.EnsureFirst(t.Context(), "sales", hash, topic, map[int]int64{0: int64(100 + i)}, night); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m := wantCurrent(t, lake.New(openStore(t, dir, lake.Options{})), "000000-first", 0)
	for _, g := range got {
		if g == nil || g.Cuts[0] != m.Cuts[0] || g.Cuts[0].Progress != intake.Start() || len(g.Files) != 0 {
			t.Errorf("somebody got %+v, the first is %+v", g, m)
		}
	}
}

// Where the lake begins is noted once. A view that comes when retention has moved the log's start says what of the lake it lacks.
func TestAFirstSnapshotSaysWhatNobodyHasComputed(t *testing.T) {
	l, _ := newLake(t)
	firstOf := func(view string, of lake.Topic, starts map[int]int64) *lake.Manifest {
		m, _, err := l.EnsureFirst(t.Context(), view, hash, of, starts, night)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := firstOf("sales", topic, map[int]int64{0: 100, 1: 0}); m.Uncomputed != nil || m.Cuts[0].Offset != 100 {
		t.Errorf("the first view begins at %v and lacks %v", m.Cuts, m.Uncomputed)
	}
	m := firstOf("visits", topic, map[int]int64{0: 300, 1: 0, 2: 7})
	if want := map[int][2]int64{0: {100, 300}, 2: {0, 7}}; !maps.Equal(m.Uncomputed, want) || m.Cuts[0].Offset != 300 {
		t.Errorf("a later view begins at %v and lacks %v, want %v", m.Cuts, m.Uncomputed, want)
	}
	if m := firstOf("people", topic, map[int]int64{0: 90}); m.Uncomputed != nil || m.Cuts[0].Offset != 100 {
		t.Errorf("a view whose maker had looked at the log before begins at %v and lacks %v: the lake begins at 100", m.Cuts, m.Uncomputed)
	}
	next := lake.Topic{Name: topic.Name, Incarnation: topic.Incarnation + 1}
	if m := firstOf("others", next, map[int]int64{0: 5}); !maps.Equal(m.Uncomputed, map[int][2]int64{0: {0, 5}}) {
		t.Errorf("a view of a later life lacks %v: that life began at 0", m.Uncomputed)
	}
}

func TestAPublishMovesCurrentAndAnotherAgainstTheSameLoses(t *testing.T) {
	l, s := newLake(t)
	tag := first(t, l)
	other := lake.New(s)
	_, otherTag, err := other.Current(t.Context(), "sales", hash)
	if err != nil {
		t.Fatal(err)
	}
	m, after, err := l.Publish(t.Context(), manifest("r1", 200, 50), tag)
	if err != nil || m.ID != "000001-r1" || after.Sequence() != 1 {
		t.Fatalf("published %+v, sequence %d, %v", m, after.Sequence(), err)
	}
	_, _, err = other.Publish(t.Context(), manifest("r2", 300, 60), otherTag)
	wantErr(t, err, lake.ErrChanged)
	got := wantCurrent(t, other, "000001-r1", 1)
	if got.Cuts[0].Offset != 200 || len(got.Files) != 1 || !got.Created.Equal(night) {
		t.Errorf("current is %+v", got)
	}
	published, _, err := other.Snapshots(t.Context(), "sales", hash)
	if err != nil || len(published) != 2 || published[0].ID != "000000-first" || published[1].ID != "000001-r1" {
		t.Errorf("snapshots are %v, %v: one that was never published must not be among them", published, err)
	}
}

func TestAPublishMayNotGoBack(t *testing.T) {
	l, _ := newLake(t)
	tag := publish(t, l, manifest("r1", 200, 50), first(t, l))
	lower := manifest("r2", 199, 50)
	absent := manifest("r2", 200, 50)
	delete(absent.Cuts, 1)
	elsewhere := manifest("r2", 200, 50)
	elsewhere.Topic.Incarnation = 2 // without what the snapshot before covers of life 1
	for _, m := range []lake.Manifest{lower, absent, elsewhere} {
		if _, _, err := l.Publish(t.Context(), m, tag); err == nil {
			t.Errorf("published %+v", m)
		}
	}
	wantCurrent(t, l, "000001-r1", 1)
	same := manifest("r2", 200, 50) // no new records: a full run of a mended lake
	publish(t, l, same, tag)
}

func TestARollbackIsAPublicationOfTheOlderSnapshot(t *testing.T) {
	l, s := newLake(t)
	tag0 := first(t, l)
	tag := publish(t, l, manifest("r1", 200, 50), tag0)
	tag = publish(t, l, manifest("r2", 300, 60), tag)
	_, stale := s, tag
	_, tag, err := l.Rollback(t.Context(), "sales", hash, "000001-r1", tag)
	if err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, l, "000001-r1", 3)
	_, _, err = l.Publish(t.Context(), manifest("r3", 400, 70), stale)
	wantErr(t, err, lake.ErrChanged)
	_, _, err = l.Rollback(t.Context(), "sales", hash, "000009-none", tag)
	wantErr(t, err, lake.ErrNotFound)
	publish(t, l, manifest("r3", 250, 50), tag) // behind r2, but not behind the current one
	if m := wantCurrent(t, l, "000004-r3", 4); m.Offsets()[0] != 250 {
		t.Error(m)
	}
	_, current, err := l.Snapshots(t.Context(), "sales", hash)
	want := []lake.Publication{{Sequence: 0, Snapshot: "000000-first"}, {Sequence: 1, Snapshot: "000001-r1"}, {Sequence: 2, Snapshot: "000002-r2"}, {Sequence: 3, Snapshot: "000001-r1"}, {Sequence: 4, Snapshot: "000004-r3"}}
	if err != nil || !slices.Equal(current.History, want) {
		t.Errorf("history is %v, %v", current.History, err)
	}
}

// CURRENT whose bytes came back would let a publish through that was planned against the first of them.
func TestCurrentNeverHasTheSameBytesTwice(t *testing.T) {
	l, s := newLake(t)
	tag := first(t, l)
	tag = publish(t, l, manifest("r1", 200, 50), tag)
	seen := map[string]bool{}
	for i := range 6 {
		var err error
		if _, tag, err = l.Rollback(t.Context(), "sales", hash, []string{"000000-first", "000001-r1"}[i%2], tag); err != nil {
			t.Fatal(err)
		}
		data, etag, err := s.Get(t.Context(), "views/sales/0123456789ab/CURRENT")
		if err != nil || seen[etag] {
			t.Fatalf("%s has the tag of an earlier one, %v", data, err)
		}
		seen[etag] = true
	}
}

func TestARunThatCrashedInItsPublishCanRepeatIt(t *testing.T) {
	for write := 1; write <= 2; write++ {
		for _, after := range []bool{false, true} {
			l, s := newLake(t)
			first(t, l)
			f := lake.New(&faulty{Store: s, left: write, after: after})
			_, tag, err := f.Current(t.Context(), "sales", hash)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := f.Publish(t.Context(), manifest("r1", 200, 50), tag); !errors.Is(err, errCrash) {
				t.Fatalf("write %d: %v", write, err)
			}
			again := lake.New(s)
			m, tag, err := again.Current(t.Context(), "sales", hash)
			if err != nil {
				t.Fatal(err)
			}
			if m.Run != "r1" { // what a run that is started again looks at
				later := manifest("r1", 200, 50)
				later.Created = night.Add(time.Hour)
				publish(t, again, later, tag)
			}
			wantCurrent(t, again, "000001-r1", 1)
		}
	}
}

func TestARunThatMeetsAnotherManifestOfItsOwnIsRefused(t *testing.T) {
	l, s := newLake(t)
	tag := first(t, l)
	f := lake.New(&faulty{Store: s, left: 2})
	if _, _, err := f.Publish(t.Context(), manifest("r1", 200, 50), tag); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	_, _, err := l.Publish(t.Context(), manifest("r1", 201, 50), tag)
	wantErr(t, err, lake.ErrExists)
	wantCurrent(t, l, "000000-first", 0)
}

func TestOfRacingPublishesOneWins(t *testing.T) {
	l, s := newLake(t)
	tag := first(t, l)
	won := race(t, 8, lake.ErrChanged, func(i int) error {
		_, _, err := lake.New(s).Publish(t.Context(), manifest(fmt.Sprintf("r%d", i), 200, 50), tag)
		return err
	})
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestManifestsThatCannotBeRightAreRefused(t *testing.T) {
	l, _ := newLake(t)
	tag := first(t, l)
	for name, spoil := range map[string]func(*lake.Manifest){
		"view with a slash":     func(m *lake.Manifest) { m.View = "a/b" },
		"no view":               func(m *lake.Manifest) { m.View = "" },
		"run named snapshots":   func(m *lake.Manifest) { m.Run = "snapshots" },
		"run that leaves":       func(m *lake.Manifest) { m.Run = ".." },
		"no incarnation":        func(m *lake.Manifest) { m.Topic.Incarnation = 0 },
		"life not before it":    func(m *lake.Manifest) { m.Earlier = []lake.Past{{Incarnation: 1}} },
		"negative cut":          func(m *lake.Manifest) { m.Cuts[2] = lake.Cut{Offset: -1} },
		"file without checksum": func(m *lake.Manifest) { m.Files[0].SHA256 = "" },
	} {
		m := manifest("r1", 200, 50)
		spoil(&m)
		if _, _, err := l.Publish(t.Context(), m, tag); err == nil {
			t.Errorf("%s: published", name)
		}
	}
	if _, _, err := l.Publish(t.Context(), manifest("r1", 200, 50), lake.Tag{}); err == nil {
		t.Error("published against nothing")
	}
}

func TestARunsCutIsTheOneThatWasPutFirst(t *testing.T) {
	l, s := newLake(t)
	_, err := l.RunCut(t.Context(), "sales", hash, "r1")
	wantErr(t, err, lake.ErrNotFound)
	want := lake.RunCut{Topic: topic, Cuts: manifest("r1", 200, 50).Cuts, Earlier: []lake.Past{{Incarnation: 1, Cuts: manifest("r0", 7, 9).Cuts}}}
	for i, put := range []int64{200, 201, rand.Int64N(1000)} {
		cut := want
		cut.Cuts = manifest("r1", put, 50+int64(i)).Cuts
		got, err := lake.New(s).PutRunCut(t.Context(), "sales", hash, "r1", cut)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
}

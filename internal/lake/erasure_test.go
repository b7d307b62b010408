package lake_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/testservices"
)

// asked is an erasure of some records below offset 200 of partition 0.
func asked(where string) lake.Erasure {
	return lake.Erasure{Source: "orders", Definition: hash, Topic: topic, Below: map[int]int64{0: 200}, Where: where, By: "test", Asked: night}
}

func TestErasuresAreNumberedAndForgetWhatTheyWereOnceDone(t *testing.T) {
	onFolderAndS3(t, func(t *testing.T, s lake.Store) {
		l := lake.New(s)
		first := must[*lake.Erasure](t)(l.PutErasure(t.Context(), asked("user = 'ann'")))
		second := must[*lake.Erasure](t)(l.PutErasure(t.Context(), asked("user = 'bob'")))
		if first.Number != 1 || second.Number != 2 || !first.Open() || !first.Asks("orders", "user = 'ann'", "", false) || first.Asks("orders", "user = 'bob'", "", false) {
			t.Fatalf("%+v, %+v", first, second)
		}
		for range 2 { // the second time it is done already
			if err := l.FinishErasure(t.Context(), first, night); err != nil {
				t.Fatal(err)
			}
		}
		all := must[[]lake.Erasure](t)(lake.New(s).Erasures(t.Context(), topic.Name))
		if len(all) != 2 || all[0].Open() || all[0].Where != "" || !all[0].Asks("orders", "user = 'ann'", "", false) || !all[1].Open() || all[1].Where != "user = 'bob'" {
			t.Fatalf("%+v", all)
		}
		body, _, err := s.Get(t.Context(), "lake/"+topic.Name+"/_erased/000001.json")
		if err != nil || strings.Contains(string(body), "ann") {
			t.Errorf("%s, %v", body, err)
		}
		if _, err := l.PutErasure(t.Context(), asked("")); err == nil {
			t.Error("an erasure of nothing was put")
		}
	})
}

// onFolderAndS3 runs a test on both kinds of store.
func onFolderAndS3(t *testing.T, do func(t *testing.T, s lake.Store)) {
	t.Run("folder", func(t *testing.T) { do(t, openStore(t, t.TempDir(), lake.Options{NoSync: true})) })
	t.Run("S3", func(t *testing.T) {
		server := testservices.S3(t)
		do(t, openStore(t, s3URL(t, server), s3Options(t, server)))
	})
}

func TestARevisionTakesThePlaceOfACommitWhateverIsRemembered(t *testing.T) {
	onFolderAndS3(t, func(t *testing.T, s lake.Store) {
		l, other := lake.New(s), lake.New(s)
		commitOne(t, l, 0, 10)
		commitOne(t, l, 10, 20)
		before := must[[]lake.Chunk](t)(other.Chunks(t.Context(), topic, 0, 0)) // and so remembered
		c := before[1]
		old := c.Files[0]
		revised := old
		revised.Key, revised.Rows, revised.SHA256 = l.RevisedKey(old, 3), old.Rows-1, lake.Sum([]byte("less"))
		c.Files, c.Revision, c.Events, c.Erased = []lake.ChunkFile{revised}, 3, c.Events-1, 1
		if err := l.PutRevision(t.Context(), topic, 0, lake.Revision{Erasure: 2, Chunks: []lake.Chunk{c}}); err == nil {
			t.Error("a chunk of another revision was taken")
		}
		for range 2 {
			if err := l.PutRevision(t.Context(), topic, 0, lake.Revision{Erasure: 3, Chunks: []lake.Chunk{c}, Replaced: []lake.ChunkFile{old}, Events: 1}); err != nil {
				t.Fatal(err)
			}
		}
		for _, reader := range []*lake.Lake{l, other, lake.New(s)} {
			after := must[[]lake.Chunk](t)(reader.Chunks(t.Context(), topic, 0, 0))
			if len(after) != 2 || after[0].Revision != 0 || after[1].Revision != 3 || after[1].Files[0].Key != revised.Key || after[1].Progress != before[1].Progress {
				t.Fatalf("%+v", after)
			}
			if all := must[[]lake.Chunk](t)(reader.Committed(t.Context(), topic, 0)); len(all) != 2 || all[1].Revision != 3 {
				t.Fatalf("%+v", all)
			}
			if only := must[[]lake.Chunk](t)(reader.Chunks(t.Context(), topic, 0, 15)); len(only) != 1 || only[0].Revision != 3 {
				t.Fatalf("%+v", only)
			}
		}
		again := c
		again.Files, again.Revision, again.Events, again.Erased = nil, 4, 0, before[1].Events
		if key := l.RevisedKey(revised, 4); strings.Count(key, ".r") != 1 || !strings.HasSuffix(key, ".r000004.parquet") {
			t.Error(key)
		}
		if err := l.PutRevision(t.Context(), topic, 0, lake.Revision{Erasure: 4, Chunks: []lake.Chunk{again}}); err != nil {
			t.Fatal(err)
		}
		if after := must[[]lake.Chunk](t)(other.Chunks(t.Context(), topic, 0, 10)); after[0].Revision != 4 || len(after[0].Files) != 0 {
			t.Fatalf("%+v", after)
		}
		commitOne(t, other, 20, 30) // the archive goes on behind it
	})
}

func TestASnapshotWithErasedRecordsIsNotGoneBackTo(t *testing.T) {
	l, _ := newLake(t)
	tag := first(t, l)
	tag = publish(t, l, manifest("low", 150, 5), tag)
	e := must[*lake.Erasure](t)(l.PutErasure(t.Context(), asked("user = 'ann'")))
	clean := manifest("below", 160, 5) // without the records, but the log above its boundary has some
	clean.Erasures = 1
	tag = publish(t, l, clean, tag)
	clean = manifest("clean", 200, 5)
	clean.Erasures = 1
	tag = publish(t, l, clean, tag)
	tag = publish(t, l, func() lake.Manifest { m := manifest("next", 300, 5); m.Erasures = 1; return m }(), tag)
	for _, id := range []string{"000000-first", "000001-low", "000002-below"} {
		_, _, err := l.Rollback(t.Context(), "sales", hash, id, tag)
		wantErr(t, err, lake.ErrErased)
	}
	if err := l.FinishErasure(t.Context(), e, night); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteSnapshot(t.Context(), "sales", hash, "000001-low"); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.Rollback(t.Context(), "sales", hash, "000001-low", tag)
	if !errors.Is(err, lake.ErrNotFound) || !strings.Contains(err.Error(), "erased since") {
		t.Errorf("%v", err)
	}
	if _, _, err := l.Rollback(t.Context(), "sales", hash, "000003-clean", tag); err != nil {
		t.Error(err)
	}
}

func TestTheFirstSnapshotOfANewViewBeginsBeyondWhatWasErased(t *testing.T) {
	l, _ := newLake(t)
	for at := int64(0); at < 210; at += 10 {
		commitOne(t, l, at, at+10)
	}
	must[*lake.Erasure](t)(l.PutErasure(t.Context(), asked("user = 'ann'")))
	m, _, err := l.EnsureFirst(t.Context(), "sales", hash, topic, map[int]int64{0: 0, 1: 7}, night)
	if err != nil || m.Cuts[0].Offset != 210 || m.Cuts[1].Offset != 7 || m.Erasures != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	_, at, _, err := l.Next(t.Context(), topic, 0)
	if err != nil || m.Cuts[0].Progress != at {
		t.Errorf("%+v and %+v, %v", m.Cuts[0], at, err)
	}
}

func TestWhatIsPublishedIsFoundUnderEveryDefinition(t *testing.T) {
	l, _ := newLake(t)
	first(t, l)
	other := strings.Repeat("f", 64)
	_, tag, err := l.EnsureFirst(t.Context(), "visits", other, topic, map[int]int64{0: 100}, night)
	if err != nil {
		t.Fatal(err)
	}
	m := manifest("2026", 110, 10)
	m.View, m.Definition = "visits", other
	publish(t, l, m, tag)
	all := must[[]lake.Published](t)(l.Published(t.Context()))
	if len(all) != 2 || all[0].Manifest.View != "sales" || all[1].Manifest.Run != "2026" || all[1].Tag.Sequence() != 1 {
		t.Fatalf("%+v", all)
	}
	if partitions := must[[]int](t)(l.Partitions(t.Context(), topic)); len(partitions) != 0 {
		t.Errorf("partitions %v", partitions)
	}
	commitOne(t, l, 0, 10)
	if partitions := must[[]int](t)(l.Partitions(t.Context(), topic)); len(partitions) != 1 || partitions[0] != 0 {
		t.Errorf("partitions %v", partitions)
	}
}

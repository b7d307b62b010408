package lake_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/lake"
	"pgregory.net/rapid"
)

var topic = lake.Topic{Name: "orders", Incarnation: 1}

// archiver is the least that an archive does, over a log whose record at offset o has the date o/10 and is a dead letter if o%7 is 3.
type archiver struct {
	lake *lake.Lake
	size int64 // records per chunk that it would choose
	end  int64 // of the log
}

// step finishes the open chunk, or makes the next.
func (a *archiver) step(ctx context.Context) (done bool, err error) {
	next, at, open, err := a.lake.Next(ctx, topic, 3)
	if err != nil {
		return false, err
	}
	if open == nil {
		next = max(next, 0)
		if next >= a.end {
			return true, nil
		}
		last := min(next+a.size, a.end) - 1
		chunk, err := a.lake.PutIntent(ctx, topic, 3, lake.Intent{First: next, Last: last, Next: last + 1, Definition: "d", IngestedAt: a.size})
		if err != nil && !errors.Is(err, lake.ErrExists) {
			return false, err
		}
		if chunk.Committed {
			return false, nil
		}
		open = &chunk
	}
	return false, a.finish(ctx, *open, at)
}

func (a *archiver) finish(ctx context.Context, c lake.Chunk, at lake.Progress) error {
	for o := c.First; o <= c.Last; {
		from, date := o, fmt.Sprintf("2026-11-%02d", 1+o/10)
		for ; o <= c.Last && o/10 == from/10; o++ {
		}
		dead := from%7 == 3
		key := a.lake.SegmentKey(topic, date, 3, c.First)
		if dead {
			key = a.lake.DeadKey(topic, date, 3, c.First)
		}
		file, err := a.lake.PutFile(ctx, key, fmt.Appendf(nil, "%d to %d at %d", from, o, c.IngestedAt))
		if err != nil {
			return err
		}
		c.Files = append(c.Files, lake.ChunkFile{Key: file.Key, Date: date, Rows: o - from, Bytes: file.Bytes, SHA256: file.SHA256, Dead: dead, First: from, Last: o - 1})
		if dead {
			c.Dead += o - from
		} else {
			c.Events += o - from
		}
	}
	c.Progress = lake.Progress{MaxEventTime: max(at.MaxEventTime, c.Last), MaxTimestamp: c.Next}
	return a.lake.Commit(ctx, topic, 3, c)
}

// checkArchive asserts DESIGN's "nothing lost": every offset is in exactly one file, and every file is what its commit says.
func checkArchive(t rapid.TB, ctx context.Context, s lake.Store, end int64) {
	t.Helper()
	chunks, err := lake.New(s).Chunks(ctx, topic, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	next, named := int64(0), map[string]bool{}
	for _, c := range chunks {
		if c.First != next || !c.Committed {
			t.Fatalf("chunk [%d, %d), committed %v, after %d", c.First, c.Next, c.Committed, next)
		}
		at := c.First
		for _, f := range c.Files {
			if f.First != at || f.Rows != f.Last-f.First+1 {
				t.Fatalf("file %s holds %d to %d, %d rows, after %d", f.Key, f.First, f.Last, f.Rows, at)
			}
			path, err := s.Fetch(ctx, f.Key, f.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if data, _ := os.ReadFile(path); string(data) != fmt.Sprintf("%d to %d at %d", f.First, f.Last+1, c.IngestedAt) {
				t.Fatalf("file %s holds %q", f.Key, data)
			}
			at, named[f.Key] = f.Last+1, true
		}
		if at != c.Last+1 {
			t.Fatalf("chunk [%d, %d): files end at %d", c.First, c.Next, at)
		}
		next = c.Next
	}
	if next != end {
		t.Fatalf("chunks end at %d, the log at %d", next, end)
	}
	for _, folder := range []string{"lake/orders/inc=1/dt=", "dead/"} { // what a reader sees who only lists
		for object, err := range s.List(ctx, folder) {
			if err != nil || !named[object.Key] {
				t.Fatalf("no commit names %s (%v)", object.Key, err)
			}
		}
	}
}

func TestArchiveLosesAndRepeatsNothingWhereverItCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := openStore(t, must[string](t)(os.MkdirTemp(t.TempDir(), "")), lake.Options{NoSync: true})
		end := rapid.Int64Range(1, 60).Draw(rt, "end")
		for range rapid.IntRange(0, 6).Draw(rt, "crashes") {
			f := &faulty{Store: store, left: rapid.IntRange(1, 6).Draw(rt, "write"), after: rapid.Bool().Draw(rt, "after")}
			a := &archiver{lake: lake.New(f).IndexEvery(2), size: rapid.Int64Range(1, 30).Draw(rt, "size"), end: end}
			for {
				done, err := a.step(t.Context())
				if done || errors.Is(err, errCrash) {
					break
				}
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
		a := &archiver{lake: lake.New(store).IndexEvery(2), size: 25, end: end}
		for done := false; !done; {
			var err error
			if done, err = a.step(t.Context()); err != nil {
				rt.Fatal(err)
			}
		}
		checkArchive(rt, t.Context(), store, end)
	})
}

func TestArchiversThatRaceDoTheSameWork(t *testing.T) {
	dir := t.TempDir()
	const end = 200
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			a := &archiver{lake: lake.New(openStore(t, dir, lake.Options{NoSync: true})).IndexEvery(3), size: 7 + int64(i)*5, end: end}
			for done := false; !done; {
				var err error
				done, err = a.step(t.Context())
				// A zombie's next chunk may begin where another has gone on meanwhile: it looks again.
				if err != nil && !errors.Is(err, lake.ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	checkArchive(t, t.Context(), openStore(t, dir, lake.Options{}), end)
}

func newLake(t *testing.T) (*lake.Lake, lake.Store) {
	t.Helper()
	s := openStore(t, t.TempDir(), lake.Options{NoSync: true})
	return lake.New(s), s
}

func TestTheLoserOfAnIntentGetsTheOneThatStands(t *testing.T) {
	l, s := newLake(t)
	mine := lake.Intent{First: 0, Last: 9, Next: 11, Definition: "d", IngestedAt: 5, Gone: [][2]int64{{10, 11}}}
	first := must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, mine))
	if !reflect.DeepEqual(first.Intent, mine) || first.Committed {
		t.Fatalf("got %+v", first)
	}
	zombie := lake.New(s)
	standing, err := zombie.PutIntent(t.Context(), topic, 0, lake.Intent{First: 0, Last: 4, Next: 5, Definition: "e", IngestedAt: 6})
	wantErr(t, err, lake.ErrExists)
	if !reflect.DeepEqual(standing.Intent, mine) {
		t.Fatalf("got %+v", standing)
	}
	if err := zombie.Commit(t.Context(), topic, 0, standing); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context(), topic, 0, first); err != nil { // the same
		t.Fatal("losing to an equal commit failed:", err)
	}
	first.Progress.MaxTimestamp = 77
	wantErr(t, l.Commit(t.Context(), topic, 0, first), lake.ErrChanged)
	standing, err = l.PutIntent(t.Context(), topic, 0, mine)
	wantErr(t, err, lake.ErrExists)
	if !standing.Committed {
		t.Fatal("the committed chunk was not returned")
	}
}

func TestAnIntentMustBeginWhereTheChainEnds(t *testing.T) {
	l, _ := newLake(t)
	put := func(first, next int64) error {
		c, err := l.PutIntent(t.Context(), topic, 0, lake.Intent{First: first, Last: next - 1, Next: next, Definition: "d"})
		if err == nil {
			err = l.Commit(t.Context(), topic, 0, c)
		}
		return err
	}
	if err := errors.Join(put(100, 110), put(110, 120)); err != nil { // the log may begin anywhere
		t.Fatal(err)
	}
	for _, first := range []int64{0, 99, 105, 119, 121} {
		if err := put(first, first+10); !errors.Is(err, lake.ErrChanged) {
			t.Errorf("an intent at %d: %v", first, err)
		}
	}
	for _, in := range []lake.Intent{{First: 120, Last: 119, Next: 120, Definition: "d"}, {First: 120, Last: 130, Next: 130, Definition: "d"}, {First: -1, Last: -1, Next: 3, Definition: "d"},
		{First: 120, Last: 118, Next: 122, Definition: "d"}, {First: 120, Last: 121, Next: 122}} {
		if _, err := l.PutIntent(t.Context(), topic, 0, in); err == nil {
			t.Errorf("%+v was taken", in)
		}
	}
	next, _, open, err := l.Next(t.Context(), topic, 0)
	if next != 120 || open != nil || err != nil {
		t.Errorf("next is %d, open %v, %v", next, open, err)
	}
}

func TestAnEmptyChunkMovesNextOn(t *testing.T) {
	l, _ := newLake(t)
	c := must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, lake.Intent{First: 0, Last: -1, Next: 3, Definition: "d"})) // control markers only
	c.Progress = lake.Progress{MaxEventTime: 1, MaxTimestamp: 2}
	c.Missing = [][2]int64{{0, 2}}
	if err := l.Commit(t.Context(), topic, 0, c); err != nil {
		t.Fatal(err)
	}
	next, at, _, err := l.Next(t.Context(), topic, 0)
	if next != 3 || at != c.Progress || err != nil {
		t.Fatalf("next is %d at %+v, %v", next, at, err)
	}
	got := must[[]lake.Chunk](t)(l.Chunks(t.Context(), topic, 0, 0))
	if len(got) != 1 || !reflect.DeepEqual(got[0].Missing, c.Missing) {
		t.Fatalf("chunks are %+v", got)
	}
}

func TestNextOfAnEmptyLakeIsTheLogsStart(t *testing.T) {
	l, _ := newLake(t)
	next, at, open, err := l.Next(t.Context(), topic, 0)
	if next != -1 || at != intake.Start() || open != nil || err != nil {
		t.Fatalf("next is %d at %+v, open %v, %v", next, at, open, err)
	}
	must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, lake.Intent{First: 7, Last: 7, Next: 8, Definition: "d"}))
	next, at, open, err = l.Next(t.Context(), topic, 0)
	if next != 7 || at != intake.Start() || open == nil || open.First != 7 || err != nil {
		t.Fatalf("next is %d at %+v, open %v, %v", next, at, open, err)
	}
}

func TestACommitThatDoesNotAddUpIsRefused(t *testing.T) {
	l, _ := newLake(t)
	c := must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, lake.Intent{First: 10, Last: 19, Next: 20, Definition: "d"}))
	good := lake.ChunkFile{Key: "k", Date: "2026-11-20", Rows: 10, Bytes: 1, SHA256: lake.Sum(nil), First: 10, Last: 19}
	for name, spoil := range map[string]func(*lake.Chunk, *lake.ChunkFile){
		"rows and events":     func(c *lake.Chunk, f *lake.ChunkFile) { c.Events = 9 },
		"dead letters":        func(c *lake.Chunk, f *lake.ChunkFile) { f.Dead = true },
		"offset below":        func(c *lake.Chunk, f *lake.ChunkFile) { f.First = 9 },
		"offset above":        func(c *lake.Chunk, f *lake.ChunkFile) { f.Last = 20 },
		"no checksum":         func(c *lake.Chunk, f *lake.ChunkFile) { f.SHA256 = "" },
		"a file without rows": func(c *lake.Chunk, f *lake.ChunkFile) { f.Rows, c.Events = 0, 0 },
	} {
		bad, file := c, good
		bad.Events = 10
		spoil(&bad, &file)
		bad.Files = []lake.ChunkFile{file}
		if err := l.Commit(t.Context(), topic, 0, bad); err == nil {
			t.Errorf("%s: committed", name)
		}
	}
	c.Events, c.Files = 10, []lake.ChunkFile{good}
	if err := l.Commit(t.Context(), topic, 0, c); err != nil {
		t.Fatal(err)
	}
}

func TestChunksThatContradictEachOtherAreRefused(t *testing.T) {
	l, s := newLake(t)
	body := must2(t)(s.Get(t.Context(), commitOne(t, l, 0, 10)))
	for name, put := range map[string][2]string{
		"gap":         {"lake/orders/inc=1/_chunks/p=000/000000000000000011.json", `{"first":11,"last":11,"next":12,"definition":"d","ingested_at":0,"committed":true,"events":0,"duplicates":0,"late":0,"dead":0,"progress":{"max_event_time":0,"max_timestamp":0}}`},
		"other name":  {"lake/orders/inc=1/_chunks/p=000/000000000000000010.json", string(body)},
		"unknown key": {"lake/orders/inc=1/_chunks/p=000/000000000000000010.json", `{"first":10,"surprise":1}`},
	} {
		if err := s.Put(t.Context(), put[0], []byte(put[1])); err != nil {
			t.Fatal(err)
		}
		if chunks, err := lake.New(s).Chunks(t.Context(), topic, 0, 0); err == nil {
			t.Errorf("%s: %+v", name, chunks)
		}
		if err := s.Delete(t.Context(), put[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func must2(t *testing.T) func(data []byte, tag string, err error) []byte {
	return func(data []byte, _ string, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

func commitOne(t *testing.T, l *lake.Lake, first, next int64) (key string) {
	t.Helper()
	c := must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, lake.Intent{First: first, Last: next - 1, Next: next, Definition: "d"}))
	c.Events = next - first
	c.Files = []lake.ChunkFile{{Key: l.SegmentKey(topic, "2026-11-20", 0, first), Date: "2026-11-20", Rows: next - first, SHA256: lake.Sum(nil), First: first, Last: next - 1}}
	if err := l.Commit(t.Context(), topic, 0, c); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("lake/orders/inc=1/_chunks/p=000/%018d.json", first)
}

func TestChunksBeginWithTheOneThatHoldsTheOffset(t *testing.T) {
	l, s := newLake(t)
	for i := range int64(40) {
		commitOne(t, l, i*10, i*10+10)
	}
	for _, reader := range []*lake.Lake{l, lake.New(s)} {
		for range 20 {
			from := rand.Int64N(420)
			got := must[[]lake.Chunk](t)(reader.Chunks(t.Context(), topic, 0, from))
			if want := max(0, 40-int(from/10)); len(got) != want || want > 0 && got[0].First != from/10*10 {
				t.Fatalf("from %d: %d chunks, %v", from, len(got), got[:min(1, len(got))])
			}
		}
	}
}

// counting counts the objects that are read.
type counting struct {
	lake.Store
	gets atomic.Int32
}

func (c *counting) Get(ctx context.Context, key string) ([]byte, string, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, key)
}

func TestAChainIsReadFromItsIndexAndFromTheCommitsBehindIt(t *testing.T) {
	l, s := newLake(t)
	l.IndexEvery(10)
	for i := range int64(38) {
		commitOne(t, l, i*10, i*10+10)
	}
	// The thirty-ninth intent found 38 commits: three indexes of ten are there, and eight commits behind them.
	must[lake.Chunk](t)(l.PutIntent(t.Context(), topic, 0, lake.Intent{First: 380, Last: 389, Next: 390, Definition: "d"}))
	if got := list(t, s, "lake/orders/inc=1/_chunkindex/", ""); len(got) != 3 {
		t.Fatalf("indexes are %q", got)
	}
	c := &counting{Store: s}
	fresh := lake.New(c)
	got := must[[]lake.Chunk](t)(fresh.Chunks(t.Context(), topic, 0, 0))
	want := must[[]lake.Chunk](t)(l.Chunks(t.Context(), topic, 0, 0))
	if len(got) != 39 || got[38].Committed {
		t.Fatalf("%d chunks", len(got))
	}
	for i := range got[:38] {
		if a, b := fmt.Sprintf("%+v", got[i].Files), fmt.Sprintf("%+v", want[i].Files); !reflect.DeepEqual(got[i].Intent, want[i].Intent) || a != b {
			t.Fatalf("chunk %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if n := c.gets.Load(); n != 3+9 {
		t.Errorf("%d objects were read, want 3 indexes and 9 commits", n)
	}
	must[[]lake.Chunk](t)(fresh.Chunks(t.Context(), topic, 0, 0))
	if n := c.gets.Load(); n != 3+9+1 {
		t.Errorf("%d objects were read after a second look: what is committed must not be read again", n)
	}
}

func TestAChainIsWholeWithoutSomeOfItsIndexes(t *testing.T) {
	for lost := range 3 {
		l, s := newLake(t)
		l.IndexEvery(2)
		for i := range int64(7) {
			commitOne(t, l, i*10, i*10+10)
		}
		keys := list(t, s, "lake/orders/inc=1/_chunkindex/", "")
		if len(keys) != 3 {
			t.Fatalf("indexes are %q", keys)
		}
		if err := s.Delete(t.Context(), keys[lost]); err != nil {
			t.Fatal(err)
		}
		got := must[[]lake.Chunk](t)(lake.New(s).Chunks(t.Context(), topic, 0, 0))
		if len(got) != 7 {
			t.Errorf("without index %d the chain has %d chunks of 7", lost, len(got))
		}
	}
}

func TestSegmentsHaveTheKeysThatTheDesignGives(t *testing.T) {
	l, _ := newLake(t)
	if got := l.SegmentKey(topic, "2026-11-20", 3, 1_200_000); got != "lake/orders/inc=1/dt=2026-11-20/p=003/000000000001200000.parquet" {
		t.Error(got)
	}
	if got := l.DeadKey(topic, "2026-11-20", 3, 1_200_000); got != "dead/orders/inc=1/dt=2026-11-20/p=003/000000000001200000.parquet" {
		t.Error(got)
	}
	if got := l.ViewKey("sales", "0123456789abcdef", "r1", "day", "2011-03-04"); got != "views/sales/0123456789ab/r1/day=2011-03-04.parquet" {
		t.Error(got)
	}
}

// A date has to be computed again exactly if a record between the two cuts is of it.
func TestChangedDatesAreThoseOfTheRecordsBetweenTheCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var chunks []lake.Chunk
		dates := map[string][]int64{}
		next := int64(0)
		for range rapid.IntRange(0, 6).Draw(t, "chunks") {
			c := lake.Chunk{Intent: lake.Intent{First: next}}
			byDate := map[string]*lake.ChunkFile{}
			for range rapid.IntRange(0, 8).Draw(t, "records") {
				date := rapid.SampledFrom([]string{"2026-11-01", "2026-11-02", "2026-11-03"}).Draw(t, "date")
				if byDate[date] == nil {
					byDate[date] = &lake.ChunkFile{Date: date, First: next}
				}
				byDate[date].Last = next
				dates[date] = append(dates[date], next)
				next++
			}
			for _, f := range byDate {
				c.Files = append(c.Files, *f)
			}
			c.Next = next
			chunks = append(chunks, c)
		}
		from := rapid.Int64Range(0, next).Draw(t, "from")
		to := rapid.Int64Range(from, next).Draw(t, "to")
		got := lake.ChangedDates(chunks, from, to)
		for date, offsets := range dates {
			changed := slices.ContainsFunc(offsets, func(o int64) bool { return o >= from && o < to })
			if changed && !slices.Contains(got, date) {
				t.Fatalf("%s changed in [%d, %d) and is not among %v", date, from, to, got)
			}
			needed := slices.ContainsFunc(offsets, func(o int64) bool { return o < to })
			if files := segmentsOf(chunks, date, to); needed != (len(files) > 0) {
				t.Fatalf("%s below %d: %v", date, to, files)
			}
		}
		if from == 0 && to == next && len(got) != len(dates) {
			t.Fatalf("all of it changed %v, there are %v", got, dates)
		}
		if from == to && len(got) > 0 {
			// A file spans its first to its last offset; nothing between equal cuts may count.
			t.Fatalf("nothing changed, and yet %v", got)
		}
	})
}

// segmentsOf returns the segments of a date (UTC) that hold offsets below `to`.
func segmentsOf(chunks []lake.Chunk, date string, to int64) []lake.ChunkFile {
	var files []lake.ChunkFile
	for _, c := range chunks {
		for _, f := range c.Files {
			if !f.Dead && f.Date == date && f.First < to {
				files = append(files, f)
			}
		}
	}
	return files
}

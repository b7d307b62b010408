package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caudal/caudal/internal/intake"
)

var group = Group{Project: "shop", Topic: "orders", Incarnation: 1, Partition: 3, View: "sales", Hash: "abc123"}

func at(n int64) intake.Progress { return intake.Progress{MaxEventTime: 10 * n, MaxTimestamp: 11 * n} }

func take(t *testing.T, r *Redis, v int64, token, inst string) Meta {
	t.Helper()
	m, _, err := r.Take(context.Background(), group, v, at(v), token, inst)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// written numbers the segments that tests write.
var written atomic.Uint32

func write(id ChunkID, fresh bool, cells ...string) ChunkWrite {
	var c Cells
	for i := 0; i < len(cells); i += 2 {
		c.Fields = append(c.Fields, []byte(cells[i]))
		c.Values = append(c.Values, []byte(cells[i+1]))
	}
	return CellsWrite(id, fresh, written.Add(1), c)
}

// step is a flush of [from, to) by the owner of m.
func step(m Meta, to int64, chunks ...ChunkWrite) Flush {
	return Flush{Group: group, Inst: m.Inst, Token: m.Token, Start: m.Newest(), From: m.Off, To: to, Coarse: m.Coarse, CoarseTo: to, CoarseAt: at(to),
		Progress: at(to), Counts: Counts{Events: to}, Cells: m.Cells + newCells(chunks), Chunks: chunks}
}

// newCells is how many cells there are in chunks that are new.
func newCells(chunks []ChunkWrite) (n int64) {
	for i := range chunks {
		if chunks[i].New {
			n += int64(chunks[i].Cells)
		}
	}
	return n
}

func flushed(t *testing.T, r *Redis, f Flush) {
	t.Helper()
	if res := r.Flush(context.Background(), []Flush{f})[0]; !res.Applied {
		t.Fatalf("flush [%d, %d) was not applied: %+v", f.From, f.To, res)
	}
}

func peek(t *testing.T, r *Redis) Meta {
	t.Helper()
	m, ok, err := r.Peek(context.Background(), group)
	if err != nil || !ok {
		t.Fatalf("peek: %v, %v", ok, err)
	}
	return m
}

func minute(start, chunk int64) ChunkID { return ChunkID{Start: start, Grain: "1m", Chunk: chunk} }

func TestWorker1TakeCreatesKeepsAndStartsAfresh(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m, how, err := r.Take(ctx, group, 5, at(5), "t1", "i1")
		want := Meta{Inst: "i1", Token: "t1", Off: 5, Starts: []int64{5}, Progress: at(5), Coarse: 5, CoarseAt: at(5), Chunks: map[ChunkID]int64{}}
		if err != nil || how != NewMissing || !reflect.DeepEqual(m, want) {
			t.Fatalf("first take: %+v, %v, %v", m, how, err)
		}
		flushed(t, r, step(m, 9, write(minute(5, -2), true, "a", "1")))
		m, how, err = r.Take(ctx, group, 5, at(0), "t2", "i2")
		want = Meta{Inst: "i1", Token: "t2", Off: 9, Starts: []int64{5}, Progress: at(9), Counts: Counts{Events: 9}, Coarse: 9, CoarseAt: at(9),
			Chunks: map[ChunkID]int64{minute(5, -2): 9}, Cells: 1}
		if err != nil || how != Held || !reflect.DeepEqual(m, want) {
			t.Fatalf("take of a held group: %+v, %v, %v", m, how, err)
		}
		m, how, err = r.Take(ctx, group, 7, at(7), "t3", "i3")
		want = Meta{Inst: "i3", Token: "t3", Off: 7, Starts: []int64{7}, Progress: at(7), Coarse: 7, CoarseAt: at(7), Chunks: map[ChunkID]int64{}}
		if err != nil || how != NewStart || !reflect.DeepEqual(m, want) {
			t.Fatalf("take at a boundary that is not held: %+v, %v, %v", m, how, err)
		}
		if n := len(keys(t, r)); n != 1 {
			t.Errorf("%d keys are left of which the meta alone is alive: %v", n, keys(t, r))
		}
	})
}

func TestWorker1TakeStartsAfreshWhereAChunkIsLost(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		for _, lost := range []string{"i1:0:1m:4", "chunks"} {
			empty(t, r)
			m := take(t, r, 0, "t1", "i1")
			flushed(t, r, step(m, 2, write(minute(0, 4), true, "a", "1")))
			r.client.Del(context.Background(), group.prefix()+lost)
			if m, how, err := r.Take(context.Background(), group, 0, at(0), "t2", "i2"); err != nil || how != NewChunk || m.Inst != "i2" || m.Off != 0 {
				t.Errorf("without %s: %+v, %v, %v", lost, m, how, err)
			}
		}
	})
}

func TestWorker5FlushWritesCellsOffsetProgressAndCounts(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := take(t, r, 0, "t", "i")
		hour := ChunkID{Start: 0, Grain: "1h", Chunk: 7}
		flushed(t, r, step(m, 10, write(minute(0, 4), true, "a", "1", "b", "2"), write(hour, true, "h", "x\x00\xff\r\n")))
		m = peek(t, r)
		flushed(t, r, step(m, 12, write(minute(0, 4), false, "b", "3", "c", "4")))
		m = peek(t, r)
		want := Meta{Inst: "i", Token: "t", Off: 12, Starts: []int64{0}, Progress: at(12), Counts: Counts{Events: 12}, Coarse: 12, CoarseAt: at(12),
			Chunks: map[ChunkID]int64{minute(0, 4): 12, hour: 10}, Cells: 3}
		if !reflect.DeepEqual(m, want) {
			t.Fatalf("meta is\n%+v, not\n%+v", m, want)
		}
		if got := cellsOf(t, r, ReadRequest{V: 0, Grain: "1m", MinChunk: 4, MaxChunk: 4}); got != "0:1m:4@12 a=1 b=3 c=4" {
			t.Errorf("minutes are %s", got)
		}
		if got := cellsOf(t, r, ReadRequest{V: 0, Grain: "1h", MinChunk: -1e6, MaxChunk: 1e6}); got != "0:1h:7@10 h=x\x00\xff\r\n" {
			t.Errorf("hours are %q", got)
		}
	})
}

func TestWorker5FlushBeyondTheLuaStack(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		take(t, r, 0, "t", "i")
		known := ChunkWrite{ID: ValuesID(0, 0), New: true}
		gone := ChunkWrite{ID: minute(0, 0)}
		to := int64(0)
		flush := func(w ...ChunkWrite) {
			to++
			flushed(t, r, step(peek(t, r), to, w...))
		}
		for i := range 9001 {
			known.Fields = append(known.Fields, []byte(fmt.Sprintf("f%04d", i)))
			known.Values = append(known.Values, []byte(fmt.Sprint(i)))
			gone.Gone = append(gone.Gone, SegmentName(uint32(i+1)))
		}
		flush(known, CellsWrite(minute(0, 0), true, 9001, Cells{[][]byte{[]byte("a")}, [][]byte{[]byte("1")}}))
		last := CellsWrite(minute(0, 0), false, 9002, Cells{[][]byte{[]byte("b")}, [][]byte{[]byte("2")}})
		gone.Fields, gone.Values = last.Fields, last.Values
		flush(gone)
		l, err := r.Limits(context.Background(), group, 0, true)
		if err != nil || len(l.Epochs[0].Values[0]) != 9001 {
			t.Fatalf("%d fields, %v", len(l.Epochs[0].Values[0]), err)
		}
		if got := cellsOf(t, r, ReadRequest{V: 0, Grain: "1m"}); got != "0:1m:0@2 b=2" {
			t.Fatalf("the chunk of which 9001 segments were to go is %s", got)
		}
	})
}

func TestWorker5FlushChecksEverythingBeforeItWrites(t *testing.T) {
	held := minute(0, 4)
	cases := []struct {
		name   string
		damage func(ctx context.Context, r *Redis)
		change func(f *Flush)
		lost   bool
	}{
		{"another life", nil, func(f *Flush) { f.Inst = "i9" }, false},
		{"another owner", nil, func(f *Flush) { f.Token = "t9" }, false},
		{"another epoch", nil, func(f *Flush) { f.Start = 1 }, false},
		{"another offset", nil, func(f *Flush) { f.From = 9 }, false},
		{"no group", func(ctx context.Context, r *Redis) { r.client.Del(ctx, group.meta()) }, nil, false},
		{"lost index", func(ctx context.Context, r *Redis) { r.client.Del(ctx, group.index()) }, nil, true},
		{"lost chunk", func(ctx context.Context, r *Redis) { r.client.Del(ctx, group.prefix()+"i:0:1m:4") }, nil, true},
		{"chunk not new", nil, func(f *Flush) { f.Chunks[1].New = true }, true},
		{"chunk not there", nil, func(f *Flush) { f.Chunks[0].New = false }, true},
	}
	eachServer(t, func(t *testing.T, r *Redis) {
		for _, c := range cases {
			ctx := context.Background()
			empty(t, r)
			m := take(t, r, 0, "t", "i")
			flushed(t, r, step(m, 10, write(held, true, "a", "1")))
			f := step(peek(t, r), 20, write(minute(0, 5), true, "n", "1"), write(held, false, "a", "2"))
			if c.damage != nil {
				c.damage(ctx, r)
			}
			if c.change != nil {
				c.change(&f)
			}
			before := dump(t, r)
			res := r.Flush(ctx, []Flush{f})[0]
			if res.Applied || res.Err != nil || (res.Lost != "") != c.lost {
				t.Errorf("%s: %+v", c.name, res)
			}
			if after := dump(t, r); !reflect.DeepEqual(before, after) {
				t.Errorf("%s: the refused flush changed\n%v to\n%v", c.name, before, after)
			}
		}
	})
}

func TestWorker6TheReplyTellsTheCasesApart(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		f := step(m, 10, write(minute(0, 4), true, "a", "1"))
		flushed(t, r, f)
		res := r.Flush(ctx, []Flush{f})[0] // the reply was lost, so it is sent again
		if res.Applied || !f.WasApplied(res.Found) || f.WasCut(res.Found) {
			t.Errorf("(i) a repeated flush found %+v", res)
		}
		f = step(peek(t, r), 20, write(minute(0, 4), false, "a", "2"))
		if _, _, ok, err := r.Cut(ctx, group); !ok || err != nil {
			t.Fatal(ok, err)
		}
		res = r.Flush(ctx, []Flush{f})[0]
		if res.Applied || f.WasApplied(res.Found) || !f.WasCut(res.Found) {
			t.Errorf("(ii) a flush after a cut found %+v", res)
		}
		take(t, r, 0, "other", "i2")
		res = r.Flush(ctx, []Flush{f})[0]
		if res.Applied || f.WasApplied(res.Found) || f.WasCut(res.Found) {
			t.Errorf("(iii) a flush by who is owner no more found %+v", res)
		}
		empty(t, r)
		res = r.Flush(ctx, []Flush{f})[0]
		if res.Applied || !res.Found.Missing || f.WasApplied(res.Found) || f.WasCut(res.Found) {
			t.Errorf("(iii) a flush to an empty Redis found %+v", res)
		}
	})
}

func TestWorker5CallsOfOnePipelineFollowEachOther(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := take(t, r, 0, "t", "i")
		a := step(m, 10, write(minute(0, 4), true, "a", "1"))
		m.Off, m.Coarse = 10, 10
		b := step(m, 20, write(minute(0, 4), false, "a", "2"))
		m.Off, m.Coarse = 30, 30 // does not follow
		c := step(m, 40, write(minute(0, 4), false, "a", "3"))
		res := r.Flush(context.Background(), []Flush{a, b, c})
		if !res[0].Applied || !res[1].Applied || res[2].Applied || res[2].Err != nil || res[2].Found.Off != 20 {
			t.Fatalf("%+v", res)
		}
	})
}

func TestFlushOfNoCellsMovesTheOffset(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		flushed(t, r, step(take(t, r, 0, "t", "i"), 10))
		if m := peek(t, r); m.Off != 10 || m.Progress != at(10) {
			t.Errorf("%+v", m)
		}
	})
}

func TestWorker3LoadReadsOnlyWhatTheCallerBelieves(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		hour := ChunkID{Start: 0, Grain: "1h", Chunk: 7}
		flushed(t, r, step(m, 10, write(minute(0, 4), true, "a", "1", "b", "2"), write(hour, true, "h", "")))
		right := Expect{"i", "t", 0, 10, 10}
		got, err := r.Load(ctx, group, right, minute(0, 4))
		if err != nil || !got.OK || len(got.Segments) != 1 {
			t.Fatal(got, err)
		}
		if cells := got.Segments[0].Cells; !reflect.DeepEqual(cells, Cells{[][]byte{[]byte("a"), []byte("b")}, [][]byte{[]byte("1"), []byte("2")}}) {
			t.Errorf("the cells are %q", cells)
		}
		got, err = r.Load(ctx, group, right, hour)
		if err != nil || len(got.Segments) != 1 || len(got.Segments[0].Values) != 1 || len(got.Segments[0].Values[0]) != 0 {
			t.Errorf("an empty state is %+v, %v", got, err)
		}
		for _, wrong := range []Expect{{"x", "t", 0, 10, 10}, {"i", "x", 0, 10, 10}, {"i", "t", 1, 10, 10}, {"i", "t", 0, 11, 10}, {"i", "t", 0, 10, 9}} {
			if got, err := r.Load(ctx, group, wrong, hour); got.OK || err != nil || wrong.WasCut(got.Found) {
				t.Errorf("%+v was believed: %+v, %v", wrong, got, err)
			}
		}
		r.client.Del(ctx, group.prefix()+"i:0:1h:7")
		if got, err := r.Load(ctx, group, right, hour); got.OK || got.Lost != "0:1h:7" || err != nil {
			t.Errorf("a lost chunk was read: %+v, %v", got, err)
		}
		r.Cut(ctx, group)
		if got, err := r.Load(ctx, group, right, hour); got.OK || !right.WasCut(got.Found) || err != nil {
			t.Errorf("a cut was taken for something else: %+v, %v", got, err)
		}
	})
}

func TestWorker7HeadsShowWhatPollingNeeds(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		flushed(t, r, step(take(t, r, 0, "t", "i"), 10))
		r.Cut(ctx, group)
		other := group
		other.View = "other"
		h := r.Heads(ctx, []Group{group, other})
		if !h[0].OK || h[0].Inst != "i" || h[0].Off != 10 || !h[0].Holds(0) || !h[0].Holds(10) || h[0].Holds(5) {
			t.Errorf("head is %+v", h[0])
		}
		if h[1].OK || h[1].Err != nil {
			t.Errorf("head of nothing is %+v", h[1])
		}
	})
}

func TestBatch9CutBeginsAnEpochOnceAndWritesNothingWhereThereIsNone(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		if _, _, ok, err := r.Cut(ctx, group); ok || err != nil || len(keys(t, r)) != 0 {
			t.Fatalf("cut of nothing: %v, %v, %v", ok, err, keys(t, r))
		}
		m := take(t, r, 5, "t", "i")
		if off, p, ok, err := r.Cut(ctx, group); off != 5 || p != at(5) || !ok || err != nil {
			t.Fatal(off, p, ok, err)
		}
		if got := peek(t, r).Starts; !slices.Equal(got, []int64{5}) {
			t.Errorf("a cut at the start of an epoch made %v", got)
		}
		flushed(t, r, step(m, 10, write(minute(5, 1), true, "a", "1")))
		for range 2 {
			if off, p, ok, err := r.Cut(ctx, group); off != 10 || p != at(10) || !ok || err != nil {
				t.Fatal(off, p, ok, err)
			}
		}
		m = peek(t, r)
		if !slices.Equal(m.Starts, []int64{5, 10}) || m.Newest() != 10 {
			t.Errorf("starts are %v", m.Starts)
		}
		flushed(t, r, step(m, 20, write(minute(10, 1), true, "a", "2")))
		if got := cellsOf(t, r, ReadRequest{V: 5, Grain: "1m", MinChunk: 0, MaxChunk: 9}); got != "10:1m:1@20 a=2; 5:1m:1@10 a=1" {
			t.Errorf("from 5 on: %s", got)
		}
		if got := cellsOf(t, r, ReadRequest{V: 10, Grain: "1m", MinChunk: 0, MaxChunk: 900}); got != "10:1m:1@20 a=2" {
			t.Errorf("from 10 on: %s", got)
		}
	})
}

func TestBatch9AFullRedisDoesNotForbidTheCut(t *testing.T) {
	r := realRedis(t)
	ctx := context.Background()
	m := take(t, r, 0, "t", "i")
	flushed(t, r, step(m, 10, write(minute(0, 1), true, "a", "1")))
	if err := r.client.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	defer r.client.ConfigSet(ctx, "maxmemory", "0")
	if res := r.Flush(ctx, []Flush{step(peek(t, r), 20, write(minute(0, 1), false, "a", "2"))})[0]; res.Err == nil || !strings.Contains(res.Err.Error(), "OOM") {
		t.Fatalf("Redis is not full: %+v", res)
	}
	if off, _, ok, err := r.Cut(ctx, group); off != 10 || !ok || err != nil {
		t.Errorf("cut: %v, %v, %v", off, ok, err)
	}
	if dropped, ok, err := r.Drop(ctx, group, 10, 10); !slices.Equal(dropped, []int64{0}) || !ok || err != nil {
		t.Errorf("drop: %v, %v, %v", dropped, ok, err)
	}
	if off, _, ok, err := r.Seal(ctx, group, "nobody"); off != 10 || !ok || err != nil {
		t.Errorf("seal: %v, %v, %v", off, ok, err)
	}
}

func TestBatch13DropTakesEpochsBelowAndOnlyWithCurrentAmongTheStarts(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		for _, off := range []int64{10, 20, 30} {
			flushed(t, r, step(m, off, write(minute(m.Newest(), 1), true, "a", "1"), write(minute(m.Newest(), 2), true, "b", "1")))
			r.Cut(ctx, group)
			m = peek(t, r)
		}
		if _, ok, err := r.Drop(ctx, group, 15, 10); ok || err != nil {
			t.Errorf("dropped though 15 starts no epoch: %v", err)
		}
		if _, _, err := r.Drop(ctx, group, 10, 20); err == nil {
			t.Error("dropped what CURRENT needs")
		}
		if d, ok, err := r.Drop(ctx, group, 20, 0); len(d) != 0 || !ok || err != nil {
			t.Errorf("nothing to drop: %v, %v, %v", d, ok, err)
		}
		d, ok, err := r.Drop(ctx, group, 20, 20)
		if !slices.Equal(d, []int64{0, 10}) || !ok || err != nil {
			t.Fatalf("drop: %v, %v, %v", d, ok, err)
		}
		m = peek(t, r)
		if !slices.Equal(m.Starts, []int64{20, 30}) || len(m.Chunks) != 2 || len(keys(t, r)) != 4 {
			t.Errorf("left are %+v and %v", m, keys(t, r))
		}
		// The owner goes on, and nobody finds anything lost.
		flushed(t, r, step(m, 31, write(minute(30, 1), true, "a", "1")))
		if _, how, err := r.Take(ctx, group, 20, at(20), "t", "i"); how != Held || err != nil {
			t.Errorf("take: %v, %v", how, err)
		}
	})
}

func TestReader16KnownChunksAreNotSentAgain(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := take(t, r, 0, "t", "i")
		flushed(t, r, step(m, 10, write(minute(0, 1), true, "a", "1"), write(minute(0, 2), true, "b", "1")))
		flushed(t, r, step(peek(t, r), 20, write(minute(0, 2), false, "b", "2")))
		known := map[ChunkID]int64{minute(0, 1): 10, minute(0, 2): 10}
		for _, hi := range []int64{5, 5000} { // by name, and by listing
			q := ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: hi, Tenure: Meta{Inst: "i", Token: "t"}.Tenure(), Known: known}
			if got := cellsOf(t, r, q); got != "0:1m:1@10 same; 0:1m:2@20 b=2" {
				t.Errorf("up to %d: %s", hi, got)
			}
			q.Tenure = "before"
			if got := cellsOf(t, r, q); got != "0:1m:1@10 a=1; 0:1m:2@20 b=2" {
				t.Errorf("up to %d, of another life: %s", hi, got)
			}
			q.MinChunk = 2
			if got := cellsOf(t, r, q); got != "0:1m:2@20 b=2" {
				t.Errorf("from 2 up to %d: %s", hi, got)
			}
		}
	})
}

// After a failover that lost writes the next owner writes chunks of the same versions again, and what they hold may differ.
func TestReader16ChunksOfAnEarlierOwnerAreSentAgain(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := take(t, r, 0, "t", "i")
		flushed(t, r, step(m, 10, write(minute(0, 1), true, "a", "1")))
		q := ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: 5, Tenure: m.Tenure(), Known: map[ChunkID]int64{minute(0, 1): 10}}
		if got := cellsOf(t, r, q); got != "0:1m:1@10 same" {
			t.Errorf("of the same owner: %s", got)
		}
		take(t, r, 0, "next", "unused")
		if got := cellsOf(t, r, q); got != "0:1m:1@10 a=1" {
			t.Errorf("of the owner before: %s", got)
		}
	})
}

func TestReader17SaysWhyItCannotServe(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		q := ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: 9}
		expect := func(want Served, lost string) {
			t.Helper()
			got, err := r.Read(ctx, group, q)
			if err != nil || got.Served != want || got.Lost != lost || len(got.Chunks) != 0 {
				t.Errorf("%+v, %v; want %s %s", got, err, want, lost)
			}
		}
		expect(ServedNothing, "")
		flushed(t, r, step(take(t, r, 0, "t", "i"), 10, write(minute(0, 1), true, "a", "1")))
		q.V = 10
		expect(ServedNoStart, "")
		q.V = 0
		r.client.Del(ctx, group.prefix()+"i:0:1m:1")
		expect(ServedLost, "0:1m:1")
		r.client.Del(ctx, group.index())
		expect(ServedLost, "the index")
	})
}

func TestScriptsAreSentAgainToAServerThatForgotThem(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		flushed(t, r, step(m, 10, write(minute(0, 1), true, "a", "1")))
		if err := r.client.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		m = peek(t, r)
		a := step(m, 20, write(minute(0, 1), false, "a", "2"))
		m.Off, m.Coarse = 20, 20
		b := step(m, 30, write(minute(0, 1), false, "a", "3"))
		if res := r.Flush(ctx, []Flush{a, b}); !res[0].Applied || !res[1].Applied {
			t.Errorf("%+v", res)
		}
	})
}

// loadsBetween loads a script after the first command of a pipeline, as another loop may, once.
type loadsBetween struct {
	redis.Hook
	t      *testing.T
	r      *Redis
	source string
	done   bool
}

func (*loadsBetween) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*loadsBetween) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *loadsBetween) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if h.done || len(cmds) < 2 {
			return next(ctx, cmds)
		}
		h.done = true
		first := next(ctx, cmds[:1])
		if err := h.r.client.ScriptLoad(ctx, h.source).Err(); err != nil {
			h.t.Error(err)
		}
		return errors.Join(first, next(ctx, cmds[1:]))
	}
}

func TestAFlushBehindOneThatTheServerDidNotKnowYetIsSentAgainToo(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		if err := r.client.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		a := step(m, 10, write(minute(0, 1), true, "a", "1"))
		m.Off, m.Coarse = 10, 10
		b := step(m, 20, write(minute(0, 1), false, "a", "2"))
		between := &loadsBetween{t: t, r: r, source: a.command(ctx, false).Args()[1].(string)}
		r.client.AddHook(between)
		if res := r.Flush(ctx, []Flush{a, b}); !res[0].Applied || !res[1].Applied || !between.done {
			t.Errorf("%+v, between %t", res, between.done)
		}
	})
}

func TestOffsetsBeyondDoublesStayExact(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		const big = int64(1)<<53 + 1
		m := take(t, r, big, "t", "i")
		f := step(m, big+2, write(minute(big, 1), true, "a", "1"))
		f.From = big - 1
		f.Start = big - 1
		if res := r.Flush(context.Background(), []Flush{f})[0]; res.Applied {
			t.Error("an offset that is the same as a double was taken for the same")
		}
		flushed(t, r, step(m, big+2, write(minute(big, 1), true, "a", "1")))
		if off, _, _, _ := r.Cut(context.Background(), group); off != big+2 {
			t.Errorf("cut at %d", off)
		}
	})
}

func TestCheckRefusesARedisThatEvicts(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		if err := r.Check(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r := realRedis(t)
	ctx := context.Background()
	r.client.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru")
	defer r.client.ConfigSet(ctx, "maxmemory-policy", "noeviction")
	if err := r.Check(ctx); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "noeviction") {
		t.Errorf("an evicting Redis passed: %v", err)
	}
}

func TestUnreachableRedisIsAnErrorOfEachCall(t *testing.T) {
	r, err := Connect(Config{Addrs: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := context.Background()
	f := Flush{Group: group, Inst: "i", Token: "t", To: 1}
	if res := r.Flush(ctx, []Flush{f, f}); res[0].Err == nil || res[1].Err == nil {
		t.Errorf("%+v", res)
	}
	if h := r.Heads(ctx, []Group{group}); h[0].Err == nil || h[0].OK {
		t.Errorf("%+v", h)
	}
	if err := r.Check(ctx); err == nil || errors.Is(err, ErrUnfit) {
		t.Errorf("check says %v", err)
	}
	_, err = r.Read(ctx, group, ReadRequest{Grain: "1m"})
	if err == nil {
		t.Error("read from nowhere")
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("no address is valid")
	}
}

func TestCellNamesSortByTimeAndSplitAgain(t *testing.T) {
	var last []byte
	for _, us := range []int64{-1 << 62, -1, 0, 1, 1 << 62} {
		f := AppendField(nil, us, []byte("k"))
		if bytes.Compare(last, f) >= 0 {
			t.Errorf("%d does not sort after the one before", us)
		}
		b, k, err := SplitField(f)
		if b != us || string(k) != "k" || err != nil {
			t.Errorf("%d split into %d, %q, %v", us, b, k, err)
		}
		last = f
	}
	if _, _, err := SplitField([]byte("short")); err == nil {
		t.Error("a short name was split")
	}
}

// cellsOf reads and prints, sorted.
func cellsOf(t *testing.T, r *Redis, q ReadRequest) string {
	t.Helper()
	got, err := r.Read(context.Background(), group, q)
	if err == nil && got.Served != ServedWhole {
		err = errors.New(string(got.Served))
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range got.Chunks {
		var cells []string
		for i := range c.Cells.Fields {
			cells = append(cells, fmt.Sprintf(" %s=%s", c.Cells.Fields[i], c.Cells.Values[i]))
		}
		if c.Same {
			cells = []string{" same"}
		}
		slices.Sort(cells)
		lines = append(lines, fmt.Sprintf("%s@%d%s", c.ID.field(), c.Version, strings.Join(cells, "")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

func keys(t *testing.T, r *Redis) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	err := r.eachNode(context.Background(), func(ctx context.Context, n *redis.Client) error {
		k, err := n.Keys(ctx, "*").Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, k...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// dump is everything that Redis holds.
func dump(t *testing.T, r *Redis) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, k := range keys(t, r) {
		if k == "ready" {
			continue
		}
		h, err := r.client.HGetAll(context.Background(), k).Result()
		if err != nil {
			t.Fatal(err)
		}
		out[k] = h
	}
	return out
}

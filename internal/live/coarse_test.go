package live

import (
	"context"
	"reflect"
	"strings"
	"testing"
)

func hour(start, chunk int64) ChunkID { return ChunkID{Start: start, Grain: "1h", Chunk: chunk} }

// fine is a flush that leaves the coarser grains where they are.
func fine(m Meta, to int64, chunks ...ChunkWrite) Flush {
	f := step(m, to, chunks...)
	f.CoarseTo, f.CoarseAt = m.Coarse, m.CoarseAt
	return f
}

// coarser is a flush of the coarser grains alone.
func coarser(m Meta, to int64, before []int64, chunks ...ChunkWrite) Flush {
	f := step(m, m.Off, chunks...)
	f.CoarseTo, f.CoarseAt, f.Before = to, at(to), before
	return f
}

// cutBehind is a group of the epochs 0 and 20 at offset 30, whose coarser grains stand at 10 in the first.
func cutBehind(t *testing.T, r *Redis) Meta {
	t.Helper()
	empty(t, r)
	flushed(t, r, step(take(t, r, 0, "t", "i"), 10, write(minute(0, 4), true, "a", "1"), write(hour(0, 7), true, "h", "1")))
	flushed(t, r, fine(peek(t, r), 20, write(minute(0, 4), false, "a", "2")))
	cut(t, r)
	flushed(t, r, fine(peek(t, r), 30, write(minute(20, 4), true, "a", "3")))
	return peek(t, r)
}

func TestCoarserGrainsHaveAnOffsetOfTheirOwn(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := cutBehind(t, r)
		if m.Off != 30 || m.Coarse != 10 || m.CoarseAt != at(10) || m.Progress != at(30) {
			t.Fatalf("meta is %+v", m)
		}
		rest := coarser(m, 20, []int64{0}, write(hour(0, 7), false, "h", "2"))
		flushed(t, r, rest)
		again := r.Flush(context.Background(), []Flush{rest})[0]
		if again.Applied || !rest.WasApplied(again.Found) || rest.WasCut(again.Found) {
			t.Errorf("a repeated flush found %+v", again.Found)
		}
		flushed(t, r, coarser(peek(t, r), 30, nil, write(hour(20, 7), true, "h", "3")))
		want := map[ChunkID]int64{minute(0, 4): 20, minute(20, 4): 30, hour(0, 7): 20, hour(20, 7): 30}
		if m = peek(t, r); m.Off != 30 || m.Coarse != 30 || !reflect.DeepEqual(m.Chunks, want) {
			t.Errorf("meta is %+v", m)
		}
		f := coarser(m, 30, nil)
		f.Coarse, f.From, f.To = 20, 30, 30
		cut(t, r)
		if res := r.Flush(context.Background(), []Flush{f})[0]; res.Applied {
			t.Errorf("a flush from 20 was applied at 30: %+v", res)
		}
	})
}

func TestACoarseFlushChecksEverythingBeforeItWrites(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		for _, c := range []struct {
			name   string
			change func(f *Flush)
		}{
			{"another offset of the coarser grains", func(f *Flush) { f.Coarse = 9 }},
			{"another offset of the finest", func(f *Flush) { f.From, f.To = 29, 29 }},
			{"an epoch that is not held", func(f *Flush) { f.Before = []int64{5} }},
			{"epochs that are not all", func(f *Flush) { f.Before, f.Whole = nil, true }},
			{"another owner", func(f *Flush) { f.Token = "t9" }},
		} {
			f := coarser(cutBehind(t, r), 20, []int64{0}, write(hour(0, 7), false, "h", "2"))
			c.change(&f)
			before := dump(t, r)
			res := r.Flush(context.Background(), []Flush{f})[0]
			if res.Applied || res.Err != nil || res.Lost != "" {
				t.Errorf("%s: %+v", c.name, res)
			}
			if after := dump(t, r); !reflect.DeepEqual(before, after) {
				t.Errorf("%s: the refused flush changed\n%v to\n%v", c.name, before, after)
			}
		}
		f := coarser(cutBehind(t, r), 25, []int64{0})
		if res := r.Flush(context.Background(), []Flush{f})[0]; res.Err == nil || !strings.Contains(res.Err.Error(), "beyond the epoch that ends at 20") {
			t.Errorf("a flush across the end of an epoch: %+v", res)
		}
		f = coarser(cutBehind(t, r), 15, nil)
		if res := r.Flush(context.Background(), []Flush{f})[0]; res.Err == nil || !strings.Contains(res.Err.Error(), "not in the first of the epochs [20]") {
			t.Errorf("a flush from an epoch that is not named: %+v", res)
		}
		f = coarser(cutBehind(t, r), 31, []int64{0})
		if res := r.Flush(context.Background(), []Flush{f})[0]; res.Err == nil || !strings.Contains(res.Err.Error(), "is no step to 30") {
			t.Errorf("a flush beyond the finest grain: %+v", res)
		}
	})
}

func TestAReadBackOfACoarserGrainChecksItsOffset(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m := cutBehind(t, r)
		right := Expect{m.Inst, m.Token, 20, 30, 10}
		if got, err := r.Load(context.Background(), group, right, hour(0, 7)); err != nil || !got.OK || string(got.Segments[0].Values[0]) != "1" {
			t.Errorf("%+v, %v", got, err)
		}
		flushed(t, r, coarser(m, 20, []int64{0}, write(hour(0, 7), false, "h", "2")))
		if got, err := r.Load(context.Background(), group, right, hour(0, 7)); err != nil || got.OK || got.Found.Coarse != 20 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestCoarserGrainsGoOnBehindAnEpochThatWasDropped(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		cutBehind(t, r)
		if dropped, ok, err := r.Drop(context.Background(), group, 20, 20); err != nil || !ok || len(dropped) != 1 {
			t.Fatal(dropped, ok, err)
		}
		m := peek(t, r)
		rest := coarser(m, 20, []int64{0}, write(hour(0, 7), false, "h", "2"))
		if res := r.Flush(context.Background(), []Flush{rest})[0]; res.Applied || res.Err != nil {
			t.Errorf("what was pending of a dropped epoch was written: %+v", res)
		}
		skip := coarser(m, 20, nil)
		skip.Whole = true
		flushed(t, r, skip)
		flushed(t, r, coarser(peek(t, r), 30, nil, write(hour(20, 7), true, "h", "3")))
	})
}

func TestEpochsAreMergedOnlyWhereTheCoarserGrainsHavePassedBoth(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		cutBehind(t, r)
		cut(t, r)
		flushed(t, r, fine(peek(t, r), 40))
		for _, to := range []int64{20, 29, 30} {
			if ok, err := r.Merge(context.Background(), group, 0, 0, 20, join); ok || err != nil {
				t.Errorf("merged although the coarser grains stand at %d: %v, %v", peek(t, r).Coarse, ok, err)
			}
			before := []int64{20}
			if to == 20 {
				before = []int64{0, 20}
			}
			flushed(t, r, coarser(peek(t, r), to, before))
		}
		if ok, err := r.Merge(context.Background(), group, 0, 0, 20, join); !ok || err != nil {
			t.Errorf("not merged: %v, %v", ok, err)
		}
	})
}

package live

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
)

func TestLimitsOfAnEpochAreKeptWithItsCells(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		known := ChunkWrite{ID: ValuesID(0, 1), New: true, Fields: [][]byte{[]byte("France"), {}}, Values: [][]byte{{1}, {1}}}
		lacking := []Deferred{{From: -60, To: 60, Events: 3}, {From: 120, To: 180}}
		f := step(m, 10, write(minute(0, 4), true, "a", "1", "b", "2"), known, DeferredWrite(0, true, lacking))
		f.Counts = Counts{Events: 10, Other: 2, Deferred: 3}
		flushed(t, r, f)
		m = peek(t, r)
		if m.Counts != f.Counts {
			t.Errorf("the counts are %+v", m.Counts)
		}
		if again := take(t, r, 0, "t2", "i2"); again.Cells != 2 {
			t.Errorf("a take counts %d cells, there are 2", again.Cells)
		}
		l, err := r.Limits(ctx, group, 0, true)
		for _, epoch := range l.Epochs {
			slices.SortFunc(epoch.Values[1], func(a, b []byte) int { return bytes.Compare(b, a) })
		}
		want := Epochs{0: {Values: map[int][][]byte{1: known.Fields}, Deferred: lacking}}
		if err != nil || l.Served != ServedWhole || l.Meta.Off != 10 || !reflect.DeepEqual(l.Epochs, want) {
			t.Fatalf("read: %+v, %v", l, err)
		}
		if l, err = r.Limits(ctx, group, 0, false); err != nil || len(l.Epochs[0].Values) != 0 || !reflect.DeepEqual(l.Epochs[0].Deferred, lacking) {
			t.Errorf("read without the values: %+v, %v", l, err)
		}
		// A query of a grain sees nothing of them.
		if reply, err := r.Read(ctx, group, ReadRequest{V: 0, Grain: "1m", MinChunk: -100, MaxChunk: 1000}); err != nil || len(reply.Chunks) != 1 {
			t.Errorf("a query reads %+v, %v", reply.Chunks, err)
		}
		// The next epoch has limits of its own, and those of this one go with it.
		if _, _, _, err := r.Cut(ctx, group); err != nil {
			t.Fatal(err)
		}
		if m = take(t, r, 10, "t3", "i3"); m.Cells != 0 {
			t.Errorf("an epoch without cells has %d", m.Cells)
		}
		flushed(t, r, step(m, 12, write(minute(10, 4), true, "a", "1"), DeferredWrite(10, true, []Deferred{{From: 60, To: 90, Events: 1}})))
		if l, err = r.Limits(ctx, group, 0, false); err != nil {
			t.Fatal(err)
		}
		all := l.Lacking(func(int64) bool { return true })
		if want := []Deferred{{From: -60, To: 90, Events: 4}, {From: 120, To: 180}}; !reflect.DeepEqual(all, want) {
			t.Errorf("both epochs lack %+v, expected %+v", all, want)
		}
		if _, ok, err := r.Drop(ctx, group, 10, 10); !ok || err != nil {
			t.Fatalf("drop: %v, %v", ok, err)
		}
		if l, err = r.Limits(ctx, group, 10, true); err != nil || len(l.Epochs) != 1 || l.Epochs[10] == nil {
			t.Errorf("after the drop: %+v, %v", l, err)
		}
		if l, err = r.Limits(ctx, group, 0, true); err != nil || l.Served != ServedNoStart {
			t.Errorf("from the dropped epoch on: %+v, %v", l, err)
		}
	})
}

func TestRangesThatAreNoneAreRefused(t *testing.T) {
	whole := DeferredWrite(0, true, []Deferred{{From: 1 << 40, To: 1 << 41, Events: 300}}).Values[0]
	for cut := 1; cut < len(whole); cut++ {
		if got, err := decodeDeferred(whole[:cut]); err == nil {
			t.Errorf("%d of %d bytes read as %v", cut, len(whole), got)
		}
	}
}

func TestMergedEpochsLackWhatEitherLacked(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		known := func(start int64, text string) ChunkWrite {
			return ChunkWrite{ID: ValuesID(start, 0), New: true, Fields: [][]byte{[]byte("both"), []byte(text)}, Values: [][]byte{{1}, {1}}}
		}
		flushed(t, r, step(m, 3, known(0, "first"), DeferredWrite(0, true, []Deferred{{From: 0, To: 60, Events: 1}, {From: 600, To: 660, Events: 2}})))
		cut(t, r)
		flushed(t, r, step(peek(t, r), 5, known(3, "second"), DeferredWrite(3, true, []Deferred{{From: 60, To: 120, Events: 3}})))
		cut(t, r)
		fail := func(_, _, _ []byte) ([]byte, error) { return nil, errors.New("no state of a view") }
		if ok, err := r.Merge(ctx, group, 0, 0, 3, fail); !ok || err != nil {
			t.Fatal(ok, err)
		}
		l, err := r.Limits(ctx, group, 0, true)
		if err != nil || len(l.Epochs) != 1 {
			t.Fatalf("%+v, %v", l, err)
		}
		values := l.Epochs[0].Values[0]
		slices.SortFunc(values, bytes.Compare)
		if got := string(bytes.Join(values, []byte(" "))); got != "both first second" {
			t.Errorf("known are %s", got)
		}
		if want := []Deferred{{From: 0, To: 120, Events: 4}, {From: 600, To: 660, Events: 2}}; !reflect.DeepEqual(l.Epochs[0].Deferred, want) {
			t.Errorf("lacking are %+v, not %+v", l.Epochs[0].Deferred, want)
		}
	})
}

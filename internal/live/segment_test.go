package live

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTheNewestSegmentOfACellCounts(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		random := rand.New(rand.NewPCG(1, 2))
		take(t, r, 0, "t", "i")
		want, held := map[string]string{}, map[uint32][]string{}
		for number := uint32(1); number <= 300; number++ {
			var cells Cells
			for _, cell := range random.Perm(40)[:1+random.IntN(10)] {
				name, state := fmt.Sprintf("cell %02d", cell), fmt.Sprint(number)
				want[name] = state
				cells.Fields, cells.Values = append(cells.Fields, []byte(name)), append(cells.Values, []byte(state))
				held[number] = append(held[number], name)
			}
			w := CellsWrite(minute(0, 0), number == 1, number, cells)
			for old, names := range held { // those go of which nothing counts
				if !slices.ContainsFunc(names, func(name string) bool { return want[name] == fmt.Sprint(old) }) {
					w.Gone = append(w.Gone, SegmentName(old))
					delete(held, old)
				}
			}
			flushed(t, r, step(peek(t, r), int64(number), w))
		}
		var lines []string
		for name, state := range want {
			lines = append(lines, " "+name+"="+state)
		}
		slices.Sort(lines)
		if got := cellsOf(t, r, ReadRequest{V: 0, Grain: "1m"}); got != "0:1m:0@300"+strings.Join(lines, "") {
			t.Errorf("read %s\nnot %s", got, lines)
		}
		got, err := r.Load(context.Background(), group, Expect{"i", "t", 0, 300, 300}, minute(0, 0))
		if err != nil || len(got.Segments) != len(held) || len(held) <= loadSegments {
			t.Fatalf("%d segments came of %d: %v", len(got.Segments), len(held), err)
		}
		loaded := map[string]string{}
		for i, s := range got.Segments {
			if i > 0 && s.Number <= got.Segments[i-1].Number {
				t.Fatalf("segment %d comes after %d", s.Number, got.Segments[i-1].Number)
			}
			for j, name := range s.Fields {
				loaded[string(name)] = string(s.Values[j])
			}
		}
		if !reflect.DeepEqual(loaded, want) {
			t.Errorf("loaded %v, not %v", loaded, want)
		}
	})
}

func TestASegmentIsTakenApartAsItWasPutTogether(t *testing.T) {
	cells := Cells{[][]byte{[]byte("a"), {}, bytes.Repeat([]byte("n"), 300)}, [][]byte{{}, []byte("x\x00\xff"), bytes.Repeat([]byte("v"), 5000)}}
	segment := CellsWrite(minute(0, 0), true, 7, cells).Values[0]
	got, err := CellsIn(segment)
	if err != nil || len(got.Fields) != 3 {
		t.Fatal(got, err)
	}
	for i := range cells.Fields {
		if !bytes.Equal(got.Fields[i], cells.Fields[i]) || !bytes.Equal(got.Values[i], cells.Values[i]) {
			t.Errorf("cell %d is %q = %q", i, got.Fields[i], got.Values[i])
		}
	}
	whole := 0
	for n := range segment { // torn anywhere
		if got, err := CellsIn(segment[:n]); err == nil {
			whole++
		} else if len(got.Fields) > 3 {
			t.Errorf("%d cells of %d bytes", len(got.Fields), n)
		}
	}
	if whole != 3 { // before each of them
		t.Errorf("%d torn segments were taken for whole ones", whole)
	}
}

func TestAChunkThatIsNoneOfSegmentsIsAnError(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		flushed(t, r, step(take(t, r, 0, "t", "i"), 10, write(minute(0, 4), true, "a", "1")))
		for field, value := range map[string]string{"cell": "torn", "a longer name": ""} {
			r.client.HSet(ctx, group.prefix()+"i:0:1m:4", field, value)
			if _, err := r.Read(ctx, group, ReadRequest{V: 0, Grain: "1m", MinChunk: 4, MaxChunk: 4}); err == nil || !strings.Contains(err.Error(), "chunk 0:1m:4") {
				t.Errorf("%s: read with %v", field, err)
			}
			if _, err := r.Load(ctx, group, Expect{"i", "t", 0, 10, 10}, minute(0, 4)); err == nil || !strings.Contains(err.Error(), "chunk 0:1m:4") {
				t.Errorf("%s: loaded with %v", field, err)
			}
			r.client.HDel(ctx, group.prefix()+"i:0:1m:4", field)
		}
	})
}

func TestWhatAReleaseWithAnotherLayoutLeftGoesAtTheTake(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		other := group
		other.View = "other"
		for _, g := range []Group{group, other} {
			former := g.former()
			r.client.HSet(ctx, former+"meta", "inst", "old", "off", "5", "starts", "0", "n", "1")
			r.client.HSet(ctx, former+"chunks", "0:1m:4", "5")
			r.client.HSet(ctx, former+"old:0:1m:4", "a", "1")
		}
		if m, ok, err := r.Peek(ctx, group); ok || err != nil {
			t.Fatalf("it is read as %+v, %v", m, err)
		}
		if m, how, err := r.Take(ctx, group, 0, at(0), "t", "i"); err != nil || how != NewMissing || m.Off != 0 {
			t.Fatalf("taken as %+v, %v, %v", m, how, err)
		}
		for _, key := range keys(t, r) {
			if strings.HasPrefix(key, group.former()) && !strings.HasPrefix(key, group.prefix()) {
				t.Errorf("left is %s", key)
			}
		}
		if n := r.client.Exists(ctx, other.former()+"meta").Val() + r.client.Exists(ctx, other.former()+"old:0:1m:4").Val(); n != 2 {
			t.Errorf("%d keys of another group are left, of 2", n)
		}
	})
}

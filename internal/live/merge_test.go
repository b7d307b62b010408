package live

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// join adds two cells whose states are lists.
func join(dst, a, b []byte) ([]byte, error) {
	return append(append(append(dst, a...), '+'), b...), nil
}

// threeEpochs are the closed epochs 0 and 3 and the open one 5, with chunks that one of them has, or two, or all.
func threeEpochs(t *testing.T, r *Redis) Meta {
	t.Helper()
	empty(t, r)
	m := take(t, r, 0, "t", "i")
	flushed(t, r, step(m, 2, write(minute(0, 1), true, "a", "0"), write(minute(0, 4), true, "a", "1", "b", "2")))
	flushed(t, r, step(peek(t, r), 3, write(minute(0, 4), false, "b", "3")))
	cut(t, r)
	flushed(t, r, step(peek(t, r), 5, write(minute(3, 4), true, "b", "4", "c", "5"), write(minute(3, 9), true, "z", "6")))
	cut(t, r)
	flushed(t, r, step(peek(t, r), 7, write(minute(5, 4), true, "b", "7")))
	return peek(t, r)
}

func cut(t *testing.T, r *Redis) {
	t.Helper()
	if _, _, ok, err := r.Cut(context.Background(), group); err != nil || !ok {
		t.Fatalf("cut: %v, %v", ok, err)
	}
}

// everything is what a reader sees from 0 on.
func everything(t *testing.T, r *Redis) string {
	t.Helper()
	return cellsOf(t, r, ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: 100})
}

func TestMergeMakesOneOfTwoClosedEpochsAndKeepsVersions(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		before := threeEpochs(t, r)
		if ok, err := r.Merge(context.Background(), group, 0, 0, 3, join); !ok || err != nil {
			t.Fatal(ok, err)
		}
		want := before
		want.Starts = []int64{0, 5}
		want.Chunks = map[ChunkID]int64{minute(0, 1): 2, minute(0, 4): 5, minute(0, 9): 5, minute(5, 4): 7}
		if after := peek(t, r); !reflect.DeepEqual(after, want) {
			t.Fatalf("after the merge\n%+v, not\n%+v", after, want)
		}
		if got, want := everything(t, r), "0:1m:1@2 a=0; 0:1m:4@5 a=1 b=3+4 c=5; 0:1m:9@5 z=6; 5:1m:4@7 b=7"; got != want {
			t.Errorf("readers see %s, not %s", got, want)
		}
		for _, k := range keys(t, r) {
			if ttl := r.client.PTTL(context.Background(), k).Val(); ttl > 0 || strings.Contains(k, ":merge:") {
				t.Errorf("%s goes by itself in %v", k, ttl)
			}
		}
		// The owner and the batch go on as if there had been no merge.
		flushed(t, r, step(peek(t, r), 8, write(minute(5, 4), false, "b", "8")))
		cut(t, r)
		if dropped, ok, err := r.Drop(context.Background(), group, 8, 8); err != nil || !ok || !slices.Equal(dropped, []int64{0, 5}) {
			t.Errorf("dropped %v, %v, %v", dropped, ok, err)
		}
		if left := keys(t, r); len(left) != 1 {
			t.Errorf("left are %v", left)
		}
	})
}

func TestMergeTouchesNeitherTheOpenEpochNorWhatIsNotAdjacent(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		before := threeEpochs(t, r)
		for _, c := range []struct{ v, into, from int64 }{{0, 3, 5}, {0, 0, 5}, {0, 0, 0}, {0, 3, 4}, {0, -1, 0}, {4, 0, 3}} {
			if ok, err := r.Merge(context.Background(), group, c.v, c.into, c.from, join); ok || err != nil {
				t.Errorf("merge of %+v: %v, %v", c, ok, err)
			}
		}
		if after := peek(t, r); !reflect.DeepEqual(after, before) {
			t.Errorf("changed to %+v", after)
		}
	})
}

func TestMergeStandsStillWhereTheGroupChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *Redis){
		"another life": func(t *testing.T, r *Redis) { r.client.HSet(context.Background(), group.meta(), "inst", "i2") },
		"nothing":      func(t *testing.T, r *Redis) { empty(t, r) },
		"a cut":        func(t *testing.T, r *Redis) { cut(t, r) },
		"a cut forgotten": func(t *testing.T, r *Redis) {
			r.client.HSet(context.Background(), group.meta(), "starts", "0,3", "start", "3")
		},
		"a drop":              func(t *testing.T, r *Redis) { drop(t, r, 3) },
		"a chunk lost":        func(t *testing.T, r *Redis) { r.client.Del(context.Background(), group.prefix()+"i:3:1m:9") },
		"a segment lost":      func(t *testing.T, r *Redis) { dropSegment(r, group.prefix()+"i:0:1m:4") },
		"the index lost":      func(t *testing.T, r *Redis) { r.client.Del(context.Background(), group.index()) },
		"a version gone back": func(t *testing.T, r *Redis) { r.client.HSet(context.Background(), group.index(), "3:1m:4", "4") },
		"a staged chunk lost": func(t *testing.T, r *Redis) {
			stagedKeys(t, r, func(k string) { r.client.Del(context.Background(), k) })
		},
		"a staged segment lost": func(t *testing.T, r *Redis) { stagedKeys(t, r, func(k string) { dropSegment(r, k) }) },
		"somebody else merged":  func(t *testing.T, r *Redis) { r.Merge(context.Background(), group, 0, 0, 3, join) },
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, r *Redis) {
				ctx := context.Background()
				threeEpochs(t, r)
				m, err := r.startMerge(ctx, group, 0, 0, 3)
				if err != nil || m == nil {
					t.Fatal(m, err)
				}
				if err := m.stage(ctx, join); err != nil {
					t.Fatal(err)
				}
				change(t, r)
				before := dump(t, r)
				if ok, err := m.swap(ctx); ok || err != nil {
					t.Fatalf("swapped %v, %v", ok, err)
				}
				if after := dump(t, r); !reflect.DeepEqual(after, before) {
					t.Errorf("changed from\n%v\nto\n%v", before, after)
				}
			})
		})
	}
}

func drop(t *testing.T, r *Redis, v int64) {
	t.Helper()
	if _, ok, err := r.Drop(context.Background(), group, v, v); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

func stagedKeys(t *testing.T, r *Redis, do func(key string)) {
	t.Helper()
	n := 0
	for _, k := range keys(t, r) {
		if strings.Contains(k, ":merge:") {
			do(k)
			n++
		}
	}
	if n == 0 {
		t.Fatal("nothing is staged")
	}
}

func TestACrashBeforeTheSwapLeavesTheOldStateAndNothingForGood(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		before := threeEpochs(t, r)
		read := everything(t, r)
		n := len(keys(t, r))
		m, err := r.startMerge(ctx, group, 0, 0, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.stage(ctx, join); err != nil {
			t.Fatal(err)
		}
		// The process is gone here.
		if after := peek(t, r); !reflect.DeepEqual(after, before) || everything(t, r) != read {
			t.Errorf("what is staged can be seen: %+v", after)
		}
		stagedKeys(t, r, func(k string) {
			if ttl := r.client.PTTL(ctx, k).Val(); ttl <= 0 || ttl > stageTTL {
				t.Errorf("%s stays for %v", k, ttl)
			}
		})
		// The next attempt stages under other names, and one whose sum fails cleans up behind itself.
		broken := errors.New("broken")
		if _, err := r.Merge(ctx, group, 0, 0, 3, func([]byte, []byte, []byte) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if ok, err := r.Merge(ctx, group, 0, 0, 3, join); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if left := len(keys(t, r)); left != n-1+1 { // a chunk fewer, and what the crash left
			t.Errorf("%d keys of %d are left: %v", left, n, keys(t, r))
		}
	})
}

func TestMergeOfChunksThatTakeManyCalls(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		m := take(t, r, 0, "t", "i")
		const cells = 3*stageCells + 1
		chunk := func(start int64, from int) ChunkWrite {
			var list []string
			for i := from; i < from+cells; i++ {
				list = append(list, fmt.Sprintf("f%05d", i), "1")
			}
			return write(minute(start, 0), true, list...)
		}
		flushed(t, r, step(m, 1, chunk(0, 0)))
		cut(t, r)
		flushed(t, r, step(peek(t, r), 2, chunk(1, stageCells)))
		cut(t, r)
		if ok, err := r.Merge(ctx, group, 0, 0, 1, join); !ok || err != nil {
			t.Fatal(ok, err)
		}
		got := strings.Fields(cellsOf(t, r, ReadRequest{V: 0, Grain: "1m"}))[1:]
		both := 0
		for _, cell := range got {
			if strings.HasSuffix(cell, "=1+1") {
				both++
			}
		}
		if len(got) != cells+stageCells || both != cells-stageCells {
			t.Errorf("%d cells, %d of them sums; want %d and %d", len(got), both, cells+stageCells, cells-stageCells)
		}
		if n := r.client.HLen(ctx, group.prefix()+"i:0:1m:0").Val(); n != 4+1 {
			t.Errorf("they are in %d segments", n)
		}
	})
}

func TestAFullRedisRefusesToStageAndDoesNotForbidTheSwap(t *testing.T) {
	r := realRedis(t)
	ctx := context.Background()
	before := threeEpochs(t, r)
	full := func(yes string) {
		t.Helper()
		if err := r.client.ConfigSet(ctx, "maxmemory", yes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	full("1")
	defer full("0")
	if ok, err := r.Merge(ctx, group, 0, 0, 3, join); ok || err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Fatalf("staged in a full Redis: %v, %v", ok, err)
	}
	if after := peek(t, r); !reflect.DeepEqual(after, before) {
		t.Fatalf("changed to %+v", after)
	}
	full("0")
	m, err := r.startMerge(ctx, group, 0, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.stage(ctx, join); err != nil {
		t.Fatal(err)
	}
	full("1")
	if ok, err := m.swap(ctx); !ok || err != nil {
		t.Fatalf("a full Redis forbids the step that frees some of it: %v, %v", ok, err)
	}
}

// dropSegment makes Redis lose a segment of a chunk.
func dropSegment(r *Redis, key string) {
	ctx := context.Background()
	r.client.HDel(ctx, key, r.client.HKeys(ctx, key).Val()[0])
}

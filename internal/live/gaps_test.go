package live

import (
	"context"
	"reflect"
	"testing"
)

// What an epoch passed over is read with it, from a boundary on; it is added up where epochs become one, and goes with the epoch.
func TestOffsetsThatNobodyHasBelongToTheEpochThatPassedOverThem(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		missing := func(v int64) [][2]int64 {
			t.Helper()
			l, err := r.Limits(ctx, group, v, false)
			if err != nil || l.Served != ServedWhole {
				t.Fatalf("limits from %d on: %+v, %v", v, l, err)
			}
			return l.Missing()
		}
		m := take(t, r, 0, "t", "i")
		for _, gap := range [][2]int64{{4, 6}, {12, 20}, {25, 30}} {
			f := step(m, gap[1], write(minute(m.Newest(), 1), true, "a", "1"), GapsWrite(m.Newest(), true, [][2]int64{gap}))
			f.Counts.Missing = m.Counts.Missing + gap[1] - gap[0]
			flushed(t, r, f)
			if _, _, _, err := r.Cut(ctx, group); err != nil {
				t.Fatal(err)
			}
			m = peek(t, r)
		}
		if m.Counts.Missing != 15 || !reflect.DeepEqual(missing(0), [][2]int64{{4, 6}, {12, 20}, {25, 30}}) || !reflect.DeepEqual(missing(20), [][2]int64{{25, 30}}) {
			t.Errorf("%d offsets are missing: %v; %v from 20 on", m.Counts.Missing, missing(0), missing(20))
		}
		if ok, err := r.Merge(ctx, group, 0, 6, 20, func(dst, a, b []byte) ([]byte, error) { return append(dst, a...), nil }); !ok || err != nil {
			t.Fatalf("merge: %v, %v", ok, err)
		}
		if l := missing(6); !reflect.DeepEqual(l, [][2]int64{{12, 20}, {25, 30}}) {
			t.Errorf("merged, %v are missing", l)
		}
		if _, ok, err := r.Drop(ctx, group, 30, 30); !ok || err != nil {
			t.Fatalf("drop: %v, %v", ok, err)
		}
		if l := missing(30); len(l) != 0 {
			t.Errorf("%v are missing though their epochs are gone", l)
		}
	})
}

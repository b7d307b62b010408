package batch

import (
	"slices"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/view"
	"pgregory.net/rapid"
)

// Whatever row groups there are, slices are all of the spans, each time once, and no bucket is in two; one of several buckets is no larger than it may be.
func TestSlicesDivideBetweenBuckets(t *testing.T) {
	hour := view.Grain{Name: "1h", Unit: view.Fixed, Size: time.Hour}
	size := hour.Size.Microseconds()
	divided := 0
	rapid.Check(t, func(t *rapid.T) {
		c := computation{runner: &Runner{cfg: Config{RowsPerLoad: rapid.Int64Range(1, 100).Draw(t, "rows per load")}}}
		q := cellsQuery{job: &job{view: &view.View{Location: time.UTC}}, grain: hour}
		at := int64(0)
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			at += size * rapid.Int64Range(0, 5).Draw(t, "gap")
			to := at + size*rapid.Int64Range(1, 24).Draw(t, "length")
			q.spans = append(q.spans, [2]int64{at, to})
			at = to + size
		}
		for range rapid.IntRange(0, 40).Draw(t, "groups") {
			from := rapid.Int64Range(-size, at).Draw(t, "from")
			c.groups = append(c.groups, rowGroup{from: from, to: from + rapid.Int64Range(0, 3*size).Draw(t, "time"), rows: rapid.Int64Range(1, 300).Draw(t, "rows")})
		}
		parts := c.slicesOf(&q)
		divided += len(parts) - 1
		var all [][2]int64
		for _, part := range parts {
			buckets := int64(0)
			for _, s := range part.spans {
				buckets += (s[1] - s[0]) / size
				if s[0] >= s[1] || s[0]%size != 0 || s[1]%size != 0 {
					t.Fatalf("%v is no span of whole buckets", s)
				}
				all = together(all, s)
			}
			begin := map[int64]bool{}
			for _, g := range c.groups {
				if from, ok := firstIn(part.spans, g.from, g.to); ok && from == max(from, g.from) {
					begin[hour.Floor(from, time.UTC)] = true
				}
			}
			if buckets == 0 || len(begin) > 1 && part.rows > c.rowsPerSlice() {
				t.Fatalf("%v of %d buckets is one of %v", part, buckets, parts)
			}
		}
		var want [][2]int64
		for _, s := range q.spans {
			want = together(want, s)
		}
		if !slices.Equal(all, want) {
			t.Fatalf("the slices %v are not %v", all, want)
		}
	})
	if divided == 0 {
		t.Error("nothing was divided")
	}
}

// together adds a span, which is one with the last where it begins at its end.
func together(spans [][2]int64, s [2]int64) [][2]int64 {
	if n := len(spans); n > 0 && spans[n-1][1] == s[0] {
		spans[n-1][1] = s[1]
		return spans
	}
	return append(spans, s)
}

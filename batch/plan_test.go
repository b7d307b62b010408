package batch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func TestADateOfUTCTouchesThePeriodsOfTheViewsZone(t *testing.T) {
	v := testView(t, testSource())
	chunks := map[int][]lake.Chunk{0: {{Files: []lake.ChunkFile{{Date: "2026-03-31", First: 5, Last: 9}, {Date: "2026-01-01", First: 0, Last: 4}}}}}
	periods, err := planPeriods(v, chunks, func(int) int64 { return 5 }, map[int]lake.Cut{0: {Offset: 10}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range periods {
		got = append(got, p.unit+" "+p.name)
	}
	// In Berlin the 31st of March in UTC ends at two in the morning of the first of April.
	want := []string{"month 2026-03-01", "week 2026-03-30", "day 2026-03-31", "month 2026-04-01", "day 2026-04-01"}
	if !slices.Equal(got, want) {
		t.Fatalf("planned %q, want %q", got, want)
	}
	if day := periods[2]; day.to-day.from != 24*time.Hour.Microseconds() {
		t.Fatalf("a day of %d µs", day.to-day.from)
	}
}

// Each period is computed exactly once, from a load that reads all of its rows.
func TestLoadsCoverEachPeriodOnce(t *testing.T) {
	v := testView(t, testSource())
	rapid.Check(t, func(t *rapid.T) {
		var files []lake.ChunkFile
		for _, d := range rapid.SliceOfNDistinct(rapid.IntRange(0, 120), 1, 40, rapid.ID[int]).Draw(t, "dates") {
			files = append(files, lake.ChunkFile{Date: day.AddDate(0, 0, d).Format(time.DateOnly), First: 0, Last: 9})
		}
		periods, err := planPeriods(v, map[int][]lake.Chunk{0: {{Files: files}}}, func(int) int64 { return 0 }, map[int]lake.Cut{0: {Offset: 10}})
		if err != nil {
			t.Fatal(err)
		}
		perDay := rapid.Int64Range(0, 50).Draw(t, "rows per day")
		rows := func(from, to int64) int64 { return perDay * (to - from) / microsPerDay }
		limit := rapid.Int64Range(1, 2000).Draw(t, "limit")
		seen := map[period]int{}
		for _, l := range planLoads(periods, rows, limit) {
			sum := int64(0)
			for i, s := range l.spans {
				sum += rows(s[0], s[1])
				if i > 0 && s[0] <= l.spans[i-1][1] {
					t.Fatalf("spans %v are not apart", l.spans)
				}
			}
			if sum > limit && len(l.periods) > 1 && len(byUnit(l.periods)) > 1 {
				t.Fatalf("%d periods of several units are %d rows, the limit is %d", len(l.periods), sum, limit)
			}
			for _, p := range l.periods {
				seen[p]++
				if !slices.ContainsFunc(l.spans, func(s [2]int64) bool { return s[0] <= p.from && p.to <= s[1] }) {
					t.Fatalf("%v is not in %v", p, l.spans)
				}
			}
		}
		for _, p := range periods {
			if seen[p] != 1 {
				t.Fatalf("%v is computed %d times", p, seen[p])
			}
		}
		if len(seen) != len(periods) {
			t.Fatalf("%d periods were planned, %d computed", len(periods), len(seen))
		}
	})
}

func TestRangesJoinNeighbours(t *testing.T) {
	got := ranges([]period{{from: 0, to: 2}, {from: 2, to: 3}, {from: 5, to: 6}})
	if want := [][2]int64{{0, 3}, {5, 6}}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestSmallLoadsGiveTheSameAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withRuns()
	w.produce(600, 80, 12)
	w.archiveAll(func(c *ArchiveConfig) { c.ChunkRecords = 50 })
	w.run(RunOptions{Full: true})
	whole := w.current()
	for _, rows := range []int64{60, 3} { // days in loads of their own; and hours in slices of their own, some larger than a slice may be
		if _, err := w.runner(func(c *Config) { c.RowsPerLoad = rows }).Run(t.Context(), RunOptions{Full: true}); err != nil {
			t.Fatal(err)
		}
		if apart := w.current(); !slices.Equal(w.content(apart), w.content(whole)) {
			t.Fatalf("the answers depend on how many rows are loaded at once: %d", rows)
		}
	}
}

func TestFixedGrainsAreInTheFilesOfDays(t *testing.T) {
	v := testView(t, testSource())
	names := func(unit string) (out []string) {
		for _, g := range grainsOf(v, unit) {
			out = append(out, g.Name)
		}
		return out
	}
	if !slices.Equal(names("day"), []string{"1h", "1d"}) || !slices.Equal(names("week"), []string{"1w"}) || !slices.Equal(names("month"), []string{"1mo"}) || names("year") != nil {
		t.Fatalf("days %v, weeks %v, months %v, years %v", names("day"), names("week"), names("month"), names("year"))
	}
	if of := comparedGrains(&view.View{Grains: v.Grains[2:]}); len(of) != 2 || of[0].unit != "week" || of[1].grain.Name != "1mo" {
		t.Fatalf("compared by %v", of)
	}
}

package serving

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caudal/caudal/internal/condition"
	"github.com/caudal/caudal/internal/view"
)

func grains(names ...string) []view.Grain {
	all := map[string]view.Grain{
		"1m": {Name: "1m", Size: time.Minute}, "1h": {Name: "1h", Size: time.Hour}, "1d": {Name: "1d", Unit: view.Day, Size: 24 * time.Hour},
		"1w": {Name: "1w", Unit: view.Week, Size: 7 * 24 * time.Hour}, "1mo": {Name: "1mo", Unit: view.Month, Size: 30 * 24 * time.Hour},
		"1y": {Name: "1y", Unit: view.Year, Size: 365 * 24 * time.Hour},
	}
	var list []view.Grain
	for _, n := range names {
		list = append(list, all[n])
	}
	return list
}

func instantOf(t testing.TB, text string) int64 {
	t.Helper()
	us, ok := condition.ParseInstant(text, time.UTC)
	if !ok {
		t.Fatalf("%q is no time", text)
	}
	return us
}

func show(spans []span, loc *time.Location) string {
	var parts []string
	for _, s := range spans {
		end := func(us int64) string {
			if us == beginning || us == forever {
				return "…"
			}
			return time.UnixMicro(us).In(loc).Format("2006-01-02T15")
		}
		parts = append(parts, fmt.Sprintf("%s[%s %s)", s.grain.Name, end(s.from), end(s.to)))
	}
	return strings.Join(parts, " ")
}

func TestTilingTakesTheCoarsestGrainsThatFit(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to, want string
		loc            *time.Location
	}{
		{"2024-01-01", "2024-03-01", "1mo[2024-01-01T00 2024-03-01T00)", time.UTC},
		{"2024-01-30T05:00", "2024-03-02T07:00", "1h[2024-01-30T05 2024-01-31T00) 1d[2024-01-31T00 2024-02-01T00) 1mo[2024-02-01T00 2024-03-01T00) 1d[2024-03-01T00 2024-03-02T00) 1h[2024-03-02T00 2024-03-02T07)", time.UTC},
		{"2024-01-01T05:00", "2024-01-01T07:00", "1h[2024-01-01T05 2024-01-01T07)", time.UTC},
		{"2024-01-01T22:00", "2024-01-02T02:00", "1h[2024-01-01T22 2024-01-02T02)", time.UTC},
		{"", "", "1mo[… …)", time.UTC},
		{"2024-01-31", "", "1d[2024-01-31T00 2024-02-01T00) 1mo[2024-02-01T00 …)", time.UTC},
		{"", "2024-02-02", "1mo[… 2024-02-01T00) 1d[2024-02-01T00 2024-02-02T00)", time.UTC},
		{"2024-03-31", "2024-04-01", "1d[2024-03-31T00 2024-04-01T00)", london}, // 23 hours
	} {
		from, to := int64(beginning), int64(forever)
		if c.from != "" {
			from, _ = condition.ParseInstant(c.from, c.loc)
		}
		if c.to != "" {
			to, _ = condition.ParseInstant(c.to, c.loc)
		}
		if got := show(tile(grains("1h", "1d", "1mo"), from, to, c.loc), c.loc); got != c.want {
			t.Errorf("[%s, %s):\n got %s\nwant %s", c.from, c.to, got, c.want)
		}
	}
}

func TestTilesAreDisjointWholeAndOnTheirGrain(t *testing.T) {
	zones := []string{"UTC", "Europe/London", "America/New_York", "Asia/Tokyo"}
	sets := [][]view.Grain{grains("1h", "1d", "1mo"), grains("1m", "1h", "1d", "1w", "1mo", "1y"), grains("1h", "1d", "1w", "1y"), grains("1h")}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		list := rapid.SampledFrom(sets).Draw(t, "grains")
		start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		hours := int64(time.Hour / time.Microsecond)
		from := list[0].Floor(start+hours*rapid.Int64Range(0, 30000).Draw(t, "from"), loc)
		to := list[0].Floor(from+hours*rapid.Int64Range(1, 30000).Draw(t, "length"), loc)
		at := from
		for _, s := range tile(list, from, to, loc) {
			if s.from != at || s.to <= s.from {
				t.Fatalf("a tile begins at %d where %d is due", s.from, at)
			}
			if s.grain.Floor(s.from, loc) != s.from || s.grain.Floor(s.to, loc) != s.to {
				t.Fatalf("tile %v is off its grain", s)
			}
			at = s.to
		}
		if at != to {
			t.Fatalf("the tiles end at %d, not %d", at, to)
		}
	})
}

func testProject(t *testing.T) *view.Project {
	t.Helper()
	v := filterView()
	v.Location, v.Timezone, v.Grains = time.UTC, "UTC", grains("1h", "1d", "1mo")
	v.Measures = []view.Measure{{Name: "revenue", Agg: view.Sum}, {Name: "lines", Agg: view.Count}, {Name: "per_line", Agg: view.Derived, Expr: `"revenue" / nullif(lines, 0)`}}
	return &view.Project{Name: "p", Views: []*view.View{v}}
}

func TestMistakesInAQueryNameTheFieldAndTheMend(t *testing.T) {
	p := testProject(t)
	for _, c := range []struct {
		query Query
		want  string
	}{
		{Query{View: "w"}, `view: no view "w": did you mean "v"?`},
		{Query{}, `view: no view is named: there are "v"`},
		{Query{View: "v", Measures: []string{"revenu"}}, `measures: no measure "revenu": did you mean "revenue"?`},
		{Query{View: "v", Measures: []string{"country"}}, `measures: "country" is a dimension: name it in dimensions`},
		{Query{View: "v", Measures: []string{"lines", "lines"}}, `measures: measure "lines" is named twice: name each once`},
		{Query{View: "v", Dimensions: []string{"contry"}}, `dimensions: no dimension "contry": did you mean "country"?`},
		{Query{View: "v", Dimensions: []string{"time"}}, `dimensions: time is no dimension: give a grain; each row then has its time`},
		{Query{View: "v", Dimensions: []string{"lines"}}, `dimensions: "lines" is a measure: name it in measures`},
		{Query{View: "v", Grain: "1w"}, `grain: no grain "1w": did you mean "1h" or "1d"?`},
		{Query{View: "v", From: "yesterday"}, `from: "yesterday" is no time: write 2011-03-04T10:00:00Z, or 2011-03-04 in the view's time zone`},
		{Query{View: "v", Grain: "1d", From: "2024-01-02T05:00:00Z"}, `from: 2024-01-02T05:00:00Z is not the start of a bucket of 1d: the nearest that work are 2024-01-02T00:00:00Z and 2024-01-03T00:00:00Z; or leave out the grain, or take 1h; or add exact=true, which scans the lake`},
		{Query{View: "v", To: "2024-01-02T05:30:00Z"}, `to: 2024-01-02T05:30:00Z is not the start of a bucket of 1h: the nearest that work are 2024-01-02T05:00:00Z and 2024-01-02T06:00:00Z; or add exact=true, which scans the lake`},
		{Query{View: "v", From: "2024-01-02", To: "2024-01-02"}, `to: the range from 2024-01-02 to 2024-01-02 is empty: the range is half-open, [from, to): give a later to`},
		{Query{View: "v", Where: "contry = 'x'"}, `where: "contry" is no dimension of view v (at byte 1): did you mean "country"?`},
		{Query{View: "v", Measures: []string{"lines"}, Order: []string{"-revenue"}}, `order: no column of the answer "revenue": there are "time", "lines"`},
		{Query{View: "v", Limit: -1}, `limit: limit -1 is out of range: give 1 to 1000000`},
		{Query{View: "v", Limit: 2000000}, `limit: limit 2000000 is out of range: give 1 to 1000000`},
	} {
		_, err := resolve(p, c.query, everything())
		var problem *Problem
		if !errors.As(err, &problem) {
			t.Errorf("%+v: got %v, want a problem", c.query, err)
			continue
		}
		if problem.Error() != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.query, problem.Error(), c.want)
		}
		if want := 400; problem.Status != want && (problem.Field != "view" || problem.Status != 404) {
			t.Errorf("%+v: status %d", c.query, problem.Status)
		}
	}
}

func TestDerivedMeasuresBringWhatTheyAreMadeOf(t *testing.T) {
	q, err := resolve(testProject(t), Query{View: "v", Measures: []string{"per_line"}}, everything())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(q.measures, q.stored) != "[2] [0 1]" {
		t.Errorf("measures %v, stored %v", q.measures, q.stored)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 541909: "541,909", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}

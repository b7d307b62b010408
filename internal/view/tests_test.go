package view_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

const testedProject = `project: shop
sources:
  orders:
    event_time: {field: at}
    event_id: id
    fields: {id: string, at: timestamp, user: {type: string, from: buyer.name}, amount: "decimal(12,2)", country: string?}
`

const testedView = `view: sales
source: orders
dimensions: [country]
grains: [1m, 1d]
measures:
  - {name: revenue, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: users, agg: count_distinct, expr: user}
`

func parseTested(t *testing.T, tests string) (*view.Project, view.Problems) {
	t.Helper()
	return view.Parse([]view.File{{Path: "caudal.yaml", Data: []byte(testedProject)}, {Path: "views/sales.yaml", Data: []byte(testedView + tests)}}, unset, engineChecker(t))
}

func TestInlineTestsAreReadAsTheMessagesThatTheySend(t *testing.T) {
	p, problems := parseTested(t, `tests:
  - name: two
    partitions: 2
    each: {user: ann, country: 49}
    given:
      - {at: 2026-03-28T10:00:00Z, amount: 1.50}
      - {at: 2026-03-28T09:00:00Z, amount: "2", id: x, user: bob, _partition: 1}
      - {at: 2026-03-28T09:30:00Z, amount: 3}
      - {at: 2026-03-28T09:30:00Z, amount: 3, _timestamp: 2026-04-01}
      - no event
    query: {dimensions: [country], grain: 1d, limit: 5, order: [-revenue]}
    counts: {events: 3, dead_letters: 1}
    expect:
      - {time: 2026-03-28, country: "49", revenue: 6.5}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	v := p.Views[0]
	test := v.Tests[0]
	for i, want := range []string{
		`{"amount":1.50,"at":"2026-03-28T10:00:00Z","buyer":{"name":"ann"},"country":"49","id":"given 1"}`,
		`{"amount":"2","at":"2026-03-28T09:00:00Z","buyer":{"name":"bob"},"country":"49","id":"x"}`,
		`{"amount":3,"at":"2026-03-28T09:30:00Z","buyer":{"name":"ann"},"country":"49","id":"given 3"}`,
		`{"amount":3,"at":"2026-03-28T09:30:00Z","buyer":{"name":"ann"},"country":"49","id":"given 4"}`,
		`no event`,
	} {
		if got := string(test.Given[i].Value); got != want {
			t.Errorf("event %d is %s, want %s", i+1, got, want)
		}
	}
	const ten, nine, april = 1774692000000000, 1774688400000000, 1775001600000000
	for i, want := range []view.GivenEvent{{Timestamp: ten}, {Partition: 1, Timestamp: nine}, {Timestamp: ten}, {Timestamp: april}, {Timestamp: ten}} {
		if g := test.Given[i]; g.Partition != want.Partition || g.Timestamp != want.Timestamp {
			t.Errorf("event %d arrives on %d at %d, want %d at %d", i+1, g.Partition, g.Timestamp, want.Partition, want.Timestamp)
		}
	}
	var query map[string]any
	if err := json.Unmarshal(test.Query, &query); err != nil || query["limit"] != 5.0 || query["grain"] != "1d" || !test.Ordered {
		t.Errorf("the query is %s, ordered %t (%v)", test.Query, test.Ordered, err)
	}
	if test.Counts["dead_letters"] != 1 || test.File != "views/sales.yaml" || test.Line != 9 || test.Expect[0].Line != 21 {
		t.Errorf("read %+v", test)
	}
	plain, problems := parseTested(t, "")
	if len(problems) > 0 || plain.Views[0].Hash != v.Hash {
		t.Errorf("a view has another hash with tests: %v", problems)
	}
}

func TestMistakesInInlineTestsAreToldWithPlaceAndMend(t *testing.T) {
	for _, c := range []struct{ test, want string }{
		{"given: [{at: 2026-03-28T10:00:00Z, user: a, amont: 1}], expect: []", `views/sales.yaml:9:59: unknown key "amont" in event 1 of test "t" of view sales: did you mean "amount"?`},
		{"given: [{at: 2026-03-28T10:00:00Z, user: a, amount: lots}], expect: []", `views/sales.yaml:9:23: event 1 of test "t" of view sales would be a dead letter: amount: `},
		{"given: [{at: 2026-03-28T10:00:00Z, user: a}], expect: []", `event 1 of test "t" of view sales would be a dead letter: amount: `},
		{"given: [], expect: [{revenu: 1}]", `unknown key "revenu" in a row that test "t" of view sales expects: did you mean "revenue"?`},
		{"given: [], expect: [{revenue: much}]", `revenue in a row that test "t" of view sales expects: "much" does not fit a decimal`},
		{"given: [], query: {dimensions: [county]}, expect: []", `unknown dimension "county" in the query of test "t" of view sales: did you mean "country"?`},
		{"given: [], query: {measures: [user]}, expect: []", `unknown measure "user" in the query of test "t" of view sales: did you mean "users"?`},
		{"given: [], query: {grain: 1h}, expect: []", `unknown grain "1h" in the query of test "t" of view sales`},
		{"given: [], query: {dimensions: [country], grain: 1d}, expect: [{time: 2026-03-28}]", `a row that test "t" of view sales expects has no country`},
		{"given: [], query: {dimension: [country]}, expect: []", `unknown key "dimension" in query of test "t" of view sales: did you mean "dimensions"?`},
		{"given: [], counts: {duplicate: 1}, expect: []", `unknown key "duplicate" in counts of test "t" of view sales: did you mean "duplicates"?`},
		{"partitions: 2, given: [{at: 2026-03-28T10:00:00Z, user: a, amount: 1, _partition: 2}], expect: []", `_partition 2 is out of range: it is between 0 and 1`},
		{"given: [{at: 2026-03-28T10:00:00Z, user: a, amount: 1, _timestamp: noon}], expect: []", `_timestamp "noon" is no time: write e.g. 2026-03-28T10:00:00Z`},
		{"given: []", `a test of view sales has no expect`},
	} {
		_, problems := parseTested(t, "tests:\n  - {name: t, "+c.test+"}\n")
		if len(problems) == 0 || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s:\n  told %v\n  want %s", c.test, problems, c.want)
		}
	}
	if _, problems := parseTested(t, "tests:\n  - {name: t, given: [], expect: []}\n  - {name: t, given: [], expect: []}\n"); len(problems) != 1 || !strings.Contains(problems[0].Error(), "line 9 has it") {
		t.Errorf("two tests of one name: %v", problems)
	}
}

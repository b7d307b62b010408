package view_test

import (
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

const testedAlert = `alert: rush
view: sales
by: [country]
when: "revenue > 5"
`

func parseTestedAlert(t *testing.T, tests string) (*view.Project, view.Problems) {
	t.Helper()
	return view.Parse([]view.File{{Path: "caudal.yaml", Data: []byte(testedProject)}, {Path: "views/sales.yaml", Data: []byte(testedView)},
		{Path: "alerts/rush.yaml", Data: []byte(testedAlert + tests)}}, unset, engineChecker(t))
}

func TestInlineTestsOfAnAlertAreRead(t *testing.T) {
	p, problems := parseTestedAlert(t, `tests:
  - name: one
    each: {user: ann, country: DE}
    given:
      - {at: 2026-03-28T10:00:00Z, amount: 9}
      - {_clock: 2026-03-28T11:00:00Z}
      - {at: 2026-03-28T10:30:00Z, amount: 9}
    expect:
      - {kind: firing, labels: {country: DE}, bucket: 2026-03-28T10:00:00Z, values: {revenue: 9.00}, late: false, reason: "1"}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a := p.Alerts[0]
	test := a.Tests[0]
	const ten, eleven = 1774692000000000, 1774695600000000
	if g := test.Given; len(g) != 3 || g[0].Timestamp != ten || g[0].Clock || !g[1].Clock || g[1].Timestamp != eleven || g[2].Timestamp != eleven {
		t.Errorf("given are %+v", g)
	}
	e := test.Expect[0]
	got := e.Kind
	for _, c := range append(e.Labels, e.Columns...) {
		got += " " + c.Name + "=" + string(c.Value)
	}
	if want := `firing country="DE" bucket="2026-03-28T10:00:00Z" values.revenue=9.00 late=false reason="1"`; got != want || e.Line != 13 {
		t.Errorf("expected at line %d is %s", e.Line, got)
	}
	plain, problems := parseTestedAlert(t, "")
	if len(problems) > 0 || plain.Alerts[0].Hash != a.Hash {
		t.Errorf("an alert has another hash with tests: %v", problems)
	}
}

func TestMistakesInTestsOfAnAlertAreToldWithPlaceAndMend(t *testing.T) {
	for _, c := range []struct{ test, want string }{
		{"given: [], expect: [{kind: fired, labels: {country: DE}}]", `alerts/rush.yaml:6:42: kind of a notice that test "t" of alert rush expects "fired" is not known: there are firing, recovered and corrected`},
		{"given: [], expect: [{kind: firing}]", `alerts/rush.yaml:6:35: a notice that test "t" of alert rush expects has no labels: add`},
		{"given: [], expect: [{labels: {country: DE}}]", `a notice that test "t" of alert rush expects has no kind`},
		{"given: [], expect: [{kind: firing, labels: {country: DE, county: DE}}]", `unknown key "county" in labels of a notice that test "t" of alert rush expects: did you mean "country"?`},
		{"given: [], expect: [{kind: firing, labels: {country: DE}, values: {revenu: 1}}]", `unknown key "revenu" in values of a notice that test "t" of alert rush expects: did you mean "revenue"?`},
		{"given: [], expect: [{kind: firing, labels: {country: DE}, values: {revenue: much}}]", `revenue in values of a notice that test "t" of alert rush expects: "much" does not fit a decimal`},
		{"given: [], expect: [{kind: firing, labels: {country: DE}, bucket: noon}]", `bucket of a notice that test "t" of alert rush expects: "noon" does not fit a timestamp`},
		{"given: [], expect: [{kind: firing, labels: {country: DE}, buckt: noon}]", `unknown key "buckt" in a notice that test "t" of alert rush expects: did you mean "bucket"?`},
		{"given: [], expect: {kind: firing}", `test "t" of alert rush: expect is a mapping: write a list of notices`},
		{"given: [{_clock: noon}], expect: []", `alerts/rush.yaml:6:32: event 1 of test "t" of alert rush: _clock "noon" is no time`},
		{"given: [{_clock: 2026-03-28, user: ann}], expect: []", `unknown key "user" in event 1 of test "t" of alert rush, which moves the clock,`},
		{"given: [{_clok: 2026-03-28}], expect: []", `unknown key "_clok" in event 1 of test "t" of alert rush: did you mean "_clock"?`},
		{"given: [{at: 2026-03-28T10:00:00Z, user: a, amount: lots}], expect: []", `event 1 of test "t" of alert rush would be a dead letter: amount: `},
		{"given: [], query: {}, expect: []", `unknown key "query" in a test of alert rush`},
	} {
		_, problems := parseTestedAlert(t, "tests:\n  - {name: t, "+c.test+"}\n")
		if len(problems) == 0 || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s:\n  told %v\n  want %s", c.test, problems, c.want)
		}
	}
}

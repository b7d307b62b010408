package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/view"
)

func TestTheConditionsOfAnAlertAreReadAsThoseOfQueries(t *testing.T) {
	files := func(where, when string) []view.File {
		return []view.File{
			{Path: "caudal.yaml", Data: []byte("project: shop\nsources:\n  orders:\n    event_time: {field: at, format: rfc3339}\n    fields: {at: timestamp, country: string, amount: int64}\n")},
			{Path: "views/sales.yaml", Data: []byte("view: sales\nsource: orders\ndimensions: [country]\ngrains: [5m]\nmeasures:\n  - {name: lines, agg: count}\n  - {name: revenue, agg: sum, expr: amount}\n  - {name: each, expr: \"revenue / lines\"}\n")},
			{Path: "alerts/a.yaml", Data: []byte("alert: a\nview: sales\nwhere: \"" + where + "\"\nwhen: \"" + when + "\"\n")},
		}
	}
	parse := func(where, when string) (*view.Project, error) {
		return Parse(context.Background(), files(where, when), func(string) (string, bool) { return "", false })
	}
	p, err := parse("country like 'F%'", "each > 10 or revenue < -5 and not lines in (1, 2)")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Alerts[0].WhenNames, " "); got != "lines revenue each" {
		t.Errorf("it looks at %s", got)
	}
	for _, c := range [][3]string{
		{"country = 'x'", "revenu > 1", `alerts/a.yaml:4:8: when of alert a: "revenu" is no measure of view sales: did you mean "revenue"?`},
		{"country = 'x'", "lines > 1 and lines > 'x'", `alerts/a.yaml:4:30: when of alert a: "x" is no value of lines, which is int64`},
		{"contry = 'x'", "lines > 1", `alerts/a.yaml:3:9: where of alert a: "contry" is no dimension of view sales: did you mean "country"?`},
	} {
		if _, err := parse(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

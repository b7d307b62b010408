package view

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const soundTraining = `training: churn
description: d
labels:
  view: sales
  where: "quantity > 0"
  columns: [line_id, {name: big, expr: "quantity > 10"}]
keys:
  - country
  - {name: shopper, expr: customer_id}
features:
  - {name: lines_1h, key: country, view: sales, measure: lines, window: 1h}
  - {name: revenue_30d, key: country, view: sales, measure: orders, window: 30d, delay: 7d, where: "quantity < 9"}
  - {name: p90, key: shopper, source: orders, by: customer_id, agg: percentile, p: 0.9, expr: quantity, window: 36h}
`

func parseTraining(text string) (*Project, Problems) {
	files := []File{
		{Path: "caudal.yaml", Data: []byte(soundServices)},
		{Path: "training/a.yaml", Data: []byte(text)},
		{Path: "views/a.yaml", Data: []byte(soundView)},
	}
	return Parse(files, func(string) (string, bool) { return "x", true }, fakeChecker{})
}

func TestATrainingSetIsReadWithItsViews(t *testing.T) {
	p, problems := parseTraining(soundTraining)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := p.Trainings[0]
	if got.Name != "churn" || got.Labels.Source.Name != "orders" || !slices.Equal(got.Labels.Where, []string{"unit_price >= 0", "quantity > 0"}) || len(got.Hash) != 64 {
		t.Errorf("the set is %+v", got)
	}
	if c := got.Labels.Columns; len(c) != 2 || c[0].Expr != "line_id" || c[1].Type.Kind != Bool {
		t.Errorf("its columns are %+v", c)
	}
	f := got.Features[1]
	if f.Key != 0 || f.By != "country" || f.Window != 30*24*time.Hour || f.Delay != 7*24*time.Hour || f.Measure.Agg != CountDistinct ||
		!slices.Equal(f.Where, []string{"unit_price >= 0", "quantity > 0", "quantity < 9"}) {
		t.Errorf("a feature of a view is %+v", f)
	}
	if f := got.Features[2]; f.Key != 1 || f.By != "customer_id" || f.Measure.P != 0.9 || f.Measure.Input.Kind != Int64 || f.Window != 36*time.Hour {
		t.Errorf("a feature of a source is %+v", f)
	}
}

func TestTheHashOfATrainingSetIsOfWhatDecidesItsRows(t *testing.T) {
	hash := func(text string) string {
		p, problems := parseTraining(text)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return p.Trainings[0].Hash
	}
	first := hash(soundTraining)
	if hash(strings.Replace(soundTraining, "description: d", "description: e", 1)) != first {
		t.Error("a description changes the hash")
	}
	for _, c := range [][2]string{
		{"window: 1h", "window: 2h"}, {"delay: 7d", "delay: 6d"}, {"quantity < 9", "quantity < 8"}, {"p: 0.9", "p: 0.8"},
		{"quantity > 10", "quantity > 11"}, {`where: "quantity > 0"`, `where: "quantity > 1"`}, {"name: p90", "name: p91"},
	} {
		if hash(change(t, soundTraining, c[0], c[1])) == first {
			t.Errorf("%s does not change the hash", c[1])
		}
	}
}

func TestAMistakeInATrainingSetIsNamedWithItsPlaceAndMend(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"view: sales\n  where", "view: sale\n  where", `training/a.yaml:4:9: unknown view "sale" in labels of training churn: did you mean "sales"?`},
		{"columns: [line_id,", "columns: [no_such,", `unknown field "no_such" in labels of training churn`},
		{"  columns: [line_id", "  colums: [line_id", `unknown key "colums" in labels of training churn: did you mean "columns"?`},
		{"measure: lines,", "measure: line,", `training/a.yaml:11:58: unknown measure "line" of view sales in feature lines_1h of training churn: did you mean "lines"?`},
		{"measure: lines,", "measure: avg_line,", "is derived: take the measures that it is made of"},
		{"key: shopper", "key: shoper", `unknown key "shoper" in feature p90 of training churn: did you mean "shopper"?`},
		{"key: shopper, ", "", "feature p90 of training churn has no key"},
		{"window: 36h", "window: long", "window of feature p90 of training churn"},
		{", window: 36h", "", "has no window"},
		{"window: 36h", "window: 36h, delay: -1h", "delay of feature p90"},
		{"agg: percentile, p: 0.9", "agg: percentil, p: 0.9", `did you mean "percentile"?`},
		{"agg: percentile, p: 0.9", "agg: top_k, k: 3", "answers a list"},
		{"by: customer_id", "by: quantity", "its events go by a int64, key shopper is a string: cast one of them"},
		{"key: country, view: sales, measure: lines,", "key: shopper, view: sales, measure: lines,", `view sales has no dimension "shopper"`},
		{"name: lines_1h", "name: country", `name "country" in training churn is taken: line 8 has it`},
		{"name: lines_1h", "name: time", "a row has its time under it"},
		{"view: sales, measure: lines", "measure: lines", "has neither source nor view"},
		{"view: sales, measure: lines", "view: sales, agg: count", "has no measure"},
		{"source: orders, by", "source: oders, by", `unknown source "oders" in feature p90 of training churn: did you mean "orders"?`},
		{`where: "quantity < 9"`, `where: "now() > invoice_date"`, "now() is not a function of the event alone"},
		{`where: "quantity > 0"`, `where: "quantity"`, "write a condition"},
		{"  columns:", "  time: quantity\n  columns:", "time of labels of training churn is a int64"},
	} {
		_, problems := parseTraining(change(t, soundTraining, c.old, c.new))
		if !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.new, problems.Error(), c.want)
		}
	}
}

func TestTheSchemaOfTrainingSetsAgreesWithParse(t *testing.T) {
	s := compileSchema(t, TrainingSchema())
	if err := validate(t, s, []byte(soundTraining)); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{{"window: 36h", "window: long"}, {"agg: percentile", "agg: top_k"}, {"  columns:", "  colums:"}, {"labels:\n", "labels:\n  source: orders\n"}} {
		if validate(t, s, []byte(change(t, soundTraining, c[0], c[1]))) == nil {
			t.Errorf("the schema accepts %s", c[1])
		}
	}
}

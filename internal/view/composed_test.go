package view

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// composedView is soundView with shares and running totals.
func composedView() string {
	return strings.Replace(soundView, "measures:\n", `measures:
  - {name: share_of_all, share: revenue, description: of everything}
  - {name: daily_share, share: lines, within: [time, country], unit: "1"}
  - {name: so_far, running: revenue}
  - {name: lines_so_far, running: lines}
  - {name: counted, running: quantity_sum}
  - {name: percent, expr: "share_of_all / 100.0"}
`, 1)
}

func TestSharesAndRunningTotalsAreComputedFromOtherMeasures(t *testing.T) {
	p := sound(t, soundServices, composedView())
	v := p.Views[0]
	want := map[string]Measure{
		"share_of_all": {Agg: Share, Of: "revenue", Type: Type{Kind: Double}},
		"daily_share":  {Agg: Share, Of: "lines", Within: []string{"time", "country"}, Type: Type{Kind: Double}},
		"so_far":       {Agg: Running, Of: "revenue", Type: Type{Kind: Decimal, Precision: 38, Scale: 3}},
		"lines_so_far": {Agg: Running, Of: "lines", Type: Type{Kind: Int64}},
		"counted":      {Agg: Running, Of: "quantity_sum", Type: Type{Kind: Int128}},
	}
	for name, w := range want {
		m := v.Measures[v.Measure(name)]
		if m.Agg != w.Agg || m.Of != w.Of || !slices.Equal(m.Within, w.Within) || m.Type != w.Type || m.Agg.Stored() || !v.Composed(v.Measure(name)) {
			t.Errorf("%s is %+v, want %+v", name, m, w)
		}
	}
	if !v.Composed(v.Measure("percent")) || v.Composed(v.Measure("avg_line")) || v.Composed(v.Measure("revenue")) {
		t.Error("what depends on other rows: percent, not avg_line, not revenue")
	}
	own := v.OwnMeasures()
	for _, m := range v.Measures {
		if _, is := want[m.Name]; slices.Contains(own, m.Name) == (is || m.Name == "percent") {
			t.Errorf("%s among %v: alerts and explanations look at measures of a row alone", m.Name, own)
		}
	}
}

func TestSharesAndRunningTotalsLeaveTheHashAsItIs(t *testing.T) {
	with, without := sound(t, soundServices, composedView()).Views[0], sound(t, soundServices, soundView).Views[0]
	if with.Hash != without.Hash {
		t.Error("a running installation would be computed anew")
	}
	back, err := ParseView("sales", with.Canonical, with.Presentation())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Measures, with.Measures) {
		t.Errorf("stored and read back:\n got %+v\nwant %+v", back.Measures, with.Measures)
	}
}

func TestMistakesInSharesAndRunningTotals(t *testing.T) {
	for line, want := range map[string]string{
		"{name: x, share: revenu}":                         `unknown measure "revenu" in measure x of view sales: did you mean "revenue"?`,
		"{name: x, share: orders}":                         `measure x of view sales: orders does not add up over rows: name a measure with agg: sum or agg: count`,
		"{name: x, running: avg_line}":                     `avg_line does not add up over rows`,
		"{name: x, running: revenue, within: [country]}":   `measure x of view sales: within is for a share, and not for a total`,
		"{name: x, running: revenue, share: revenue}":      `measure x of view sales: share: there is no running beside it`,
		"{name: x, share: revenue, within: [cuntry]}":      `unknown dimension "cuntry" in within of measure x of view sales: did you mean "country"?`,
		"{name: x, share: revenue, within: country}":       `write a list of dimensions`,
		"{name: x, share: revenue, within: [time, time]}":  `within of measure x of view sales: time is there twice`,
		"{name: x, share: revenue, agg: sum}":              `measure x of view sales: share: there is no agg beside it`,
		"{name: x, agg: count, within: [country]}":         `within is for a share: add ` + "`share: …`",
		"{name: x, share: revenue, expr: \"revenue * 2\"}": `there is no expr beside it`,
	} {
		_, problems := parseTexts(soundServices, strings.Replace(soundView, "measures:\n", "measures:\n  - "+line+"\n", 1))
		if !containsProblem(problems, want) {
			t.Errorf("%s: got\n%v\nwant %s", line, problems, want)
		}
	}
}

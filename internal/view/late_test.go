package view

import "testing"

func TestLatenessIsAFieldOfAViewsEvents(t *testing.T) {
	p := sound(t, soundServices, change(t, soundView, "{name: lines, agg: count}", "{name: lines, agg: count}\n  - {name: late, agg: count, filter: \"_late\"}"))
	v := p.Views[0]
	if m := v.Measures[v.Measure("late")]; m.Agg != Count || m.Filter != "_late" {
		t.Errorf("late is %+v", m)
	}
	_, problems := parseTexts(soundServices, change(t, soundView, "{name: lines, agg: count}", "{name: lines, agg: count}\n  - {name: late, agg: count, filter: \"_lat\"}"))
	if len(problems) == 0 {
		t.Error("_lat is a field")
	}
}

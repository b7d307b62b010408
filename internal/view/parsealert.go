package view

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func alertKeys() []string {
	return []string{"alert", "description", "view", "window", "by", "where", "when", "change", "no_data", "forecast", "on", "severity", "for", "cool_down",
		"look_back", "group_by", "to", "tests"}
}
func changeKeys() []string { return []string{"measure", "against", "above", "below"} }
func forecastKeys() []string {
	return []string{"measure", "season", "periods", "enough", "sigmas", "least", "side"}
}

// lookBackWindows is how many windows back an alert looks again where it does not say.
const lookBackWindows = 12

// alertDraft is an alert that is being read.
type alertDraft struct {
	*Alert
	p  *linter
	r  *reader
	of string // "alert big_spender"
}

// alert reads one file of alerts/. Its view has been read before.
func (p *linter) alert(f File, haveSources bool) {
	r, n := p.read(f)
	if n == nil || !r.mapping(n, "the alert", alertKeys()) {
		return
	}
	before := len(p.problems)
	r.require(n, "the alert", "alert", "view")
	d := &alertDraft{Alert: &Alert{Severity: "warning"}, p: p, r: r, of: "the alert"}
	if v := n.get("alert"); v != nil {
		if d.Name = r.name(v, "alert", ""); d.Name != "" {
			d.of = "alert " + d.Name
			if other, ok := p.alerts[d.Name]; ok {
				r.add(v, fmt.Sprintf("alert %s is already defined at %s:%d", d.Name, other.file, other.line), "give one of them another name")
			}
			p.alerts[d.Name] = place{f.Path, v.line}
		}
	}
	d.Description = r.text(n.get("description"), "description")
	d.told(n)
	if d.view(n.get("view"), haveSources) {
		d.cells(n)
		d.condition(n)
		d.LookBack = r.duration(n.get("look_back"), "look_back of "+d.of, max(lookBackWindows*d.Window.Size(), d.For+d.CoolDown), time.Second)
	}
	if len(p.problems) > before || d.View == nil {
		return
	}
	d.seal()
	if d.tests(n.get("tests")); len(p.problems) > before {
		return
	}
	p.project.Alerts = append(p.project.Alerts, d.Alert)
}

// view finds the view; false where its names cannot be checked.
func (d *alertDraft) view(n *node, haveSources bool) bool {
	if n == nil || !haveSources {
		return false
	}
	name := d.r.filled(n, "view of "+d.of)
	i := slices.IndexFunc(d.p.project.Views, func(v *View) bool { return v.Name == name })
	if _, defined := d.p.views[name]; i < 0 && !defined && name != "" {
		d.r.add(n, fmt.Sprintf("unknown view %q in %s", name, d.of), suggest(name, slices.Sorted(maps.Keys(d.p.views))))
	}
	if i >= 0 {
		d.View = d.p.project.Views[i]
	}
	return i >= 0
}

// told reads whom it tells, and when.
func (d *alertDraft) told(n *node) {
	if v := n.get("severity"); v != nil {
		d.Severity = d.oneOf(v, "severity", Severities())
	}
	if v := n.get("on"); v != nil {
		d.Closed = d.oneOf(v, "on", []string{"update", "close"}) == "close"
	}
	d.For = d.r.duration(n.get("for"), "for of "+d.of, 0, 0)
	d.CoolDown = d.r.duration(n.get("cool_down"), "cool_down of "+d.of, 0, 0)
	d.To = []string{LogSink}
	if v := n.get("to"); v != nil {
		known := make([]string, len(d.p.project.Sinks))
		for i, s := range d.p.project.Sinks {
			known[i] = s.Name
		}
		d.To = d.chosen(v, "to", "sink", known)
	}
}

// oneOf reads a word out of some.
func (d *alertDraft) oneOf(n *node, key string, words []string) string {
	s := d.r.filled(n, key+" of "+d.of)
	if s != "" && !slices.Contains(words, s) {
		d.r.add(n, fmt.Sprintf("%s %q of %s is not known", key, s, d.of), suggest(s, words))
	}
	return s
}

// chosen reads a list of names out of known ones, each once.
func (d *alertDraft) chosen(n *node, key, what string, known []string) []string {
	return d.r.chosen(n, key+" of "+d.of, what, known)
}

// chosen reads a list of names out of known ones, each once.
func (r *reader) chosen(n *node, of, what string, known []string) []string {
	if n.shape != sequence {
		r.add(n, of+" is "+n.word(), "write a list: [a, b]")
		return nil
	}
	names := []string{}
	for _, item := range n.items {
		name := r.filled(item, of)
		switch {
		case name == "":
		case !slices.Contains(known, name):
			r.add(item, fmt.Sprintf("unknown %s %q in %s", what, name, of), suggest(name, known))
		case slices.Contains(names, name):
			r.add(item, fmt.Sprintf("%s %q stands twice in %s", what, name, of), "name each once")
		default:
			names = append(names, name)
		}
	}
	return names
}

// grain reads the name of a grain of a view; the finest where it is left out.
func (r *reader) grain(n *node, v *View, of string) Grain {
	if n == nil {
		return v.Grains[0]
	}
	name := r.filled(n, of)
	names := make([]string, len(v.Grains))
	for i, g := range v.Grains {
		if names[i] = g.Name; g.Name == name {
			return g
		}
	}
	if name != "" {
		r.add(n, fmt.Sprintf("view %s has no grain %q for %s", v.Name, name, of), suggest(name, names)+"; or add it to the view's grains")
	}
	return v.Grains[0]
}

// frame reads what is judged: a grain, or hops; the finest grain where it is left out.
func (d *alertDraft) frame(n *node) Frame {
	of, name := "window of "+d.of, ""
	if n != nil {
		name = d.r.filled(n, of)
	}
	w := d.View.Window(name)
	switch {
	case w != nil && w.Session != nil:
		d.r.add(n, fmt.Sprintf("%s: %s is a session window, and late events move where a session begins, join two and cut one, so that nothing could be told of it once", of, name), inPlaceOfSessions(d.View, w))
	case w != nil:
		return Frame{Hop: w.Hop, Name: w.Name}
	case n == nil || slices.ContainsFunc(d.View.Grains, func(g Grain) bool { return g.Name == name }):
		return GrainFrame(d.r.grain(n, d.View, of))
	case name != "":
		var known []string
		for _, g := range d.View.Grains {
			known = append(known, g.Name)
		}
		for _, w := range d.View.Windows {
			if w.Hop != nil {
				known = append(known, w.Name)
			}
		}
		d.r.add(n, fmt.Sprintf("view %s has no grain and no hopping window %q for %s", d.View.Name, name, of), suggest(name, known)+"; or add it to the view")
	}
	return GrainFrame(d.View.Grains[0])
}

// inPlaceOfSessions says what an alert can be over that is meant for the sessions of a window.
func inPlaceOfSessions(v *View, w *Window) string {
	s, pane := w.Session, w.Pane.Size
	h := Hop{Size: (s.Max + pane - 1) / pane * pane, Every: s.Gap / pane * pane}
	h.Size = (h.Size + h.Every - 1) / h.Every * h.Every
	size, every := h.Text()
	return fmt.Sprintf("name a grain, or hops that are as long as a session may be: {name: last_%s, hopping: {size: %s, every: %s}} in windows of view %s; that one is over tells no_data: %s, without a window", size, size, every, v.Name, FormatDuration(s.Gap))
}

// cells reads which cells are judged.
func (d *alertDraft) cells(n *node) {
	d.Window = d.frame(n.get("window"))
	dims := dimensionNames(d.View)
	if v := n.get("by"); v != nil {
		d.By = d.chosen(v, "by", "dimension", dims)
	}
	d.Ungrouped = true
	if v := n.get("group_by"); v != nil {
		d.GroupBy, d.Ungrouped = d.chosen(v, "group_by", "dimension of by", d.By), false
	}
	v := n.get("where")
	if v == nil {
		return
	}
	columns := make([]Column, len(d.View.Dimensions))
	for i, dim := range d.View.Dimensions {
		columns[i] = Column{Name: dim.Name, Type: dim.Type}
	}
	if d.Where = d.r.filled(v, "where of "+d.of); d.Where != "" {
		if _, wrong := d.p.check.Condition(d.Where, "dimension", "view "+d.View.Name, columns); wrong != nil {
			d.r.addAt(v, wrong.At, "where of "+d.of+": "+wrong.What, wrong.Mend)
		}
	}
}

func dimensionNames(v *View) []string {
	names := make([]string, len(v.Dimensions))
	for i := range v.Dimensions {
		names[i] = v.Dimensions[i].Name
	}
	return names
}

// condition reads what is looked for.
func (d *alertDraft) condition(n *node) {
	kinds := []AlertKind{AlertWhen, AlertChange, AlertNoData, AlertForecast}
	var given []string
	for _, kind := range kinds {
		if n.get(string(kind)) != nil {
			d.Kind = kind
			given = append(given, string(kind))
		}
	}
	if len(given) != 1 {
		d.r.add(n, fmt.Sprintf("%s says %s of when, change, no_data and forecast", d.of, map[bool]string{true: "none", false: list(given)}[len(given) == 0]),
			"write one, e.g. `when: \"events > 10\"`")
		return
	}
	v := n.get(given[0])
	switch d.Kind {
	case AlertWhen:
		d.when(v)
	case AlertChange:
		d.change(v)
	case AlertForecast:
		d.forecast(v)
	case AlertNoData:
		d.NoData = d.r.duration(v, "no_data of "+d.of, 0, time.Second)
		for _, key := range []string{"for", "on"} {
			if other := n.get(key); other != nil {
				d.r.add(other, d.of+": no_data has no "+key, "leave it out: no_data says how long nothing has to come")
			}
		}
		if d.Window.Hop != nil {
			d.r.add(n, d.of+": no_data has no window that hops", "leave window out, or name a grain: no_data says how long nothing has to come")
		}
	}
	if d.Kind != AlertWhen {
		d.Closed = true
	}
}

func (d *alertDraft) when(n *node) {
	if d.When = d.r.filled(n, "when of "+d.of); d.When == "" {
		return
	}
	var columns []Column
	for i, m := range d.View.Measures {
		if !d.View.Composed(i) {
			columns = append(columns, Column{Name: m.Name, Type: m.Type})
		}
	}
	var wrong *Mistake
	if d.WhenNames, wrong = d.p.check.Condition(d.When, "measure", "view "+d.View.Name, columns); wrong != nil {
		d.r.addAt(n, wrong.At, "when of "+d.of+": "+wrong.What, wrong.Mend)
	}
}

// measure reads the name of a measure that is a number.
func (d *alertDraft) measure(n *node, of string) string {
	if n == nil {
		return ""
	}
	name := d.r.filled(n, "measure of "+of)
	names := make([]string, 0, len(d.View.Measures))
	for i, m := range d.View.Measures {
		if d.View.Composed(i) {
			continue
		}
		switch m.Type.Kind {
		case Int64, Int128, Decimal, Double:
			names = append(names, m.Name)
		}
	}
	if name != "" && !slices.Contains(names, name) {
		what := "unknown measure"
		if d.View.Measure(name) >= 0 {
			what = "no number is the measure"
		}
		d.r.add(n, fmt.Sprintf("%s %q of view %s in %s", what, name, d.View.Name, of), suggest(name, names))
	}
	return name
}

func (d *alertDraft) change(n *node) {
	of := "change of " + d.of
	if !d.r.mapping(n, of, changeKeys()) {
		return
	}
	d.r.require(n, of, "measure")
	d.Change.Measure = d.measure(n.get("measure"), of)
	if v := n.get("against"); v != nil && d.r.text(v, "against of "+of) != "before" {
		if d.Change.Against = d.r.duration(v, "against of "+of, 0, d.Window.Step()); d.Window.uneven(d.Change.Against) {
			d.r.add(v, fmt.Sprintf("against of %s is no whole number of windows of %s", of, d.Window.Name), "write before, or a multiple of the window, e.g. 7d")
		}
	} else if d.Window.uneven(d.Window.Size()) {
		d.r.add(n, of+" is against the hop before, and none of window "+d.Window.Name+" ends where another begins", "write against, as a multiple of its every, or choose an every that divides its size")
	}
	d.Change.Above, d.Change.Below = d.r.share(n.get("above"), "above of "+of), d.r.share(n.get("below"), "below of "+of)
	if n.get("above") == nil && n.get("below") == nil {
		d.r.add(n, of+" has no bound", "write `above: 50%` for half as much again, `below: -50%` for half")
	}
}

// share reads a number that may be written in percent; nil where it is left out.
func (r *reader) share(n *node, of string) *float64 {
	if n == nil {
		return nil
	}
	text := r.filled(n, of)
	digits, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || x != x || x-x != 0 {
		if text != "" {
			r.add(n, quote(of, text)+" is no share", "write e.g. 50% or 0.5, -50% for less")
		}
		return nil
	}
	if percent {
		x /= 100
	}
	return &x
}

func (d *alertDraft) forecast(n *node) {
	of := "forecast of " + d.of
	if !d.r.mapping(n, of, forecastKeys()) {
		return
	}
	d.r.require(n, of, "measure", "season")
	f := &d.Forecast
	f.Measure = d.measure(n.get("measure"), of)
	if v := n.get("season"); v != nil {
		if f.Season = d.r.duration(v, "season of "+of, 0, d.Window.Step()); d.Window.uneven(f.Season) {
			d.r.add(v, fmt.Sprintf("season of %s is no whole number of windows of %s", of, d.Window.Name), "write a multiple of the window, e.g. 1d or 7d")
		}
	}
	f.Periods = int(d.r.integer(n.get("periods"), "periods of "+of, 7, 2, 60))
	f.Enough = int(d.r.integer(n.get("enough"), "enough of "+of, int64(min(4, f.Periods)), 2, int64(f.Periods)))
	f.Sigmas, f.Above, f.Below = 3, true, true
	if x := d.r.share(n.get("sigmas"), "sigmas of "+of); x != nil {
		f.Sigmas = *x
	}
	if x := d.r.share(n.get("least"), "least of "+of); x != nil {
		f.Least = *x
	}
	if f.Sigmas < 0 || f.Least < 0 || f.Sigmas == 0 && f.Least == 0 {
		d.r.add(n, of+" has no width", "sigmas and least are not negative, and one of them is more than 0")
	}
	if v := n.get("side"); v != nil {
		side := d.oneOf(v, "side", []string{"both", "above", "below"})
		f.Above, f.Below = side != "below", side != "above"
	}
}

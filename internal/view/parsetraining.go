package view

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

func trainingKeys() []string {
	return []string{"training", "description", "labels", "keys", "features"}
}
func labelKeys() []string  { return []string{"source", "view", "where", "time", "columns"} }
func columnKeys() []string { return []string{"name", "expr"} }
func featureKeys() []string {
	return []string{"name", "key", "view", "measure", "source", "by", "agg", "expr", "type", "p", "where", "window", "delay"}
}

// featureAggs are the aggregations that can be a feature: those whose answer is one value.
func featureAggs() []string {
	return slices.DeleteFunc(aggNames(), func(name string) bool { return !isFeature(Agg(name)) })
}

func isFeature(agg Agg) bool { return agg != TopK && agg != Histogram && agg != Derived }

// trainingDraft is a training set's definition that is being read.
type trainingDraft struct {
	*Training
	linter *linter
	r      *reader
	of     string // "training fraud"
	names  map[string]int
	whole  *node
	// checks are the expressions over each part's source, and types what has to be compared once they are bound.
	checks []*checking
	types  []func()
}

// training reads one file of training/. Its views have been read before.
func (p *linter) training(f File, haveSources bool) {
	r, n := p.read(f)
	if n == nil || !r.mapping(n, "the training set", trainingKeys()) {
		return
	}
	before := len(p.problems)
	r.require(n, "the training set", "training", "labels", "keys", "features")
	d := &trainingDraft{Training: &Training{}, linter: p, r: r, of: "the training set", names: map[string]int{}, whole: n}
	if v := n.get("training"); v != nil {
		if d.Name = r.name(v, "training", ""); d.Name != "" {
			d.of = "training " + d.Name
			if other, ok := p.trainings[d.Name]; ok {
				r.add(v, fmt.Sprintf("training %s is already defined at %s:%d", d.Name, other.file, other.line), "give one of them another name")
			}
			p.trainings[d.Name] = place{f.Path, v.line}
		}
	}
	d.Description = r.text(n.get("description"), "description")
	if !haveSources {
		return
	}
	rows := d.labels(n.get("labels"))
	d.keys(n.get("keys"), rows)
	d.features(n.get("features"))
	for _, c := range d.checks {
		c.run(p.check, n)
	}
	if len(p.problems) > before || d.Labels.Source == nil {
		return
	}
	for _, compare := range d.types {
		compare()
	}
	if len(p.problems) > before {
		return
	}
	d.seal()
	p.project.Trainings = append(p.project.Trainings, d.Training)
}

// claim notes that a name of the set's columns is taken.
func (d *trainingDraft) claim(n *node, name string) {
	if name == "" {
		return
	}
	if name == "time" {
		d.r.add(n, `name "time" in `+d.of+" is taken", "a row has its time under it: choose another name")
	}
	if line, ok := d.names[name]; ok {
		d.r.add(n, fmt.Sprintf("name %q in %s is taken", name, d.of), fmt.Sprintf("line %d has it: choose another name", line))
		return
	}
	d.names[name] = n.line
}

// over starts on expressions over a source's fields. They are checked under the name of.
func (d *trainingDraft) over(source *definedSource, of string) *draft {
	part := &draft{View: &View{Source: source.source}, r: d.r, of: of, names: map[string]int{}}
	if len(source.source.Fields) > 0 {
		part.rows = checkingOf(d.r, source)
		d.checks = append(d.checks, part.rows)
	}
	return part
}

// events finds the source or the view that n names under one of the two keys. The view is nil for a source, and the draft where neither
// can be used.
func (d *trainingDraft) events(n *node, of string) (*draft, *View) {
	source, named := n.get("source"), n.get("view")
	switch {
	case source != nil && named != nil:
		d.r.add(named, of+" has both a source and a view", "keep one of them")
	case named != nil:
		name := d.r.filled(named, of+": view")
		i := slices.IndexFunc(d.linter.project.Views, func(v *View) bool { return v.Name == name })
		if _, defined := d.linter.views[name]; i < 0 && !defined && name != "" {
			d.r.add(named, fmt.Sprintf("unknown view %q in %s", name, of), suggest(name, slices.Sorted(maps.Keys(d.linter.views))))
		}
		if i >= 0 {
			v := d.linter.project.Views[i]
			return d.over(d.linter.sources[v.Source.Name], of), v
		}
	case source != nil:
		name := d.r.filled(source, of+": source")
		if s, ok := d.linter.sources[name]; ok {
			return d.over(s, of), nil
		}
		if name != "" {
			d.r.add(source, fmt.Sprintf("unknown source %q in %s", name, of), suggest(name, slices.Sorted(maps.Keys(d.linter.sources))))
		}
	default:
		d.r.add(n, of+" has neither source nor view", "say which events: `source: …` or `view: …`")
	}
	return nil, nil
}

// labels reads which events make the rows. The draft is nil where they are not known.
func (d *trainingDraft) labels(n *node) *draft {
	of := "labels of " + d.of
	if n == nil || !d.r.mapping(n, of, labelKeys()) {
		return nil
	}
	d.r.require(n, of, "columns")
	rows, counted := d.events(n, of)
	if rows == nil {
		return nil
	}
	d.Labels.Source = rows.Source
	if counted != nil && counted.Where != "" {
		d.Labels.Where = append(d.Labels.Where, counted.Where)
	}
	if v := n.get("where"); v != nil {
		d.Labels.Where = append(d.Labels.Where, rows.condition(v, "where of "+of))
	}
	if v := n.get("time"); v != nil {
		d.Labels.Time = d.r.filled(v, "time of "+of)
		rows.queue(v, d.Labels.Time, "time of "+of, func(t Type) {
			if t.Kind != Timestamp {
				d.r.add(v, fmt.Sprintf("time of %s is a %s", of, t), "write an expression of type timestamp")
			}
		})
	}
	d.Labels.Columns = d.columns(n.get("columns"), rows, "column", of)
	return rows
}

// columns reads a list of `name` or `{name: …, expr: …}` over the rows of a draft.
func (d *trainingDraft) columns(n *node, rows *draft, what, of string) []TrainingColumn {
	if n == nil {
		return nil
	}
	if n.shape != sequence || len(n.items) == 0 {
		d.r.add(n, of+": "+what+"s is "+n.word(), "write a list")
		return nil
	}
	out := make([]TrainingColumn, len(n.items))
	for i, item := range n.items {
		c, nameAt, exprAt := &out[i], item, item
		if item.shape == mapping {
			if !d.r.mapping(item, what+" of "+of, columnKeys()) {
				continue
			}
			d.r.require(item, what+" of "+of, "name")
			nameAt, exprAt = item.get("name"), item.get("expr")
		}
		if c.Name = d.r.name(nameAt, what, ""); c.Name == "" {
			continue
		}
		d.claim(nameAt, c.Name)
		if c.Expr = columnSQL(c.Name); item.shape == mapping && exprAt != nil {
			c.Expr = d.r.filled(exprAt, "expr of "+what+" "+c.Name+" of "+of)
		} else {
			exprAt = nameAt
		}
		whole := what + " " + c.Name + " of " + of
		rows.queue(exprAt, c.Expr, whole, func(t Type) {
			c.Type = t
			if t.Kind == Int128 {
				d.r.add(exprAt, whole+" is an integer of 128 bits", "cast it: `(…)::bigint`")
			}
			if t.Kind == Double && what == "key" {
				d.r.add(exprAt, whole+" is a double", "two events that ought to be alike may differ in the last bit: cast it to decimal, e.g. `(…)::decimal(18,2)`")
			}
		})
	}
	return out
}

// keys reads the entities of the set.
func (d *trainingDraft) keys(n *node, rows *draft) {
	if rows != nil {
		d.Keys = d.columns(n, rows, "key", d.of)
	}
}

// features reads what the set says of its entities.
func (d *trainingDraft) features(n *node) {
	if n == nil {
		return
	}
	if n.shape != sequence || len(n.items) == 0 {
		d.r.add(n, d.of+": features is "+n.word(), "write a list, e.g. `- {name: tx_1h, view: …, measure: …, window: 1h}`")
		return
	}
	d.Features = make([]Feature, len(n.items))
	for i, item := range n.items {
		d.feature(&d.Features[i], item)
	}
}

func (d *trainingDraft) feature(f *Feature, n *node) {
	of := "feature of " + d.of
	if !d.r.mapping(n, of, featureKeys()) {
		return
	}
	d.r.require(n, of, "name", "window")
	if v := n.get("name"); v != nil {
		if f.Name = d.r.name(v, "feature", ""); f.Name != "" {
			of = "feature " + f.Name + " of " + d.of
			d.claim(v, f.Name)
		}
	}
	f.Window = d.r.duration(n.get("window"), "window of "+of, time.Hour, time.Microsecond)
	f.Delay = d.r.duration(n.get("delay"), "delay of "+of, 0, 0)
	key, known := d.keyOf(n, of)
	f.Key = key
	rows, counted := d.events(n, of)
	if rows == nil {
		return
	}
	f.Source = rows.Source
	if counted != nil {
		d.ofView(f, n, counted, of)
	} else {
		d.inline(f, n, rows, of)
	}
	if v := n.get("where"); v != nil {
		f.Where = append(f.Where, rows.condition(v, "where of "+of))
	}
	if known {
		d.by(f, n, rows, counted, of)
	}
}

// keyOf finds the entity whose events a feature looks at.
func (d *trainingDraft) keyOf(n *node, of string) (int, bool) {
	v := n.get("key")
	if v == nil {
		if len(d.Keys) > 1 {
			d.r.add(n, of+" has no key", "say which entity's events it looks at: `key: …`")
		}
		return 0, len(d.Keys) == 1
	}
	name := d.r.filled(v, "key of "+of)
	i := slices.IndexFunc(d.Keys, func(k TrainingKey) bool { return k.Name == name })
	if i < 0 && name != "" && len(d.Keys) > 0 {
		names := make([]string, len(d.Keys))
		for k := range d.Keys {
			names[k] = d.Keys[k].Name
		}
		d.r.add(v, fmt.Sprintf("unknown key %q in %s", name, of), suggest(name, names))
	}
	return max(i, 0), i >= 0
}

// ofView takes a measure of a view, over the events that the view counts.
func (d *trainingDraft) ofView(f *Feature, n *node, v *View, of string) {
	part := &draft{r: d.r}
	part.only(n, of, "a measure of a view has no %s of its own", "leave it out, or name a source instead of the view", "agg", "expr", "type", "p")
	at := n.get("measure")
	if at == nil {
		d.r.add(n, of+" has no measure", "say which of the view's: `measure: …`")
		return
	}
	name := d.r.filled(at, "measure of "+of)
	i := v.Measure(name)
	if i < 0 && name != "" {
		names := make([]string, len(v.Measures))
		for k := range v.Measures {
			names[k] = v.Measures[k].Name
		}
		d.r.add(at, fmt.Sprintf("unknown measure %q of view %s in %s", name, v.Name, of), suggest(name, names))
	}
	if i < 0 {
		return
	}
	f.Measure = v.Measures[i]
	switch {
	case !f.Measure.Agg.Stored():
		d.r.add(at, fmt.Sprintf("%s: measure %s of view %s is derived", of, name, v.Name), "take the measures that it is made of as features, and compute it from them")
	case !isFeature(f.Measure.Agg):
		d.r.add(at, fmt.Sprintf("%s: %s answers a list", of, f.Measure.Agg), "a feature is one value: take another measure")
	}
	for _, text := range []string{v.Where, f.Measure.Expr, f.Measure.Filter} {
		if ls, _ := lex(text); mentions(ls, LateColumn) >= 0 {
			d.r.add(at, fmt.Sprintf("%s: measure %s of view %s looks at %s", of, name, v.Name, LateColumn), "a training set knows what an event says, not when it came: take another measure")
			break
		}
	}
	if v.Where != "" {
		f.Where = append(f.Where, v.Where)
	}
	if f.Measure.Filter != "" {
		f.Where = append(f.Where, f.Measure.Filter)
	}
}

// inline reads an aggregate that is no view's.
func (d *trainingDraft) inline(f *Feature, n *node, rows *draft, of string) {
	if v := n.get("measure"); v != nil {
		d.r.add(v, of+": measure is for a view", "write `view: …` instead of the source, or `agg: …` instead of the measure")
		return
	}
	agg := n.get("agg")
	if agg == nil {
		d.r.add(n, of+" has no agg", "say what is taken of the events: `agg: count`")
		return
	}
	f.Measure.Name = f.Name
	if v := n.get("expr"); v != nil {
		f.Measure.Expr = d.r.filled(v, "expr of "+of)
	}
	if !rows.agg(&f.Measure, agg, of) {
		return
	}
	if !isFeature(f.Measure.Agg) {
		d.r.add(agg, fmt.Sprintf("%s: %s answers a list", of, f.Measure.Agg), "a feature is one value: the aggregations are "+list(featureAggs()))
		return
	}
	rows.input(&f.Measure, n, of)
}

// by settles which entity an event of a feature is of: the key's dimension of a view, or an expression over the events.
func (d *trainingDraft) by(f *Feature, n *node, rows *draft, v *View, of string) {
	key := &d.Keys[f.Key]
	if key.Name == "" {
		return
	}
	at, text := n.get("by"), key.Name
	if at != nil {
		if text = d.r.filled(at, "by of "+of); text == "" {
			return
		}
	} else {
		at = n
	}
	if v != nil {
		i := v.Dimension(text)
		if i < 0 {
			names := make([]string, len(v.Dimensions))
			for k := range v.Dimensions {
				names[k] = v.Dimensions[k].Name
			}
			mend := suggest(text, names)
			if n.get("by") == nil {
				mend = "say which dimension is the entity: `by: …`; " + mend
			}
			d.r.add(at, fmt.Sprintf("view %s has no dimension %q for %s", v.Name, text, of), mend)
			return
		}
		f.By = v.Dimensions[i].Expr
	} else if f.By = text; n.get("by") == nil {
		f.By = columnSQL(text)
	}
	rows.queue(at, f.By, "by of "+of, func(t Type) {
		d.types = append(d.types, func() {
			if t != key.Type {
				d.r.add(at, fmt.Sprintf("%s: its events go by a %s, key %s is a %s", of, t, key.Name, key.Type), "cast one of them, so that equal entities are equal values")
			}
		})
	})
}

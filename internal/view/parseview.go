package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func viewKeys() []string {
	return []string{"view", "source", "description", "where", "timezone", "dimensions", "max_values", "grains", "windows", "measures", "emit", "tests"}
}
func dimensionKeys() []string { return []string{"name", "expr", "description"} }

// defaultMaxValues is how many values of a text dimension the speed layer knows where the view does not say.
const defaultMaxValues = 100_000

// draft is a view that is being read.
type draft struct {
	*View
	r     *reader
	of    string // "view sales"
	names map[string]int
	rows  *checking // over the source's fields; nil while the source is not known
	whole *node
}

// view reads one file of views/. haveSources is false where caudal.yaml could not be found.
func (p *linter) view(f File, haveSources bool) {
	r, n := p.read(f)
	if n == nil || !r.mapping(n, "the view", viewKeys()) {
		return
	}
	before := len(p.problems)
	r.require(n, "the view", "view", "source", "grains", "measures")
	d := &draft{View: &View{}, r: r, of: "the view", names: map[string]int{}, whole: n}
	if v := n.get("view"); v != nil {
		if d.Name = r.name(v, "view", ""); d.Name != "" {
			d.of = "view " + d.Name
			if other, ok := p.views[d.Name]; ok {
				r.add(v, fmt.Sprintf("view %s is already defined at %s:%d", d.Name, other.file, other.line), "give one of them another name")
			}
			p.views[d.Name] = place{f.Path, v.line}
		}
	}
	p.viewSource(d, n.get("source"), haveSources)
	d.Description = r.text(n.get("description"), "description")
	d.MaxValues = int(r.integer(n.get("max_values"), d.of+": max_values", defaultMaxValues, 1, 10_000_000))
	d.Timezone = "UTC"
	if v := n.get("timezone"); v != nil {
		d.Timezone = r.zone(v, d.of+": timezone")
	}
	d.Location, _ = loadZone(d.Timezone) // r.zone has let only zones through that load
	d.grains(n.get("grains"))
	if v := n.get("where"); v != nil {
		d.Where = d.condition(v, "where of "+d.of)
	}
	d.dimensions(n.get("dimensions"))
	derived, composed := d.measures(n.get("measures"))
	d.windows(n.get("windows"))
	if d.rows != nil {
		if p.project.Batch.Engine == EngineTrino {
			d.rows.porter, _ = p.check.(Porter)
		}
		d.rows.run(p.check, n)
	}
	d.compose(composed)
	d.derive(p.check, derived)
	p.emit(r, n.get("emit"), d.View)
	if len(p.problems) > before || d.rows == nil {
		return
	}
	d.seal()
	d.tests(p.check, n.get("tests"))
	if len(p.problems) > before {
		return
	}
	p.project.Views = append(p.project.Views, d.View)
}

// viewSource finds the source that the view reads.
func (p *linter) viewSource(d *draft, n *node, haveSources bool) {
	name := d.r.filled(n, d.of+": source")
	if n == nil || name == "" || !haveSources {
		return
	}
	s, ok := p.sources[name]
	if !ok {
		d.r.add(n, fmt.Sprintf("unknown source %q in %s", name, d.of), suggest(name, slices.Sorted(maps.Keys(p.sources))))
		return
	}
	d.Source = s.source
	if len(s.source.Fields) == 0 {
		return
	}
	d.rows = checkingOf(d.r, s)
	d.rows.columns = append(d.rows.columns, Column{Name: LateColumn, Type: Type{Kind: Bool}})
	d.rows.hints["_duplicate"] = "a repeat is left out before a view sees it, so that it would always be false"
}

// LateColumn is what expressions of a view may look at beside the source's fields: whether the event came behind the watermark by more than the
// allowed lateness. Like the fields it is a function of the log, and the archive keeps it.
const LateColumn = "_late"

// checkingOf checks expressions over a source's fields.
func checkingOf(r *reader, s *definedSource) *checking {
	c := &checking{r: r, broken: s.broken, word: "field", hints: map[string]string{}}
	for _, f := range s.source.Fields {
		c.columns = append(c.columns, Column{Name: f.Name, Type: f.Type})
	}
	return c
}

// condition queues an expression that has to be a boolean and returns its text.
func (d *draft) condition(n *node, of string) string {
	text := d.r.filled(n, of)
	d.queue(n, text, of, func(t Type) {
		if t.Kind != Bool {
			d.r.add(n, fmt.Sprintf("%s is a %s", of, t), "write a condition, e.g. `quantity > 0`")
		}
	})
	return text
}

// queue has an expression over the source's fields checked.
func (d *draft) queue(n *node, text, of string, typed func(Type)) {
	d.queueInto(n, text, of, Type{}, typed)
}

// queueInto has one checked that is cast to a type, if that is not Invalid.
func (d *draft) queueInto(n *node, text, of string, into Type, typed func(Type)) {
	if d.rows != nil && text != "" {
		d.rows.add(expression{at: n, text: text, of: of, where: d.of, typed: typed, into: into})
	}
}

// claim notes that a name of the view's answers is taken.
func (d *draft) claim(n *node, name string) {
	if name == "" {
		return
	}
	if name == "time" {
		d.r.add(n, `name "time" in `+d.of+" is taken", "an answer's row has the bucket's start under it: choose another name")
	}
	if line, ok := d.names[name]; ok {
		d.r.add(n, fmt.Sprintf("name %q in %s is taken", name, d.of), fmt.Sprintf("line %d has it: choose another name", line))
		return
	}
	d.names[name] = n.line
}

// dimensions reads the group-by columns, `name` or `{name: …, expr: …}`.
func (d *draft) dimensions(n *node) {
	if n == nil {
		return
	}
	if n.shape != sequence {
		d.r.add(n, d.of+": dimensions is "+n.word(), "write a list")
		return
	}
	d.Dimensions = make([]Dimension, len(n.items))
	for i, item := range n.items {
		d.dimension(i, item)
	}
}

func (d *draft) dimension(i int, n *node) {
	dim := &d.Dimensions[i]
	nameAt, exprAt := n, n
	if n.shape == mapping {
		if !d.r.mapping(n, "dimension of "+d.of, dimensionKeys()) {
			return
		}
		d.r.require(n, "dimension of "+d.of, "name")
		nameAt, exprAt = n.get("name"), n.get("expr")
		dim.Description = d.r.text(n.get("description"), "description")
	}
	if n.shape == scalar && d.rows != nil && n.text != strings.ToLower(n.text) && contains(d.rows.names(), n.text) {
		d.r.add(n, quote("dimension", n.text)+" is no name", fmt.Sprintf("write {name: %s, expr: %s}: answers go by lower-case names", strings.ToLower(n.text), n.text))
		return
	}
	if dim.Name = d.r.name(nameAt, "dimension", ""); dim.Name == "" {
		return
	}
	d.claim(nameAt, dim.Name)
	of := "dimension " + dim.Name + " of " + d.of
	if n.shape == mapping && exprAt != nil {
		dim.Expr = d.r.filled(exprAt, "expr of "+of)
	} else {
		dim.Expr, exprAt = columnSQL(dim.Name), nameAt
	}
	if d.rows != nil && exprAt != nameAt && !contains(d.rows.names(), dim.Name) {
		d.rows.hints[dim.Name] = "it is a dimension; an expression sees the source's fields"
	}
	d.queue(exprAt, dim.Expr, of, func(t Type) {
		dim.Type = t
		switch t.Kind {
		case Double:
			d.r.add(exprAt, of+" is a double", "two events that ought to be alike may differ in the last bit: cast it to decimal, e.g. `(…)::decimal(18,2)`")
		case Int128:
			d.r.add(exprAt, of+" is an integer of 128 bits", "cast it: `(…)::bigint`")
		}
	})
}

// grains reads the bucket sizes and sorts them, the finest first.
func (d *draft) grains(n *node) {
	if n == nil {
		return
	}
	if n.shape != sequence || len(n.items) == 0 {
		d.r.add(n, d.of+": grains is "+n.word(), "write a list, e.g. [1m, 1h, 1d]")
		return
	}
	places := map[string]*node{}
	tiles := tile(d.Location)
	for _, item := range n.items {
		text := d.r.filled(item, "grain of "+d.of)
		if text == "" {
			continue
		}
		g, err := ParseGrain(text)
		if err != nil {
			d.r.refused(item, d.of, err)
			continue
		}
		if d.twice(g, item) {
			continue
		}
		if g.Unit == Fixed && tiles%g.Size != 0 {
			d.straddles(item, g, tiles)
			continue
		}
		places[g.Name] = item
		d.Grains = append(d.Grains, g)
	}
	slices.SortStableFunc(d.Grains, func(a, b Grain) int { return cmp.Compare(a.Size, b.Size) })
	for i, g := range d.Grains {
		for _, finer := range d.Grains[:i] {
			if g.Unit == Fixed && g.Size%finer.Size != 0 {
				d.r.add(places[finer.Name], fmt.Sprintf("%s: grain %s does not divide grain %s", d.of, finer.Name, g.Name),
					"coarser buckets are merged from finer ones: choose sizes that divide each other, e.g. [1m, 15m, 1h]")
			}
		}
	}
}

// twice notes a grain that is already there, perhaps under another name.
func (d *draft) twice(g Grain, n *node) bool {
	for _, h := range d.Grains {
		if h.Size == g.Size {
			d.r.add(n, fmt.Sprintf("%s: grain %s is there twice", d.of, g.Name), "keep one of them")
			return true
		}
	}
	return false
}

// straddles reports a fixed grain whose buckets would lie in two local days.
func (d *draft) straddles(n *node, g Grain, tiles time.Duration) {
	date, utc := offending(d.Location, g.Size)
	best := min(g.Size, tiles)
	for !isGrain(best) || tiles%best != 0 {
		best -= time.Second
	}
	d.r.add(n, fmt.Sprintf("%s: grain %s does not divide the days of %s: %s begins there at %s UTC, inside a bucket", d.of, g.Name, d.Timezone, date, utc),
		fmt.Sprintf("use %s or a divisor of it, or leave timezone out", FormatDuration(best)))
}

// isGrain says whether a definition can name the size.
func isGrain(size time.Duration) bool {
	_, err := ParseGrain(FormatDuration(size))
	return err == nil
}

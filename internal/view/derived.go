package view

import (
	"slices"
	"strings"
)

// derive checks the measures that are computed from others after the merge. What they say of each other is written out, so that
// each becomes an expression over kept measures alone; a cycle cannot be written out and is refused.
func (d *draft) derive(checker Checker, derived map[int]*node) {
	if d.rows == nil || len(derived) == 0 {
		return
	}
	c := &checking{r: d.r, word: "measure", broken: map[string]bool{}, hints: map[string]string{}}
	for i := range d.Measures {
		m := &d.Measures[i]
		if m.Agg == Derived || m.Name == "" {
			continue
		}
		switch m.Type.Kind {
		case Invalid:
			c.broken[m.Name] = true
			continue
		case Array:
			c.hints[m.Name] = "it is a list; a derived measure is computed from single values"
			continue
		}
		c.columns = append(c.columns, Column{Name: m.Name, Type: m.Type})
	}
	for _, dim := range d.Dimensions {
		c.hints[dim.Name] = "it is a dimension; a derived measure is computed from measures"
	}
	for _, f := range d.Source.Fields {
		if d.Measure(f.Name) < 0 && c.hints[f.Name] == "" {
			c.hints[strings.ToLower(f.Name)] = "it is a field of the source; aggregate it in a measure of its own"
		}
	}
	written := map[int]string{} // as in the file: writing out must not see what was written out before
	for i := range derived {
		written[i] = d.Measures[i].Expr
	}
	for _, item := range sortedPlaces(derived) {
		m := &d.Measures[item.index]
		if m.Expr == "" {
			continue
		}
		of := "measure " + m.Name + " of " + d.of
		text, cycle := d.writeOut(item.index, written, nil)
		if cycle != nil {
			d.r.add(item.node.get("expr"), of+" is computed from itself: "+strings.Join(cycle, " → "), "break the circle")
			continue
		}
		expr := item.node.get("expr")
		m.Expr = text
		at := *expr
		at.direct = at.direct && text == written[item.index]
		c.add(expression{at: &at, text: text, of: "expr of " + of, where: d.of, typed: func(t Type) { m.Type, m.Input = t, t }})
	}
	c.run(checker, d.whole)
}

type placed struct {
	index int
	node  *node
}

// sortedPlaces lists derived measures in the order of the file.
func sortedPlaces(derived map[int]*node) []placed {
	var out []placed
	for i, n := range derived {
		out = append(out, placed{i, n})
	}
	slices.SortFunc(out, func(a, b placed) int { return a.index - b.index })
	return out
}

// writeOut returns the expression of derived measure i with every other derived measure replaced by its own expression, or the
// circle that makes this impossible.
func (d *draft) writeOut(i int, written map[int]string, path []int) (string, []string) {
	if k := slices.Index(path, i); k >= 0 {
		var names []string
		for _, j := range append(path[k:], i) {
			names = append(names, d.Measures[j].Name)
		}
		return "", names
	}
	path = append(slices.Clone(path), i)
	expr := written[i]
	ls, m := lex(expr)
	if m != nil {
		return expr, nil // reported where it stands
	}
	var b strings.Builder
	end := 0
	for k, l := range ls {
		if l.kind != word && l.kind != quotedName || called(ls, k) {
			continue
		}
		j := d.Measure(l.text)
		if j < 0 || d.Measures[j].Agg != Derived {
			continue
		}
		inner, cycle := d.writeOut(j, written, path)
		if cycle != nil {
			return "", cycle
		}
		b.WriteString(expr[end:l.pos] + "(" + inner + ")")
		end = l.pos + len(l.raw)
	}
	b.WriteString(expr[end:])
	return b.String(), nil
}

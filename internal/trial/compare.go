package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/view"
)

// outcome compares what was answered with what the test expects, and the answers with each other.
func (t *trial) outcome() Outcome {
	o := Outcome{View: t.View.Name, Test: t.Test.Name, File: t.Test.File, Line: t.Test.Line, Paths: len(t.paths) + 1, Differences: []Difference{}}
	readings := []*reading{&t.speed, &t.batch}
	for _, w := range t.paths[1:] {
		readings = append(readings, &w.merged)
	}
	for _, r := range readings {
		if r.err != nil {
			o.Error = r.err.Error()
			return o
		}
	}
	c := comparison{trial: t, out: &o}
	c.counts()
	c.columns()
	c.rows()
	o.Passed = len(o.Differences) == 0
	return o
}

// comparison compares the readings of one trial.
type comparison struct {
	*trial
	out      *Outcome
	key      []column // what tells a row from the others
	measures []column
}

func (c *comparison) add(d Difference) {
	d.File = c.Test.File
	c.out.Differences = append(c.out.Differences, d)
}

// counts compares what the intake of both layers has counted.
func (c *comparison) counts() {
	for _, name := range view.CountNames() {
		speed, batch := c.speed.counts[name], c.batch.counts[name]
		want, said := c.Test.Counts[name]
		if speed == batch && (!said || speed == want) {
			continue
		}
		d := Difference{Line: c.Test.CountLine, Row: "counts", Column: name, Speed: fmt.Sprint(speed), Batch: fmt.Sprint(batch)}
		if d.Line == 0 {
			d.Line = c.Test.Line
		}
		if said {
			d.Expected = fmt.Sprint(want)
		}
		c.add(d)
	}
}

// columns reads what the answers consist of.
func (c *comparison) columns() {
	meta := &c.batch.result.Meta
	for _, col := range meta.Columns {
		of := column{name: col.Name, kind: col.Kind.Kind, zone: c.View.Location}
		switch {
		case col.Role != "time" && col.Role != "dimension":
			c.measures = append(c.measures, of)
		case col.Role == "time" && meta.Grain == "" && meta.Window == "": // the range is one bucket, and its start is nobody's business
		default:
			c.key = append(c.key, of)
		}
	}
}

// table is one reading by the names of its rows.
type table struct {
	*reading
	at    map[string]int // row by name
	names []string       // in the order of the answer
}

func (c *comparison) table(r *reading) table {
	t := table{reading: r, at: map[string]int{}}
	for i, row := range r.rows {
		name := c.name(func(col string) json.RawMessage { return row[col] })
		t.at[name] = i
		t.names = append(t.names, name)
	}
	return t
}

// name is how a row is told from the others: "country=France", or nothing where there is one.
func (c *comparison) name(of func(col string) json.RawMessage) string {
	parts := make([]string, len(c.key))
	for i, col := range c.key {
		text := string(of(col.name))
		if at, ok := col.instant(of(col.name)).(int64); ok {
			text = formatTime(at, col.zone)
		} else if s, ok := decode(of(col.name)).(string); ok {
			text = s
		}
		parts[i] = col.name + "=" + text
	}
	return strings.Join(parts, ", ")
}

// rows compares the rows: those that are expected, and whatever else was answered.
func (c *comparison) rows() {
	speed, batch := c.table(&c.speed), c.table(&c.batch)
	merged := make([]table, 0, len(c.paths))
	for _, w := range c.paths[1:] {
		merged = append(merged, c.table(&w.merged))
	}
	var wanted []string
	for _, row := range c.Test.Expect {
		values := map[string]json.RawMessage{}
		for _, col := range row.Columns {
			values[col.Name] = col.Value
		}
		name := c.name(func(col string) json.RawMessage { return values[col] })
		wanted = append(wanted, name)
		c.row(name, row.Line, values, speed, batch, merged)
	}
	for _, t := range append([]table{batch, speed}, merged...) {
		for _, name := range t.names {
			if !slices.Contains(wanted, name) {
				wanted = append(wanted, name)
				c.add(Difference{Line: c.Test.ExpectLine, Row: name, Note: "nobody expects this row",
					Speed: speed.text(name), Batch: batch.text(name), Merged: some(merged, func(m table) string { return m.text(name) })})
			}
		}
	}
	if c.Test.Ordered && len(c.out.Differences) == 0 {
		c.order(wanted, append([]table{speed, batch}, merged...))
	}
}

// order checks that every answer has the rows in the order that is expected.
func (c *comparison) order(wanted []string, tables []table) {
	for _, t := range tables {
		if !slices.Equal(t.names, wanted) {
			c.add(Difference{Line: c.Test.ExpectLine, Note: "the rows come in another order: " + strings.Join(t.names, "; ")})
			return
		}
	}
}

// some is what a function says of the first of many, or nothing.
func some(all []table, f func(table) string) string {
	if len(all) == 0 {
		return ""
	}
	return f(all[0])
}

// text is a row as JSON; "" where there is none.
func (t table) text(name string) string {
	i, ok := t.at[name]
	if !ok {
		return ""
	}
	text, err := json.Marshal(t.rows[i])
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// row compares one expected row with every answer.
func (c *comparison) row(name string, line int, want map[string]json.RawMessage, speed, batch table, merged []table) {
	for _, t := range append([]table{speed, batch}, merged...) {
		if _, ok := t.at[name]; !ok {
			c.add(Difference{Line: line, Row: name, Note: "the row is missing", Speed: speed.text(name), Batch: batch.text(name),
				Merged: some(merged, func(m table) string { return m.text(name) })})
			return
		}
	}
	for _, col := range c.measures {
		expected, said := want[col.name]
		truth := batch.value(name, col)
		reference := truth
		if said {
			reference = expected
		}
		d := Difference{Line: line, Row: name, Column: col.name, Expected: string(expected), Speed: string(speed.value(name, col)), Batch: string(truth),
			Merged: some(merged, func(m table) string { return string(m.value(name, col)) })}
		right := col.same(truth, reference) && speed.near(name, col, reference)
		for _, m := range merged {
			if right && !m.near(name, col, reference) {
				right, d.Merged, d.Note = false, string(m.value(name, col)), fmt.Sprintf("merged at a seam after event %d", m.seam)
			}
		}
		if !right {
			c.add(d)
		}
	}
}

func (t table) value(name string, col column) json.RawMessage { return t.rows[t.at[name]][col.name] }

// near says whether a value is what it should be: exactly, or within the bound that the answer states of it.
func (t table) near(name string, col column, want json.RawMessage) bool {
	i := t.at[name]
	share := 0.0
	if bound, stated := t.result.Provenance.Rows[i].Bounds[col.name]; stated {
		if bound == nil {
			return true // the answer says that it does not know how far off it is
		}
		share = *bound
	}
	return col.within(t.rows[i][col.name], want, share)
}

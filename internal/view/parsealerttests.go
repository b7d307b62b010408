package view

import "slices"

// expectedNoticeKeys are those of a notice that a test can say something of, by the names that its JSON has.
func expectedNoticeKeys() []string {
	return append(append([]string{"kind", "labels"}, NoticeTimes()...), "values", "late", "reason")
}

func alertTestKeys() []string { return []string{"name", "partitions", "each", "given", "expect"} }

// tests reads the inline tests of an alert that is sound otherwise.
func (d *alertDraft) tests(n *node) {
	decoder, _ := d.p.check.(Decoder)
	start := sceneDraft{source: d.View.Source, decoder: decoder, most: maxGivenAlerts, clock: true}
	d.r.scenes(n, d.of, alertTestKeys(), start, func(s sceneDraft, item *node) {
		t := AlertTest{Scene: *s.Scene}
		expect := item.get("expect")
		switch {
		case expect == nil:
		case expect.shape != sequence:
			d.r.add(expect, s.of+": expect is "+expect.word(), "write a list of notices, each {kind: firing, …}; [] where nobody is to be told of anything")
		default:
			t.ExpectLine = expect.line
			for _, one := range expect.items {
				t.Expect = append(t.Expect, d.expected(one, "a notice that "+s.of+" expects"))
			}
		}
		d.Tests = append(d.Tests, t)
	})
}

// expected reads one notice. It names the values of all dimensions that the alert goes by, so that it is told from others.
func (d *alertDraft) expected(n *node, of string) ExpectedNotice {
	e := ExpectedNotice{Line: n.line}
	if !d.r.mapping(n, of, expectedNoticeKeys()) {
		return e
	}
	d.r.require(n, of, "kind")
	if len(d.By) > 0 {
		d.r.require(n, of, "labels")
	}
	for _, p := range n.pairs {
		kind := Timestamp
		switch p.key {
		case "kind":
			if e.Kind = d.r.filled(p.value, "kind of "+of); e.Kind != "" && !slices.Contains(NoticeKinds(), e.Kind) {
				d.r.add(p.value, quote("kind of "+of, e.Kind)+" is not known", suggest(e.Kind, NoticeKinds()))
			}
			continue
		case "labels":
			e.Labels = d.named(p.value, "labels of "+of, d.By, func(name string) Kind { return d.View.Dimensions[d.View.Dimension(name)].Type.Kind })
			if p.value.shape == mapping {
				d.r.require(p.value, "labels of "+of, d.By...)
			}
			continue
		case "values":
			for _, c := range d.named(p.value, "values of "+of, d.Measures(), func(name string) Kind { return d.View.Measures[d.View.Measure(name)].Type.Kind }) {
				e.Columns = append(e.Columns, ExpectedColumn{ValuePrefix + c.Name, c.Value})
			}
			continue
		case "late":
			kind = Bool
		case "reason":
			kind = String
		}
		if d.r.fits(p.value, kind, p.key+" of "+of, d.View.Location) {
			e.Columns = append(e.Columns, ExpectedColumn{p.key, writtenJSON(p.value, kind == String)})
		}
	}
	return e
}

// named reads a mapping from known names to values of their kinds.
func (d *alertDraft) named(n *node, of string, known []string, kindOf func(name string) Kind) (list []ExpectedColumn) {
	if !d.r.mapping(n, of, known) {
		return nil
	}
	for _, p := range n.pairs {
		if !slices.Contains(known, p.key) {
			continue
		}
		if kind := kindOf(p.key); d.r.fits(p.value, kind, p.key+" in "+of, d.View.Location) {
			list = append(list, ExpectedColumn{p.key, writtenJSON(p.value, kind == String)})
		}
	}
	return list
}

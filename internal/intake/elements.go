package intake

import (
	"fmt"

	"github.com/caudal/caudal/internal/view"
)

// elements reads the array that begins here into the fields of the key, one pass for all of them. What is wrong with an element is what is wrong
// with the field; of several the first counts. It fails on JSON's grammar only.
func (d *decoder) elements(k *key) bool {
	fields := k.fields
	for _, i := range k.before {
		if d.state[i] == missing {
			fields = append(fields[:len(fields):len(fields)], i)
		}
	}
	for _, i := range fields {
		if d.rows.Columns[i].Type.Kind != view.List {
			d.state[i] = d.other(i, jsonArray)
			continue
		}
		d.rows.OpenList(i, d.row)
		d.state[i] = typed
	}
	l := &d.json
	l.at++
	if l.space() == ']' {
		l.at++
		return true
	}
	for n := 0; ; n++ {
		kind := kindOf(l.space())
		text, ok := d.element(kind)
		if !ok {
			return false
		}
		for _, i := range fields {
			if d.state[i] == typed {
				d.state[i] = d.append(i, n, kind, text)
			}
		}
		if more, ok := l.more(']'); !more {
			return ok
		}
	}
}

// element goes over the value that begins here and returns the text of a string or a number.
func (d *decoder) element(kind jsonKind) (text []byte, ok bool) {
	switch kind {
	case jsonString:
		return d.json.str()
	case jsonNumber:
		return d.json.number()
	}
	return nil, d.json.skip()
}

// append types element n of field i.
func (d *decoder) append(i, n int, kind jsonKind, text []byte) state {
	t := d.rows.Columns[i].Type
	switch {
	case n == view.MaxElements:
		return d.fail(i, OutOfRange, fmt.Sprintf("it has more than %d elements", view.MaxElements))
	case kind == jsonNull && !t.Holes:
		return d.fail(i, MissingField, fmt.Sprintf("element %d is null, and it is no array<%s?>", n, t.Element()))
	}
	rows, row := d.rows, d.row
	d.rows, d.row = rows.ExtendList(i, row)
	var s state
	switch kind {
	case jsonNull: // as it is added
		s = typed
	case jsonString:
		s = d.text(i, text)
	case jsonNumber:
		s = d.number(i, text)
	default:
		s = d.other(i, kind)
	}
	d.rows, d.row = rows, row
	if s == broken {
		d.bad[i].Detail = short(fmt.Sprintf("element %d: %s", n, d.bad[i].Detail))
	}
	return s
}

package intake

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/caudal/caudal/internal/view"
)

// decoder types records by a schema. It is the working memory of one fold.
type decoder struct {
	schema *Schema
	json   lexer
	clock  clock
	state  []state   // of each field in the record at hand
	bad    []Dead    // of each field whose state is broken
	follow [][]int32 // by node: the key that stood after this one, by its position + 1, in the last record; 0 is the start
	rows   *Rows     // that the record at hand goes to
	row    int
	us     int64 // its event time
}

// state is what is known of a field of the record at hand.
type state uint8

const (
	missing state = iota
	null
	typed
	broken
)

func newDecoder(s *Schema) *decoder {
	d := &decoder{
		schema: s,
		state:  make([]state, len(s.source.Fields)),
		bad:    make([]Dead, len(s.source.Fields)),
		follow: make([][]int32, s.nodes),
	}
	d.clock.format = &s.format
	s.root.each(func(n *node) { d.follow[n.number] = make([]int32, len(n.keys)+1) })
	return d
}

// each calls f for the node and all below it.
func (n *node) each(f func(*node)) {
	f(n)
	for i := range n.keys {
		if k := n.keys[i].node; k != nil {
			k.each(f)
		}
	}
}

// decode appends the record's row and returns its event time, or says why it is a dead letter and leaves the rows as they were.
func (d *decoder) decode(value []byte, to *Rows) (eventTime int64, dead *Dead) {
	switch {
	case value == nil:
		return 0, &Dead{Reason: Empty, Detail: "the record has no value (a tombstone)"}
	case len(value) > MaxRecord:
		return 0, &Dead{Reason: TooLarge, Detail: fmt.Sprintf("%d bytes; the limit is %d", len(value), MaxRecord)}
	case !utf8.Valid(value):
		return 0, invalidUTF8(value)
	}
	d.json.reset(value)
	if d.json.space() != '{' {
		return 0, d.notObject()
	}
	clear(d.state)
	before := to.arena.mark()
	d.rows, d.row, d.us = to, to.Extend(), 0
	if !d.object(d.schema.root) || !d.json.end() && !d.json.unexpected("the end of the record") {
		dead = &Dead{Reason: BrokenJSON, Detail: short(d.json.wrong)}
	} else {
		dead = d.complete()
	}
	if dead != nil {
		to.Truncate(d.row)
		to.arena.undo(before)
	}
	d.rows, d.json.b = nil, nil
	return d.us, dead
}

// complete fills in what was missing and reports the first field that is broken.
func (d *decoder) complete() *Dead {
	for i, st := range d.state {
		if st == typed {
			continue
		}
		if st == broken {
			dead := d.bad[i]
			return &dead
		}
		f := &d.schema.source.Fields[i]
		def := d.schema.defaults[i]
		switch {
		case def != nil && (st == missing || !f.Nullable):
			d.copyDefault(i, def)
		case i == d.schema.eventTime:
			return &Dead{Reason: MissingEventTime, Field: f.Name, Detail: absence(st)}
		case !f.Nullable:
			return &Dead{Reason: MissingField, Field: f.Name, Detail: absence(st) + ", and the field is neither nullable nor has a default"}
		}
	}
	return nil
}

func absence(st state) string {
	if st == null {
		return "the value is null"
	}
	return "the key is missing"
}

func (d *decoder) copyDefault(i int, def *fallback) {
	from := &def.rows.Columns[0]
	switch {
	case from.Null(0):
	case from.Strs != nil:
		d.rows.SetBytes(i, d.row, from.Strs[0].Bytes())
	case from.Wide != nil:
		d.rows.SetWide(i, d.row, from.Wide[0])
	default:
		d.rows.SetWord(i, d.row, from.Words[0])
	}
	if i == d.schema.eventTime {
		d.us = def.us
	}
}

// object reads the object that begins here, one pass. Producers write their keys in the same order again and again: the key that followed
// the last one in the record before is tried first, and the map asked only when that is wrong.
func (d *decoder) object(n *node) bool {
	l, follow, last := &d.json, d.follow[n.number], 0
	l.at++
	if l.space() == '}' {
		l.at++
		return true
	}
	for {
		c := l.space()
		at := int(follow[last])
		if q := n.keys[at].quoted; c == '"' && len(q) <= len(l.b)-l.at && q == string(l.b[l.at:l.at+len(q)]) {
			l.at += len(q)
		} else {
			if c != '"' {
				return l.unexpected("a key")
			}
			name, ok := l.str()
			if !ok {
				return false
			}
			if at, ok = n.index[string(name)]; !ok {
				at = -1
			} else {
				follow[last] = int32(at)
			}
		}
		if !l.colon() {
			return false
		}
		if at < 0 {
			if !l.skip() {
				return false
			}
		} else {
			last = at + 1
			if !d.value(&n.keys[at]) {
				return false
			}
		}
		if more, ok := l.more('}'); !more {
			return ok
		}
	}
}

// value reads the value that begins here into the fields of the key. It fails on JSON's grammar only.
func (d *decoder) value(k *key) bool {
	kind := kindOf(d.json.space())
	if k.node != nil {
		return d.descend(k, kind)
	}
	switch kind {
	case jsonString:
		b, ok := d.json.str()
		if !ok {
			return false
		}
		for _, i := range k.fields {
			d.state[i] = d.text(i, b)
		}
		for _, i := range k.before {
			if d.state[i] == missing {
				d.state[i] = d.text(i, b)
			}
		}
	case jsonNumber:
		b, ok := d.json.number()
		if !ok {
			return false
		}
		for _, i := range k.fields {
			d.state[i] = d.number(i, b)
		}
		for _, i := range k.before {
			if d.state[i] == missing {
				d.state[i] = d.number(i, b)
			}
		}
	default:
		if kind == jsonArray && k.lists {
			return d.elements(k)
		}
		if !d.json.skip() {
			return false
		}
		for _, i := range k.fields {
			d.state[i] = d.other(i, kind)
		}
		for _, i := range k.before {
			if d.state[i] == missing {
				d.state[i] = d.other(i, kind)
			}
		}
	}
	return true
}

// descend reads an object or array on the path of fields. As the last of repeated keys wins, what an earlier one said is forgotten.
func (d *decoder) descend(k *key, kind jsonKind) bool {
	for _, i := range k.node.under {
		d.rows.SetNull(i, d.row)
		d.state[i] = missing
	}
	wanted := jsonObject
	if k.node.inArray {
		wanted = jsonArray
	}
	switch {
	case kind != wanted:
	case k.node.inArray:
		return d.array(k.node)
	default:
		return d.object(k.node)
	}
	if !d.json.skip() {
		return false
	}
	if kind != jsonNull {
		for _, i := range k.node.under {
			d.state[i] = d.fail(i, WrongType, fmt.Sprintf("%s on its path is %s, not %s", quote([]byte(k.name)), kind, wanted))
		}
	}
	return true
}

// array reads the array that begins here; elements that no field asks for are skipped, however many there are.
func (d *decoder) array(n *node) bool {
	l := &d.json
	l.at++
	if l.space() == ']' {
		l.at++
		return true
	}
	for element := 0; ; element++ {
		if element >= len(n.places) || n.places[element] == 0 {
			if !l.skip() {
				return false
			}
		} else if !d.value(&n.keys[n.places[element]-1]) {
			return false
		}
		if more, ok := l.more(']'); !more {
			return ok
		}
	}
}

// text types a JSON string.
func (d *decoder) text(i int, b []byte) state {
	if i == d.schema.eventTime {
		us, ok := d.clock.text(b)
		return d.time(i, us, ok, b, true)
	}
	switch t := d.rows.Columns[i].Type; t.Kind {
	case view.String:
		d.rows.SetBytes(i, d.row, b)
	case view.Decimal:
		return d.decimal(i, t, b)
	case view.Timestamp:
		us, ok := parseInstant(b)
		if !ok {
			return d.fail(i, WrongType, quote(b)+" is no RFC 3339 timestamp of the years 1 to 9999")
		}
		d.rows.SetWord(i, d.row, us)
	case view.Date:
		day, ok := parseDate(b)
		if !ok {
			return d.fail(i, WrongType, quote(b)+" is no date YYYY-MM-DD")
		}
		d.rows.SetWord(i, d.row, day)
	default:
		return d.wrong(i, "the string "+quote(b))
	}
	return typed
}

// number types a JSON number, whose grammar has been checked.
func (d *decoder) number(i int, b []byte) state {
	if i == d.schema.eventTime {
		us, ok := d.clock.number(b)
		return d.time(i, us, ok, b, false)
	}
	switch t := d.rows.Columns[i].Type; t.Kind {
	case view.Int64:
		v, f := parseInt(b)
		if f != fine {
			return d.unfit(i, t, b, f)
		}
		d.rows.SetWord(i, d.row, v)
	case view.Decimal:
		return d.decimal(i, t, b)
	case view.Double:
		v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
		if err != nil {
			return d.unfit(i, t, b, tooLarge)
		}
		if v == 0 {
			v = 0 // not -0: min and max would depend on the order of equal values
		}
		d.rows.SetWord(i, d.row, int64(math.Float64bits(v)))
	case view.Timestamp:
		us, f := parseWord(b, 0, 18)
		if f != fine || us < minInstant || us >= maxInstant {
			return d.fail(i, OutOfRange, clip(b)+" is no whole number of microseconds in the years 1 to 9999")
		}
		d.rows.SetWord(i, d.row, us)
	default:
		return d.wrong(i, "the number "+clip(b))
	}
	return typed
}

// other types null, true and false; objects and arrays are of no field's type.
func (d *decoder) other(i int, kind jsonKind) state {
	switch isBool := d.rows.Columns[i].Type.Kind == view.Bool; {
	case kind == jsonNull:
		d.rows.SetNull(i, d.row)
		return null
	case kind == jsonTrue && isBool:
		d.rows.SetWord(i, d.row, 1)
	case kind == jsonFalse && isBool:
		d.rows.SetWord(i, d.row, 0)
	default:
		return d.wrong(i, kind.String())
	}
	return typed
}

// decimal types the text of a number, from a JSON number or string.
func (d *decoder) decimal(i int, t view.Type, b []byte) state {
	if t.Wide() {
		v, f := parseFixed(b, int(t.Scale), int(t.Precision))
		if f != fine {
			return d.unfit(i, t, b, f)
		}
		d.rows.SetWide(i, d.row, v)
		return typed
	}
	v, f := parseWord(b, int(t.Scale), int(t.Precision))
	if f != fine {
		return d.unfit(i, t, b, f)
	}
	d.rows.SetWord(i, d.row, v)
	return typed
}

// time takes the event time, as read.
func (d *decoder) time(i int, us int64, ok bool, b []byte, isText bool) state {
	if !ok {
		found := clip(b)
		if isText {
			found = quote(b)
		}
		return d.fail(i, UnparsableEventTime, fmt.Sprintf("%s is not %s of the years 1 to 9999", found, d.clock.format))
	}
	d.us = us
	d.rows.SetWord(i, d.row, us)
	return typed
}

package intake

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/caudal/caudal/internal/view"
	"github.com/go-faster/jx"
)

// decoder types records by a schema. It is the working memory of one fold.
type decoder struct {
	schema *Schema
	json   jx.Decoder
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
	d.json.ResetBytes(value)
	if t := d.json.Next(); t != jx.Object {
		return 0, notObject(value, t)
	}
	clear(d.state)
	before := to.arena.mark()
	d.rows, d.row, d.us = to, to.Extend(), 0
	err := d.object(d.schema.root)
	if err == nil {
		if err = d.json.Skip(); err == io.EOF {
			err = nil
		} else {
			err = fmt.Errorf("more than one JSON text")
		}
	}
	if err != nil {
		dead = &Dead{Reason: BrokenJSON, Detail: short(err.Error())}
	} else {
		dead = d.complete()
	}
	if dead != nil {
		to.Truncate(d.row)
		to.arena.undo(before)
	}
	d.rows = nil
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

// object reads the object at hand, one pass. Producers write their keys in the same order again and again: the key that followed the
// last one in the record before is tried first, and the map asked only when that is wrong.
func (d *decoder) object(n *node) error {
	it, err := d.json.ObjIter()
	if err != nil {
		return err
	}
	follow := d.follow[n.number]
	last := 0
	for it.Next() {
		name := it.Key()
		at := int(follow[last])
		if at >= len(n.keys) || n.keys[at].name != string(name) {
			var ok bool
			if at, ok = n.index[string(name)]; !ok {
				if err := d.json.Skip(); err != nil {
					return err
				}
				continue
			}
			follow[last] = int32(at)
		}
		last = at + 1
		if err := d.value(&n.keys[at]); err != nil {
			return err
		}
	}
	return it.Err()
}

// value reads the value at hand into the fields of the key. An error is one of JSON's grammar.
func (d *decoder) value(k *key) error {
	t := d.json.Next()
	if k.node != nil {
		return d.descend(k, t)
	}
	switch t {
	case jx.String:
		b, err := d.json.StrBytes()
		if err != nil {
			return err
		}
		for _, i := range k.fields {
			d.state[i] = d.text(i, b)
		}
	case jx.Number:
		b, err := d.json.Raw()
		if err != nil {
			return err
		}
		for _, i := range k.fields {
			d.state[i] = d.number(i, b)
		}
	case jx.Bool:
		v, err := d.json.Bool()
		if err != nil {
			return err
		}
		for _, i := range k.fields {
			d.state[i] = d.truth(i, v)
		}
	case jx.Null:
		if err := d.json.Null(); err != nil {
			return err
		}
		for _, i := range k.fields {
			d.rows.SetNull(i, d.row)
			d.state[i] = null
		}
	default:
		if err := d.json.Skip(); err != nil {
			return err
		}
		for _, i := range k.fields {
			d.state[i] = d.wrong(i, "an "+t.String())
		}
	}
	return nil
}

// descend reads an object on the path of fields. As the last of repeated keys wins, what an earlier object said is forgotten.
func (d *decoder) descend(k *key, t jx.Type) error {
	for _, i := range k.node.under {
		d.rows.SetNull(i, d.row)
		d.state[i] = missing
	}
	if t == jx.Object {
		return d.object(k.node)
	}
	if err := d.json.Skip(); err != nil {
		return err
	}
	if t != jx.Null {
		for _, i := range k.node.under {
			d.state[i] = d.fail(i, WrongType, fmt.Sprintf("%s on its path is a JSON %s, not an object", quote([]byte(k.name)), t))
		}
	}
	return nil
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

// truth types true and false.
func (d *decoder) truth(i int, v bool) state {
	if i == d.schema.eventTime {
		return d.fail(i, UnparsableEventTime, fmt.Sprintf("%t is not %s", v, d.clock.format))
	}
	if d.rows.Columns[i].Type.Kind != view.Bool {
		return d.wrong(i, strconv.FormatBool(v))
	}
	var word int64
	if v {
		word = 1
	}
	d.rows.SetWord(i, d.row, word)
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

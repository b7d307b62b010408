package intake

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/caudal/caudal/internal/view"
)

// MaxRecord is the size in bytes from which on a record's value is a dead letter: it is the same for all sources, so that no setting
// can make two layers differ.
const MaxRecord = 4 << 20

// maxRecall bounds dedup_records: positions in the memory of ids are 32 bits.
const maxRecall = 1 << 31

// Schema is the decode plan of a source. It is immutable; any number of folds may share it.
//
// A record is one JSON object. Fields are looked up by their path; what no field asks for is skipped, but must be JSON. Of repeated keys
// the last wins, whole objects and arrays on a path among them. A key or an element that is absent, or whose path ends early in a missing or
// null object or array, is
// looked for under the names that the field had (of several the first in the record counts), and else is
// missing: the default, else null where the field is nullable, else a dead letter. An explicit null is null where the field is
// nullable, else the default, else a dead letter.
//
//   - string: a JSON string.
//   - int64: a JSON number that is whole, however written: 1000, 1e3, 1000.0.
//   - decimal: a JSON number, or a string that holds one; exact, never by way of a float. Zeros behind the scale are fine, other digits
//     are out of range.
//   - double: a JSON number; one that rounds to infinity is out of range, and -0 is 0.
//   - bool: true or false.
//   - timestamp: a string in RFC 3339 (a space may stand for the T; no offset means UTC; digits beyond the microsecond are cut off), or a
//     whole number of microseconds since the epoch; years 1 to 9999.
//   - date: a string YYYY-MM-DD; years 1 to 9999.
//   - array: a JSON array of at most view.MaxElements values, each of the elements' type; null ones where the type says that there may be some.
//   - the event time: as the source's format says. A layout wants a string, unix times a number or a string that holds one.
//
// Of several mistakes in one record, broken JSON is reported first, then the field that comes first in the source.
type Schema struct {
	source    *view.Source
	root      *node
	nodes     int
	defaults  []*fallback // by field; nil: none
	eventTime int
	eventID   int // -1: no dedup
	format    format
	horizon   int64 // µs
	records   int64
	lateness  int64 // µs
	ahead     int64 // µs
}

// node is an object, or an array, on the path of some field.
type node struct {
	number  int // among the nodes of the schema
	inArray bool
	keys    []key
	index   map[string]int // of an object: position in keys
	places  []int          // of an array: position in keys + 1 of each element up to the last one that is asked for; 0: none
	under   []int          // fields whose path goes through here
}

// key is a member of an object or an element of an array: a value of one or more fields, or an object or array on their path.
type key struct {
	name   string // for people, of an element with its array: items[0]
	quoted string // of a member: as it stands in JSON without escapes
	fields []int
	before []int // fields that had this name: the value is theirs where nothing was found yet
	node   *node
	lists  bool // some of them are arrays
}

// fallback is a field's default, typed.
type fallback struct {
	rows *Rows // one row; the field's column of it
	us   int64 // of the event time
}

// NewSchema compiles the decode plan. It fails where the source contradicts itself: an event time that is not a timestamp field, an
// unknown zone, a path that runs through another field's value, a default that its field cannot hold, bounds below zero.
func NewSchema(src *view.Source) (*Schema, error) {
	s := &Schema{
		source:    src,
		defaults:  make([]*fallback, len(src.Fields)),
		eventTime: src.Field(src.EventTime.Field),
		eventID:   -1,
		horizon:   src.DedupHorizon.Microseconds(),
		records:   src.DedupRecords,
		lateness:  src.Lateness.Microseconds(),
		ahead:     src.MaxAhead.Microseconds(),
	}
	if src.Format != "json" && src.Format != "" {
		return nil, fmt.Errorf("source %s: format %q is not one that the intake decodes", src.Name, src.Format)
	}
	if s.eventTime < 0 || src.Fields[s.eventTime].Type.Kind != view.Timestamp {
		return nil, fmt.Errorf("source %s: event time %q is no timestamp field", src.Name, src.EventTime.Field)
	}
	if src.EventID != "" {
		if s.eventID = src.Field(src.EventID); s.eventID < 0 || src.Fields[s.eventID].Type.Kind == view.List {
			return nil, fmt.Errorf("source %s: event id %q is no field of a scalar type", src.Name, src.EventID)
		}
	}
	if s.horizon < 0 || s.lateness < 0 || s.ahead < 0 || s.records < 0 || s.records >= maxRecall {
		return nil, fmt.Errorf("source %s: dedup horizon, dedup records (below %d), lateness and max ahead cannot be negative", src.Name, int64(maxRecall))
	}
	var err error
	if s.format, err = newFormat(src.EventTime); err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	s.root = s.newNode()
	for i := range src.Fields {
		if err := s.plan(i); err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
	}
	return s, nil
}

func (s *Schema) newNode() *node {
	s.nodes++
	return &node{number: s.nodes - 1, index: map[string]int{}}
}

// plan enters field i into the tree and types its default.
func (s *Schema) plan(i int) error {
	f := &s.source.Fields[i]
	t := f.Type
	if t.Kind == view.List {
		t = t.Element()
	}
	switch k := t.Kind; {
	case !slices.Contains(view.ColumnKinds(), k):
		return fmt.Errorf("field %s: type %s is not one of a source", f.Name, f.Type)
	case k == view.Decimal && (t.Precision < 1 || t.Precision > maxDigits || t.Scale > t.Precision):
		return fmt.Errorf("field %s: %s is not between decimal(1,0) and decimal(38,38)", f.Name, t)
	case f.Type.Kind == view.List && f.Default != nil:
		return fmt.Errorf("field %s: an array has no default", f.Name)
	}
	path := f.Path()
	n := s.root
	for depth, step := range path {
		if n.inArray != step.InArray {
			return fmt.Errorf("field %s: %s cannot be both an array and an object", f.Name, path[:depth])
		}
		n.under = append(n.under, i)
		k := n.key(path[:depth+1])
		last := depth == len(path)-1
		if last && k.node != nil || !last && len(k.fields) > 0 || len(k.before) > 0 {
			return fmt.Errorf("field %s: %s cannot be both a value and an object of other fields", f.Name, path[:depth+1])
		}
		if last {
			k.fields, k.lists = append(k.fields, i), k.lists || f.Type.Kind == view.List
			break
		}
		if k.node == nil {
			k.node = s.newNode()
			k.node.inArray = path[depth+1].InArray
		}
		n = k.node
	}
	for _, name := range f.Keys() {
		if err := s.planBefore(i, name); err != nil {
			return err
		}
	}
	if f.Default == nil {
		return nil
	}
	return s.planDefault(i, *f.Default)
}

// key returns what stands at the last step of the path, which goes through n, and enters it where it is new.
func (n *node) key(path view.Path) *key {
	step := path[len(path)-1]
	if step.InArray {
		for len(n.places) <= step.Element {
			n.places = append(n.places, 0)
		}
		if n.places[step.Element] == 0 {
			n.keys = append(n.keys, key{name: path[len(path)-2:].String()})
			n.places[step.Element] = len(n.keys)
		}
		return &n.keys[n.places[step.Element]-1]
	}
	at, ok := n.index[step.Key]
	if !ok {
		at = len(n.keys)
		n.index[step.Key] = at
		n.keys = append(n.keys, key{name: step.Key, quoted: quotedKey(step.Key)})
	}
	return &n.keys[at]
}

// planBefore enters the key that field i had before it was renamed.
func (s *Schema) planBefore(i int, name string) error {
	k := s.root.key(view.Keys(name))
	if k.node != nil || len(k.fields)+len(k.before) > 0 {
		return fmt.Errorf("field %s: it was %s, and another field is read from there", s.source.Fields[i].Name, name)
	}
	k.before, k.lists = append(k.before, i), k.lists || s.source.Fields[i].Type.Kind == view.List
	return nil
}

// planDefault types the default of field i by the decoder itself, so that a default is read like any value.
func (s *Schema) planDefault(i int, text string) error {
	f := s.source.Fields[i]
	if l := (lexer{b: []byte(text)}); !utf8.ValidString(text) || !l.skip() || !l.end() {
		return fmt.Errorf("field %s: default %s: it is not one JSON value", f.Name, text)
	}
	f.From, f.Was, f.Default = view.Keys("x"), nil, nil
	only := &Schema{source: &view.Source{Fields: []view.Field{f}}, defaults: make([]*fallback, 1), eventTime: -1, eventID: -1, format: s.format}
	if i == s.eventTime {
		only.eventTime = 0
	}
	only.root = only.newNode()
	if err := only.plan(0); err != nil {
		return err
	}
	d := &fallback{rows: NewRows(only.source)}
	us, dead := newDecoder(only).decode([]byte(`{"x":`+text+`}`), d.rows)
	if dead != nil {
		return fmt.Errorf("field %s: default %s: %s", f.Name, text, dead.Detail)
	}
	d.us = us
	s.defaults[i] = d
	return nil
}

// quotedKey returns the name as a JSON key without escapes, or, where there is none such, what no key begins with.
func quotedKey(name string) string {
	l := lexer{b: []byte(`"` + name + `"`)}
	if s, ok := l.str(); !ok || string(s) != name || !l.end() {
		return "-"
	}
	return string(l.b)
}

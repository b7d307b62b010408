package view

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Path says where in a record's JSON a value stands, outermost step first. The first step is a key: a record is an object.
type Path []Step

// Step goes into an object, by a key, or into an array, by the place of an element.
type Step struct {
	Key     string
	Element int // of an array, 0 to MaxElement
	InArray bool
}

// The bounds of a path: they keep the decode plan small, and a misprint from asking for a gigabyte of it.
const (
	MaxElement = 9_999
	MaxSteps   = 64
)

// Keys is a path through objects only.
func Keys(keys ...string) Path {
	p := make(Path, len(keys))
	for i, k := range keys {
		p[i].Key = k
	}
	return p
}

// Path is where the field's value stands, the default put in: a key of the field's name.
func (f *Field) Path() Path {
	if len(f.From) == 0 {
		return Keys(f.Name)
	}
	return f.From
}

// String is the path as a definition writes it: a.b[0].c, or a list where a key has what that writing cannot say.
func (p Path) String() string {
	for _, s := range p {
		if !s.InArray && (s.Key == "" || strings.ContainsAny(s.Key, `.[]{},:#"' `)) {
			return p.list()
		}
	}
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.InArray:
			fmt.Fprintf(&b, "[%d]", s.Element)
		case i > 0:
			b.WriteString("." + s.Key)
		default:
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

// list writes the path as a list of its steps.
func (p Path) list() string {
	steps := make([]string, len(p))
	for i, s := range p {
		steps[i] = strconv.Quote(s.Key)
		if s.InArray {
			steps[i] = fmt.Sprintf("[%d]", s.Element)
		}
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// MarshalJSON writes a key as a string and an element as a number, so that a path of keys is the list of texts that it always was.
func (s Step) MarshalJSON() ([]byte, error) {
	if s.InArray {
		return strconv.AppendInt(nil, int64(s.Element), 10), nil
	}
	return canonicalJSON(s.Key), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Step) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*s = Step{}
		return json.Unmarshal(b, &s.Key)
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 || n > MaxElement {
		return fmt.Errorf("step %s of a path is neither a key nor an element from 0 to %d", b, MaxElement)
	}
	*s = Step{Element: n, InArray: true}
	return nil
}

// path reads where in the JSON a value stands: keys with points between them and elements in brackets, or a list of steps.
func (r *reader) path(n *node, of string) Path {
	var p Path
	if n.shape == sequence {
		for _, item := range n.items {
			if item.shape == sequence {
				p = append(p, r.element(item, of))
				continue
			}
			key := r.filled(item, of+": from")
			if key == "" {
				return nil
			}
			p = append(p, Step{Key: key})
		}
		if len(p) == 0 {
			r.add(n, of+": from is an empty list", pathMend)
			return nil
		}
	} else {
		text := r.filled(n, of+": from")
		if text == "" {
			return nil
		}
		var at int
		var what, mend string
		if p, at, what, mend = cutPath(text); what != "" {
			r.addAt(n, at, of+": from "+what, mend)
			return nil
		}
	}
	switch {
	case p[0].InArray:
		r.add(n, of+": from begins with an element", "a record is an object: begin with one of its keys, e.g. items[0].price")
		return nil
	case len(p) > MaxSteps:
		r.add(n, fmt.Sprintf("%s: from has %d steps", of, len(p)), fmt.Sprintf("at most %d are followed", MaxSteps))
		return nil
	}
	return p
}

const pathMend = `write e.g. customer.address.country or items[0].price, or a list of steps: [customer, "a.b", [0]]`

// element reads a step [n] of a path that is written as a list.
func (r *reader) element(n *node, of string) Step {
	if len(n.items) != 1 || n.items[0].shape != scalar || n.items[0].quoted {
		r.add(n, of+": from has a list inside that is no element", "an element is its number in brackets, from 0: [items, [0], price]")
		return Step{InArray: true}
	}
	number, mend := elementOf(n.items[0].text)
	if mend != "" {
		r.add(n.items[0], fmt.Sprintf("%s: from has element %q", of, n.items[0].text), mend)
	}
	return Step{Element: number, InArray: true}
}

// elementOf reads the number of an element; mend is "" where it is one.
func elementOf(text string) (number int, mend string) {
	number, err := strconv.Atoi(text)
	switch {
	case err == nil && number < 0:
		return 0, "elements are counted from the first, which is 0"
	case err == nil && number > MaxElement:
		return 0, fmt.Sprintf("elements up to %d are looked at", MaxElement)
	case err != nil || strconv.Itoa(number) != text:
		return 0, "write the element's number, from 0, e.g. items[0].price"
	}
	return number, ""
}

// cutPath takes the writing a.b[0].c apart. Where it cannot, it says at which byte, what is wrong there and how to write it.
func cutPath(text string) (p Path, at int, what, mend string) {
	for at < len(text) {
		if text[at] == '[' {
			end := strings.IndexByte(text[at:], ']')
			if end < 0 {
				return nil, at, "has a bracket that does not end", pathMend
			}
			inner := text[at+1 : at+end]
			number, mend := elementOf(inner)
			if mend != "" {
				return nil, at + 1, fmt.Sprintf("has element %q", inner), mend
			}
			p = append(p, Step{Element: number, InArray: true})
			if at += end + 1; at < len(text) && text[at] != '[' {
				if text[at] != '.' {
					return nil, at, "goes on after an element without a point", pathMend
				}
				if at++; at == len(text) {
					return nil, at, "has an empty key", pathMend
				}
			}
			continue
		}
		end := strings.IndexAny(text[at:], ".[")
		if end < 0 {
			end = len(text) - at
		}
		key := text[at : at+end]
		if key == "" || strings.HasSuffix(text[at:], key+".") && at+end+1 == len(text) || strings.HasPrefix(text[at+end:], ".[") {
			return nil, at, "has an empty key", pathMend
		}
		if strings.Contains(key, "]") {
			return nil, at, "has a bracket that does not begin", pathMend
		}
		p = append(p, Step{Key: key})
		if at += end; at < len(text) && text[at] == '.' {
			at++
		}
	}
	return p, 0, "", ""
}

// meet notes where two paths ask for different things of one value: it is read, or it is an object, or it is an array.
func meet(a, b Path) (inside, kinds bool, common Path) {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) || n == len(b) {
		return len(a) != len(b), false, a[:n]
	}
	return false, a[n].InArray != b[n].InArray, a[:n]
}

// inside notes where the last field's path runs through the value of another, or the other way round, or where one field asks for an
// element of what is an object to the other.
func (r *reader) inside(at *node, of string, fields []Field) {
	last := fields[len(fields)-1]
	for _, f := range fields[:len(fields)-1] {
		inner, outer := last, f
		if len(inner.From) < len(outer.From) {
			inner, outer = outer, inner
		}
		within, kinds, common := meet(inner.From, outer.From)
		switch {
		case within && outer.Type.Kind == List && inner.From[len(common)].InArray:
			r.add(at, fmt.Sprintf("%s: field %s is an element of field %s", of, inner.Name, outer.Name),
				fmt.Sprintf("leave it out: an expression takes it from the array, %s[%d]", outer.Name, inner.From[len(common)].Element+1))
		case within:
			r.add(at, fmt.Sprintf("%s: field %s is inside field %s", of, inner.Name, outer.Name),
				strconv.Quote(common.String())+" is either a value or an object: mend `from`")
		case kinds:
			r.add(at, fmt.Sprintf("%s: fields %s and %s read %s as an array and as an object", of, f.Name, last.Name, strconv.Quote(common.String())),
				"it is one of the two in every record: mend `from`")
		}
	}
}

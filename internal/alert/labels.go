package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caudal/caudal/internal/algebra"
)

// Label is a named value, as people read it; nil: null.
type Label struct {
	Name  string
	Value *string
}

// Labels are what a cell goes by, in the order of the alert's by, or its measures. Its JSON is one object.
type Labels []Label

// LabelsOf names values.
func LabelsOf(names []string, values []algebra.Value) Labels {
	l := make(Labels, len(names))
	for i, name := range names {
		l[i].Name = name
		if !values[i].IsNull() {
			text := values[i].String()
			l[i].Value = &text
		}
	}
	return l
}

// Get returns the value of a name; false where there is none of that name.
func (l Labels) Get(name string) (*string, bool) {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value, true
		}
	}
	return nil, false
}

// Has says whether all of some labels are among these.
func (l Labels) Has(some Labels) bool {
	return !slices.ContainsFunc(some, func(s Label) bool {
		v, ok := l.Get(s.Name)
		return !ok || (v == nil) != (s.Value == nil) || v != nil && *v != *s.Value
	})
}

// only are the labels of some names, in their order.
func (l Labels) only(names []string) Labels {
	some := Labels{}
	for _, name := range names {
		v, _ := l.Get(name)
		some = append(some, Label{name, v})
	}
	return some
}

// key is a text that tells different labels apart.
func (l Labels) key() string {
	text, err := l.MarshalJSON()
	if err != nil {
		panic(fmt.Sprintf("BUG: encode labels: %v", err))
	}
	return string(text)
}

// MarshalJSON writes an object in the order of the labels.
func (l Labels) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i := range l {
		if i > 0 {
			out = append(out, ',')
		}
		for k, part := range []any{l[i].Name, l[i].Value} {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, fmt.Errorf("encode label %s: %w", l[i].Name, err)
			}
			if out = append(out, text...); k == 0 {
				out = append(out, ':')
			}
		}
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads an object, whose order it keeps.
func (l *Labels) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("read labels: %.40q is no object", data)
	}
	*l = Labels{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("read labels: %w", err)
		}
		next := Label{Name: fmt.Sprint(name)}
		if err := d.Decode(&next.Value); err != nil {
			return fmt.Errorf("read label %v: %w", name, err)
		}
		*l = append(*l, next)
	}
	return nil
}

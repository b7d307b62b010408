package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Schema is a JSON Schema of draft 2020-12, as far as it is needed here. The zero Schema allows anything.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 Types              `json:"type,omitempty"`
	Description          string             `json:"description,omitempty"`
	Format               string             `json:"format,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Minimum              *int64             `json:"minimum,omitempty"`
	Maximum              *int64             `json:"maximum,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	MinItems             int                `json:"minItems,omitempty"`
	MaxItems             int                `json:"maxItems,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties *Schema            `json:"additionalProperties,omitempty"`
	Closed               bool               `json:"-"` // no further properties
}

// Types are the JSON types that are allowed: one is written alone.
type Types []string

// MarshalJSON writes one type as a string.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// MarshalJSON writes a closed object's "additionalProperties": false.
func (s *Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	if !s.Closed {
		return json.Marshal((*plain)(s))
	}
	return json.Marshal(struct {
		*plain
		AdditionalProperties bool `json:"additionalProperties"`
	}{(*plain)(s), false})
}

// Text is the schema of strings.
func Text() *Schema { return &Schema{Type: Types{"string"}} }

// Whole is the schema of the integers from least to most.
func Whole(least, most int64) *Schema {
	return &Schema{Type: Types{"integer"}, Minimum: &least, Maximum: &most}
}

// ListOf is the schema of arrays.
func ListOf(items *Schema) *Schema { return &Schema{Type: Types{"array"}, Items: items} }

// Registry collects the schemas of named Go types.
type Registry struct {
	schemas map[string]*Schema
	words   map[string]string
}

// NewRegistry returns an empty one. words describes types ("Meta") and fields of them ("Meta.View").
func NewRegistry(words map[string]string) *Registry {
	return &Registry{schemas: map[string]*Schema{}, words: words}
}

// Schemas returns what was collected, by name.
func (r *Registry) Schemas() map[string]*Schema { return r.schemas }

// Put adds a schema by name and returns a reference to it.
func (r *Registry) Put(name string, s *Schema) *Schema {
	if s.Description == "" {
		s.Description = r.words[name]
	}
	r.schemas[name] = s
	return &Schema{Ref: "#/components/schemas/" + name}
}

// Of returns the schema of what encoding/json writes of a value's type; named structs become references. Fields without omitempty are required.
// A type that writes itself has to be put by its name before; json.RawMessage is any JSON. It panics on types that no answer has.
func (r *Registry) Of(value any) *Schema { return r.of(reflect.TypeOf(value)) }

func (r *Registry) of(t reflect.Type) *Schema {
	if r.schemas[t.Name()] != nil && t.PkgPath() != "" {
		return &Schema{Ref: "#/components/schemas/" + t.Name()}
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return &Schema{Type: Types{"string"}, Format: "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return &Schema{}
	}
	switch t.Kind() {
	case reflect.String:
		return Text()
	case reflect.Bool:
		return &Schema{Type: Types{"boolean"}}
	case reflect.Int, reflect.Int64, reflect.Int32:
		return &Schema{Type: Types{"integer"}}
	case reflect.Float64:
		return &Schema{Type: Types{"number"}}
	case reflect.Pointer:
		return orNull(r.of(t.Elem()))
	case reflect.Slice:
		return ListOf(r.of(t.Elem()))
	case reflect.Array:
		return &Schema{Type: Types{"array"}, Items: r.of(t.Elem()), MinItems: t.Len(), MaxItems: t.Len()}
	case reflect.Map:
		return &Schema{Type: Types{"object"}, AdditionalProperties: r.of(t.Elem())}
	case reflect.Struct:
		s := &Schema{Type: Types{"object"}, Properties: map[string]*Schema{}}
		if t.Name() == "" {
			r.fields(t, s)
			return s
		}
		ref := r.Put(t.Name(), s) // before its fields, which may be of the same type
		r.fields(t, s)
		return ref
	}
	panic(fmt.Sprintf("BUG: no schema for the type %s", t))
}

// orNull allows null beside what a schema allows. A reference is left as it is: absent, not null, is how structs are left out.
func orNull(s *Schema) *Schema {
	if s.Ref == "" && len(s.Type) > 0 {
		s.Type = append(s.Type, "null")
	}
	return s
}

// fields adds those of a struct, embedded ones among them.
func (r *Registry) fields(t reflect.Type, s *Schema) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
			continue
		case f.Anonymous && name == "":
			r.fields(f.Type, s)
			continue
		case name == "":
			name = f.Name
		}
		of := r.of(f.Type)
		if words := r.words[t.Name()+"."+f.Name]; words != "" && of.Ref == "" {
			of.Description = words
		}
		s.Properties[name] = of
		if !strings.Contains(options, "omitempty") {
			s.Required = append(s.Required, name)
		}
	}
}

package view

import (
	"encoding/json"
	"fmt"
	"regexp"
)

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// writtenJSON is the JSON of a value of a definition. What stands without quotes is a number, true or false where it reads as one, unless text is
// wanted.
func writtenJSON(n *node, text bool) json.RawMessage {
	var out any
	switch n.shape {
	case null:
		return json.RawMessage("null")
	case sequence:
		items := make([]json.RawMessage, len(n.items))
		for i, item := range n.items {
			items[i] = writtenJSON(item, false)
		}
		out = items
	case mapping:
		fields := map[string]json.RawMessage{}
		for _, p := range n.pairs {
			fields[p.key] = writtenJSON(p.value, false)
		}
		out = fields
	default:
		if !n.quoted && !text && (jsonNumber.MatchString(n.text) || n.text == "true" || n.text == "false") {
			return json.RawMessage(n.text)
		}
		out = n.text
	}
	data, err := json.Marshal(out)
	if err != nil {
		panic(fmt.Sprintf("BUG: %s as JSON: %v", n.word(), err))
	}
	return data
}

// writtenField is the JSON of a value of a field: text where it, or each element of its array, is one.
func writtenField(n *node, t Type) json.RawMessage {
	if t.Kind != List || n.shape != sequence {
		return writtenJSON(n, t.Kind == String)
	}
	items := []byte{'['}
	for i, item := range n.items {
		if i > 0 {
			items = append(items, ',')
		}
		items = append(items, writtenJSON(item, t.Item == String)...)
	}
	return append(items, ']')
}

// put places a value at the path below what is there already, and returns the whole. Elements before the one that is asked for are null.
func put(in any, path Path, value json.RawMessage) any {
	if len(path) == 0 {
		return value
	}
	step := path[0]
	if !step.InArray {
		object, ok := in.(map[string]any)
		if !ok {
			object = map[string]any{}
		}
		object[step.Key] = put(object[step.Key], path[1:], value)
		return object
	}
	array, _ := in.([]any)
	for len(array) <= step.Element {
		array = append(array, nil)
	}
	array[step.Element] = put(array[step.Element], path[1:], value)
	return array
}

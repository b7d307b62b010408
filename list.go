package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// listed is an entry of what top_k and histogram answer.
type listed struct {
	Value json.RawMessage
	From  json.RawMessage
	To    json.RawMessage
	Count json.RawMessage
	Error json.Number
}

// brief is a JSON value as a person reads it: a list of counts in one line, everything else as plain has it. A count that may be higher is
// followed by how much.
func brief(v json.RawMessage) string {
	var list []listed
	if len(v) == 0 || v[0] != '[' || json.Unmarshal(v, &list) != nil {
		return plain(v)
	}
	parts := make([]string, len(list))
	for i := range list {
		e := &list[i]
		name := plain(e.Value)
		switch from, to := plain(e.From), plain(e.To); {
		case e.Value != nil:
		case from == "":
			name = "<" + to
		case to == "":
			name = "≥" + from
		default:
			name = from + "–" + to
		}
		parts[i] = fmt.Sprintf("%s: %s", name, plain(e.Count))
		if e.Error != "" && e.Error != "0" {
			parts[i] += " +" + e.Error.String()
		}
	}
	return strings.Join(parts, ", ")
}

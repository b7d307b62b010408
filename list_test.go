package main

import (
	"encoding/json"
	"testing"
)

func TestListsAreReadableInATable(t *testing.T) {
	for text, want := range map[string]string{
		`[{"value":"a","count":3,"error":0},{"value":7,"count":"9007199254740993","error":2}]`:                  "a: 3, 7: 9007199254740993 +2",
		`[{"from":null,"to":"0.50","count":1},{"from":"0.50","to":2,"count":0},{"from":2,"to":null,"count":4}]`: "<0.50: 1, 0.50–2: 0, ≥2: 4",
		`null`: "", `"x"`: "x", `1.5`: "1.5", `[]`: "", `"[1]"`: "[1]",
	} {
		if got := brief(json.RawMessage(text)); got != want {
			t.Errorf("%s is shown as %q, want %q", text, got, want)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestEventsAreWhatTheirDefinitionReads(t *testing.T) {
	for i, m := range newEvents(1).next(1000) {
		var e struct {
			ID    string      `json:"id"`
			User  string      `json:"user_id"`
			Price json.Number `json:"unit_price"`
		}
		if err := json.Unmarshal(m.Value, &e); err != nil {
			t.Fatalf("%s: %v", m.Value, err)
		}
		if e.ID != fmt.Sprintf("e%012d", i) || e.User != string(m.Key) || len(e.User) != 7 {
			t.Fatalf("event %d with key %s is %s", i, m.Key, m.Value)
		}
	}
}

func TestNumbersArePadded(t *testing.T) {
	for _, n := range []int{0, 9, 10, 99, 100, 12345} {
		if got, want := string(appendPadded(nil, n, 3)), fmt.Sprintf("%03d", n); got != want {
			t.Errorf("%d is %s and should be %s", n, got, want)
		}
	}
}

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

func TestEventsAreRepeatedAndUsersTakeTurns(t *testing.T) {
	source := newEvents(1)
	source.again, source.users = 10, 3
	messages := source.next(100)
	for i, m := range messages {
		if again := i > 0 && string(m.Value) == string(messages[max(i, 1)-1].Value); again != (i > 0 && i%10 == 0) {
			t.Errorf("event %d is the one before again: %v", i, again)
		} else if want := fmt.Sprintf("u%06d", i%3); !again && string(m.Key) != want {
			t.Errorf("event %d is of %s and should be of %s", i, m.Key, want)
		}
	}
}

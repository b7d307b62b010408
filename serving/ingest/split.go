package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrTooMany is a request of more than MaxEvents.
var ErrTooMany = fmt.Errorf("more than %d events", MaxEvents)

// Lines takes NDJSON apart: each line that is not blank is an event, good or bad.
func Lines(body []byte) ([][]byte, error) {
	var events [][]byte
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if events = append(events, line); len(events) > MaxEvents {
			return nil, ErrTooMany
		}
	}
	return events, nil
}

// Elements takes a JSON array of events apart, or a single object.
func Elements(body []byte) ([][]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("read the event: %w", err)
		}
		return [][]byte{one}, end(d)
	}
	begin, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	if begin != json.Delim('[') {
		return nil, errors.New("the body is neither an array nor an object")
	}
	var events [][]byte
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("read event %d: %w", len(events), err)
		}
		if events = append(events, one); len(events) > MaxEvents {
			return nil, ErrTooMany
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read the end of the events: %w", err)
	}
	return events, end(d)
}

// end refuses what follows.
func end(d *json.Decoder) error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the events")
	}
	return nil
}

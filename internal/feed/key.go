package feed

import "github.com/caudal/caudal/internal/view"

// Key is what an event of a source is keyed by: its field `key`, else its event id, so that repeats of an event meet in one partition; nil where it
// has neither.
func Key(src *view.Source, event []byte) []byte {
	field := src.Key
	if field == "" {
		field = src.EventID
	}
	return keyOf(event, fieldPath(src, field))
}

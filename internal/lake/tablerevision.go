package lake

import (
	"context"
	"errors"
	"fmt"
)

// A revision is what became of a version of a table when an erasure took records out of it: a create-once object beside the manifest, with the
// version's id; the one of the highest erasure counts.

func tableRevisionFolder(source, id string) string {
	return versionsFolder(source) + id + "/revisions/"
}

// lastTableRevision is the key of what counts of a version: its last revision, or its manifest.
func (l *Lake) lastTableRevision(ctx context.Context, source, id string) (string, error) {
	key := versionKey(source, id)
	for object, err := range l.store.List(ctx, tableRevisionFolder(source, id)) {
		if err != nil {
			return "", fmt.Errorf("revisions of version %s of table %s: %w", id, source, err)
		}
		key = object.Key
	}
	return key, nil
}

// PutTableRevision makes a version the one that was given, which leaves out the erasures that it counts. One that stands already is of
// somebody who did the same work, and success.
func (l *Lake) PutTableRevision(ctx context.Context, v TableVersion) error {
	if err := v.validate(); err != nil {
		return fmt.Errorf("revise version %s of table %s: %w", v.ID, v.Source, err)
	}
	key := fmt.Sprintf("%s%06d.json", tableRevisionFolder(v.Source, v.ID), v.Erasures)
	if _, err := l.store.Create(ctx, key, encode(v)); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("revise version %s of table %s: %w", v.ID, v.Source, err)
	}
	return nil
}

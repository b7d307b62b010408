package lake

import (
	"context"
	"errors"
	"fmt"
)

// A CURRENT names which of several immutable manifests counts. It is the only object of its kind that changes, by conditional puts, and its
// sequence number makes its bytes never come back, so that a put cannot be fooled by a return to an older manifest.

// readCurrent reads a CURRENT. ErrNotFound if there is none.
func (l *Lake) readCurrent(ctx context.Context, key string) (Tag, error) {
	data, etag, err := l.store.Get(ctx, key)
	if err != nil {
		return Tag{}, err
	}
	tag := Tag{etag: etag}
	return tag, decode(key, data, &tag.current)
}

// swingCurrent makes a CURRENT name another manifest, if the one that tag names still stands: ErrChanged otherwise. The zero tag: there must
// be none yet.
func (l *Lake) swingCurrent(ctx context.Context, key, id string, tag Tag) (Tag, error) {
	next := Current{Sequence: tag.current.Sequence + 1, Snapshot: id}
	next.History = append(next.History, tag.current.History[max(0, len(tag.current.History)-historyLimit+1):]...)
	next.History = append(next.History, Publication{Sequence: next.Sequence, Snapshot: id})
	var etag string
	var err error
	if tag.etag == "" {
		if etag, err = l.store.Create(ctx, key, encode(next)); errors.Is(err, ErrExists) {
			err = fmt.Errorf("%w: %w", ErrChanged, err)
		}
	} else {
		etag, err = l.store.Swap(ctx, key, encode(next), tag.etag)
	}
	if err != nil {
		return Tag{}, err
	}
	return Tag{etag: etag, current: next}, nil
}

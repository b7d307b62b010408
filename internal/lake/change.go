package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// replace puts a small object in the place of the one that etag names, or where there is none yet, if that is "": ErrChanged if something else
// stands, and nothing changed. An answer that was lost on its way is found out: what stands is then what was to be put.
func (l *Lake) replace(ctx context.Context, key string, data []byte, etag string) (next string, err error) {
	if etag == "" {
		if next, err = l.store.Create(ctx, key, data); errors.Is(err, ErrExists) {
			err = fmt.Errorf("%w: %w", ErrChanged, err)
		}
	} else {
		next, err = l.store.Swap(ctx, key, data, etag)
	}
	if err == nil {
		return next, nil
	}
	if standing, now, readErr := l.store.Get(ctx, key); readErr == nil && bytes.Equal(standing, data) {
		return now, nil
	}
	return "", err
}

// changeAttempts bounds how often change tries to change what others change too.
const changeAttempts = 10

// change swings a small object from what stands, nil where there is none, to what f makes of it; nil leaves it as it is.
func (l *Lake) change(ctx context.Context, key string, f func(standing []byte) ([]byte, error)) error {
	for attempt := 1; ; attempt++ {
		standing, etag, err := l.store.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			standing, etag, err = nil, "", nil
		}
		if err != nil {
			return err
		}
		next, err := f(standing)
		if err != nil || next == nil {
			return err
		}
		if _, err = l.replace(ctx, key, next, etag); err == nil || attempt == changeAttempts || !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

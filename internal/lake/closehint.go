package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// closeAttempts bounds how often AskClose tries to merge its offsets into a hint that others write too.
const closeAttempts = 10

// AskClose asks the archive to close its chunks up to an offset of each partition, by a hint that only ever rises. Nothing rests on it
// but how long a batch waits.
func (l *Lake) AskClose(ctx context.Context, t Topic, offsets map[int]int64) error {
	key := closeKey(t)
	for attempt := 1; ; attempt++ {
		asked, tag, err := l.closeAsked(ctx, key)
		if err != nil {
			return fmt.Errorf("ask to close chunks of %s: %w", t, err)
		}
		merged := map[int]int64{}
		maps.Copy(merged, asked)
		for p, offset := range offsets {
			if before, ok := merged[p]; !ok || offset > before {
				merged[p] = offset
			}
		}
		if maps.Equal(merged, asked) {
			return nil
		}
		if tag == "" {
			_, err = l.store.Create(ctx, key, encode(merged))
		} else {
			_, err = l.store.Swap(ctx, key, encode(merged), tag)
		}
		if err == nil {
			return nil
		}
		if attempt == closeAttempts || !errors.Is(err, ErrExists) && !errors.Is(err, ErrChanged) {
			return fmt.Errorf("ask to close chunks of %s: %w", t, err)
		}
	}
}

// CloseAsked returns up to which offsets some batch waits for, by partition; empty if none ever asked.
func (l *Lake) CloseAsked(ctx context.Context, t Topic) (map[int]int64, error) {
	asked, _, err := l.closeAsked(ctx, closeKey(t))
	if err != nil {
		return nil, fmt.Errorf("read which chunks of %s to close: %w", t, err)
	}
	return asked, nil
}

func (l *Lake) closeAsked(ctx context.Context, key string) (asked map[int]int64, tag string, err error) {
	asked = map[int]int64{}
	data, tag, err := l.store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return asked, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	err = decode(key, data, &asked)
	return asked, tag, err
}

package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Begin is where the lake of each partition of a topic's life begins: where the log began when the first snapshot of the first view was made.
// A partition that is absent begins at 0, as does each of a later life: whatever retention takes of those has to be stated as missing. Nil where
// nobody has begun.
func (l *Lake) Begin(ctx context.Context, t Topic) (map[int]int64, error) {
	if t.Incarnation > 1 {
		return nil, nil
	}
	key := beginKey(t)
	l.mu.Lock()
	begin, ok := l.begins[key]
	l.mu.Unlock()
	if ok {
		return begin, nil
	}
	begin = map[int]int64{}
	data, _, err := l.store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = decode(key, data, &begin)
	}
	if err != nil {
		return nil, fmt.Errorf("where the lake of %s begins: %w", t, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begins[key] = begin
	return begin, nil
}

// ensureBegin notes where the lake of a topic's life begins, unless somebody has, and returns what stands.
func (l *Lake) ensureBegin(ctx context.Context, t Topic, starts map[int]int64) (map[int]int64, error) {
	if t.Incarnation == 1 {
		if _, err := l.store.Create(ctx, beginKey(t), encode(starts)); err != nil && !errors.Is(err, ErrExists) {
			return nil, fmt.Errorf("note where the lake of %s begins: %w", t, err)
		}
	}
	return l.Begin(ctx, t)
}

// Uncomputed are the offsets [a, b) of each partition that lie between where the lake begins and the boundary of a snapshot that is empty: nil
// where there are none.
func (l *Lake) Uncomputed(ctx context.Context, t Topic, cuts map[int]Cut) (map[int][2]int64, error) {
	begin, err := l.Begin(ctx, t)
	if err != nil || begin == nil && t.Incarnation == 1 {
		return nil, err
	}
	var between map[int][2]int64
	for p := range maps.Keys(cuts) {
		if begin[p] >= cuts[p].Offset {
			continue
		}
		if between == nil {
			between = map[int][2]int64{}
		}
		between[p] = [2]int64{begin[p], cuts[p].Offset}
	}
	return between, nil
}

package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// chunksPerIndex is how many commits one index object repeats. A chunk a minute makes half a million commits a year and partition: a
// process that starts reads some hundred objects for them.
const chunksPerIndex = 1000

// chunkIndex repeats chunksPerIndex commits, counted from the first of the partition. Commits are immutable, and so is a run of them:
// whoever writes an index writes the same. It is a shortcut and no second truth: where one is missing, the commits are read one by one.
type chunkIndex struct {
	Number int     `json:"number"` // of indexes before it
	Chunks []Chunk `json:"chunks"`
}

func indexFolder(t Topic, partition int) string {
	return fmt.Sprintf("lake/%s/_chunkindex/p=%03d/", t.folder(), partition)
}

func indexKey(t Topic, partition int, first int64) string {
	return fmt.Sprintf("%s%018d.json", indexFolder(t, partition), first)
}

// readIndex begins the chain with what the index objects repeat, as far as they follow upon one another.
func (l *Lake) readIndex(ctx context.Context, t Topic, partition int, c *chain) error {
	var keys []string
	for object, err := range l.store.List(ctx, indexFolder(t, partition)) {
		if err != nil {
			return err
		}
		keys = append(keys, object.Key)
	}
	parts, err := readAll(ctx, keys, func(ctx context.Context, key string) (part chunkIndex, err error) {
		data, _, err := l.store.Get(ctx, key)
		if err != nil {
			return chunkIndex{}, err
		}
		err = decode(key, data, &part)
		return part, err
	})
	if err != nil {
		return err
	}
	for i, part := range parts {
		if part.Number != i {
			break
		}
		for _, chunk := range part.Chunks {
			if !chunk.Committed {
				return fmt.Errorf("%w: %s repeats a chunk that is open", ErrCorrupt, keys[i])
			}
			if err := c.append(chunk); err != nil {
				return fmt.Errorf("%s: %w", keys[i], err)
			}
		}
	}
	c.indexed = len(c.chunks)
	return nil
}

// writeIndex repeats the commits that no index object holds yet, once they are enough for one.
func (l *Lake) writeIndex(ctx context.Context, t Topic, partition int) error {
	c := l.chain(t, partition)
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.chunks)-c.indexed >= l.chunksPerIndex {
		part := c.chunks[c.indexed : c.indexed+l.chunksPerIndex]
		data, err := json.Marshal(chunkIndex{Number: c.indexed / l.chunksPerIndex, Chunks: part})
		if err != nil {
			return fmt.Errorf("index of chunks: %w", err)
		}
		if _, err := l.store.Create(ctx, indexKey(t, partition, part[0].First), data); err != nil && !errors.Is(err, ErrExists) {
			return fmt.Errorf("index of chunks: %w", err)
		}
		c.indexed += len(part)
	}
	return nil
}

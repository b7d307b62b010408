package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Revision is what became of some chunks of a partition when an erasure took records out of them. Commits stay as they are, and so do the
// indexes that repeat them: a revision is a create-once object beside them, and for a chunk the one of the highest erasure counts.
type Revision struct {
	Erasure  int         `json:"erasure"`            // its number
	Chunks   []Chunk     `json:"chunks"`             // as the commits, with the files that are left; ascending
	Replaced []ChunkFile `json:"replaced,omitempty"` // the files that held the records: emptied once the revision stands
	Events   int64       `json:"events"`             // that it took, duplicates among them
	Dead     int64       `json:"dead"`               // dead letters that it took
}

func revisionFolder(t Topic, partition int) string {
	return fmt.Sprintf("lake/%s/_revisions/p=%03d/", t.folder(), partition)
}

// RevisedKey is the key of the file that takes the place of a chunk's file after an erasure.
func (l *Lake) RevisedKey(f ChunkFile, erasure int) string {
	base, _, _ := strings.Cut(strings.TrimSuffix(f.Key, ".parquet"), ".r")
	return fmt.Sprintf("%s.r%06d.parquet", base, erasure)
}

// PutRevision makes a revision part of the lake: from then on Chunks returns its chunks. Its files have to be there. One that stands already
// is of somebody who did the same work, and success.
func (l *Lake) PutRevision(ctx context.Context, t Topic, partition int, r Revision) error {
	if len(r.Chunks) == 0 || r.Erasure < 1 {
		return fmt.Errorf("put revision of %s p%d: it has no chunks or no erasure", t, partition)
	}
	for i := range r.Chunks {
		c := &r.Chunks[i]
		if err := c.validate(); err != nil || !c.Committed || c.Revision != r.Erasure {
			return fmt.Errorf("put revision of %s p%d: chunk [%d, %d) of revision %d: %w", t, partition, c.First, c.Next, c.Revision, errors.Join(err, ErrCorrupt))
		}
	}
	key := fmt.Sprintf("%s%018d.r%06d.json", revisionFolder(t, partition), r.Chunks[0].First, r.Erasure)
	if _, err := l.store.Create(ctx, key, encode(&r)); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("put revision of %s p%d: %w", t, partition, err)
	}
	return nil
}

// Revisions returns the revisions of a partition's chunks, by the offset of their first.
func (l *Lake) Revisions(ctx context.Context, t Topic, partition int) ([]Revision, error) {
	var keys []string
	for object, err := range l.store.List(ctx, revisionFolder(t, partition)) {
		if err != nil {
			return nil, fmt.Errorf("revisions of %s p%d: %w", t, partition, err)
		}
		keys = append(keys, object.Key)
	}
	all, err := readAll(ctx, keys, l.revision)
	if err != nil {
		return nil, fmt.Errorf("revisions of %s p%d: %w", t, partition, err)
	}
	return all, nil
}

// revision reads a revision, which never changes.
func (l *Lake) revision(ctx context.Context, key string) (Revision, error) {
	l.mu.Lock()
	r, ok := l.revisions[key]
	l.mu.Unlock()
	if ok {
		return r, nil
	}
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return Revision{}, err
	}
	if err := decode(key, data, &r); err != nil {
		return Revision{}, err
	}
	l.mu.Lock()
	l.revisions[key] = r
	l.mu.Unlock()
	return r, nil
}

// revise returns the chunks, ascending, with those of the revisions in the places of the commits: the slice that was given where there are none.
func (l *Lake) revise(ctx context.Context, t Topic, partition int, committed []Chunk) ([]Chunk, error) {
	revisions, err := l.Revisions(ctx, t, partition)
	if err != nil || len(revisions) == 0 {
		return committed, err
	}
	chunks := slices.Clone(committed)
	for _, r := range revisions {
		for _, c := range r.Chunks {
			i, found := slices.BinarySearchFunc(chunks, c.First, func(c Chunk, first int64) int { return int(c.First - first) })
			if !found || chunks[i].Revision >= c.Revision {
				continue
			}
			if chunks[i].Next != c.Next {
				return nil, fmt.Errorf("%w: a revision has the chunk [%d, %d), the commit [%d, %d)", ErrCorrupt, c.First, c.Next, chunks[i].First, chunks[i].Next)
			}
			chunks[i] = c
		}
	}
	return chunks, nil
}

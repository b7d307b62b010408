package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/caudal/caudal/internal/intake"
)

// ErrCorrupt says that what the lake holds contradicts itself. Nothing should be computed from it before a person has looked.
var ErrCorrupt = errors.New("lake contradicts itself")

type chainKey struct {
	topic     Topic
	partition int
}

// chain is what is known of a partition's chunks: the committed ones, without a gap. They are immutable, so that only what follows has to be listed.
type chain struct {
	mu      sync.Mutex // held while the chain is brought up to date, so that one caller lists and the others wait
	chunks  []Chunk
	indexed int // how many of them, from the first, index objects repeat
}

// follows checks that a chunk begins where the chain ends.
func (c *chain) follows(chunk *Chunk) error {
	if n := len(c.chunks); n > 0 && c.chunks[n-1].Next != chunk.First {
		return fmt.Errorf("%w: a chunk ends at %d, the next begins at %d", ErrCorrupt, c.chunks[n-1].Next, chunk.First)
	}
	return nil
}

// append adds the next committed chunk.
func (c *chain) append(chunk Chunk) error {
	if err := c.follows(&chunk); err != nil {
		return err
	}
	c.chunks = append(c.chunks, chunk)
	return nil
}

// parallelReads bounds how many objects are read at once when a chain is read for the first time.
const parallelReads = 16

func (l *Lake) chain(t Topic, partition int) *chain {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := chainKey{t, partition}
	c := l.chains[k]
	if c == nil {
		c = &chain{}
		l.chains[k] = c
	}
	return c
}

func (l *Lake) lastCommitted(t Topic, partition int) *Chunk {
	c := l.chain(t, partition)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.chunks) == 0 {
		return nil
	}
	last := c.chunks[len(c.chunks)-1]
	return &last
}

// Chunks returns the chunks of a partition that hold offsets from `from` on, ascending, each as its last revision has it; only the last may be
// open. ErrCorrupt if they leave a gap.
func (l *Lake) Chunks(ctx context.Context, t Topic, partition int, from int64) ([]Chunk, error) {
	committed, open, err := l.refresh(ctx, t, partition)
	if err != nil {
		return nil, fmt.Errorf("chunks of %s p%d: %w", t, partition, err)
	}
	i := sort.Search(len(committed), func(i int) bool { return committed[i].Next > from })
	revised, err := l.revise(ctx, t, partition, committed[i:])
	if err != nil {
		return nil, fmt.Errorf("chunks of %s p%d: %w", t, partition, err)
	}
	chunks := slices.Clone(revised)
	if open != nil && open.Next > from {
		chunks = append(chunks, *open)
	}
	return chunks, nil
}

// Committed returns the committed chunks of a partition, ascending and without a gap, each as its last revision has it. The slice is shared and
// must not be written to.
func (l *Lake) Committed(ctx context.Context, t Topic, partition int) ([]Chunk, error) {
	committed, _, err := l.refresh(ctx, t, partition)
	if err == nil {
		committed, err = l.revise(ctx, t, partition, committed)
	}
	if err != nil {
		return nil, fmt.Errorf("committed chunks of %s p%d: %w", t, partition, err)
	}
	return committed, nil
}

// Next returns the offset from which the archive has to go on in a partition and the state of the fold there: what the last commit
// says. An intent without its commit is returned as open, and has to be carried out first. Without any chunk, next is -1: the log's start.
func (l *Lake) Next(ctx context.Context, t Topic, partition int) (next int64, at Progress, open *Chunk, err error) {
	committed, open, err := l.refresh(ctx, t, partition)
	if err != nil {
		return 0, Progress{}, nil, fmt.Errorf("next offset of %s p%d: %w", t, partition, err)
	}
	if len(committed) == 0 {
		next, at = -1, intake.Start()
		if open != nil {
			next = open.First
		}
		return next, at, open, nil
	}
	last := &committed[len(committed)-1]
	return last.Next, last.Progress, open, nil
}

// refresh lists what follows the known chain. The slice returned is shared and must not be written to.
func (l *Lake) refresh(ctx context.Context, t Topic, partition int) (committed []Chunk, open *Chunk, err error) {
	c := l.chain(t, partition)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.chunks) == 0 {
		if err := l.readIndex(ctx, t, partition, c); err != nil {
			c.chunks, c.indexed = nil, 0
			return nil, nil, err
		}
	}
	after := ""
	if n := len(c.chunks); n > 0 {
		after = chunkKey(t, partition, c.chunks[n-1].First)
	}
	var keys []string
	for object, err := range l.store.ListFrom(ctx, chunkFolder(t, partition), after) {
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, object.Key)
	}
	found, err := readAll(ctx, keys, l.readChunk)
	if err != nil {
		return nil, nil, err
	}
	for i := range found {
		chunk := &found[i]
		if keys[i] != chunkKey(t, partition, chunk.First) {
			return nil, nil, fmt.Errorf("%w: %s holds the chunk that begins at %d", ErrCorrupt, keys[i], chunk.First)
		}
		if !chunk.Committed {
			if i != len(found)-1 {
				return nil, nil, fmt.Errorf("%w: %s is open, yet chunks follow", ErrCorrupt, keys[i])
			}
			if err := c.follows(chunk); err != nil {
				return nil, nil, err
			}
			open = chunk
			break
		}
		if err := c.append(*chunk); err != nil {
			return nil, nil, err
		}
	}
	return c.chunks[:len(c.chunks):len(c.chunks)], open, nil
}

// Partitions returns the partitions of which the lake holds chunks, ascending.
func (l *Lake) Partitions(ctx context.Context, t Topic) ([]int, error) {
	var all []int
	folder := "lake/" + t.folder() + "/_chunks/"
	for after := folder; ; {
		next := -1
		for object, err := range l.store.ListFrom(ctx, folder, after) {
			if err != nil {
				return nil, fmt.Errorf("partitions of %s: %w", t, err)
			}
			if _, err := fmt.Sscanf(object.Key[len(folder):], "p=%d/", &next); err != nil {
				return nil, fmt.Errorf("partitions of %s: %w: %s is in no partition", t, ErrCorrupt, object.Key)
			}
			break
		}
		if next < 0 {
			return all, nil
		}
		all, after = append(all, next), chunkFolder(t, next)+"~" // beyond the partition's chunks
	}
}

// readAll reads objects side by side, in the order of the keys.
func readAll[T any](ctx context.Context, keys []string, read func(ctx context.Context, key string) (T, error)) ([]T, error) {
	values := make([]T, len(keys))
	errs := make([]error, len(keys))
	slots := make(chan struct{}, parallelReads)
	var wg sync.WaitGroup
	for i, key := range keys {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			values[i], errs[i] = read(ctx, key)
		})
	}
	wg.Wait()
	return values, errors.Join(errs...)
}

// ChangedDates returns the dates (UTC) whose segments may hold offsets of [from, to): what a batch has to compute again when a partition's
// cut moves from one to the other. A file is known by its lowest and highest offset, so that a date may be named needlessly and never be missed. It is a function of the two cuts and of immutable commits alone.
func ChangedDates(chunks []Chunk, from, to int64) []string {
	if from >= to {
		return nil
	}
	var dates []string
	for _, c := range chunks {
		for _, f := range c.Files {
			if !f.Dead && f.Last >= from && f.First < to {
				dates = append(dates, f.Date)
			}
		}
	}
	slices.Sort(dates)
	return slices.Compact(dates)
}

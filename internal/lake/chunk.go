package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/caudal/caudal/internal/intake"
)

// Progress is the state of a partition's fold at an offset.
type Progress = intake.Progress

// Intent is what an archive promises to write before it writes it: whoever finishes the chunk does so over exactly this range, with
// this definition and this ingestion time, and so makes the same bytes.
type Intent struct {
	First      int64  `json:"first"`       // offset at which the chunk begins
	Last       int64  `json:"last"`        // offset of its last record; First-1 if it holds none
	Next       int64  `json:"next"`        // offset at which the next chunk begins: the fetch position, beyond Last where markers follow
	Definition string `json:"definition"`  // hash of the source's definition; see PutDefinition
	IngestedAt int64  `json:"ingested_at"` // µs UTC, for the column _ingested_at
	// Gone are the offsets [a, b) beyond Last that retention took: whoever finishes the chunk reads no further than Last, and so could not
	// tell them from markers.
	Gone [][2]int64 `json:"gone,omitempty"`
}

// ChunkFile is one file of a committed chunk.
type ChunkFile struct {
	Key    string `json:"key"`
	Date   string `json:"date"` // UTC, 2006-01-02: of the event times in a segment, of the record timestamps in dead letters
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Dead   bool   `json:"dead,omitempty"` // dead letters, not a segment
	First  int64  `json:"first"`          // lowest offset in the file
	Last   int64  `json:"last"`           // highest offset in the file
}

// Chunk is a run of consecutive offsets [First, Next) of one partition: an intent until it is committed, immutable from then on but for the
// revisions of erasures, which stand beside it.
type Chunk struct {
	Intent
	Committed  bool        `json:"committed"`
	Files      []ChunkFile `json:"files,omitempty"`
	Events     int64       `json:"events"`                // rows in the segments, duplicates among them
	Duplicates int64       `json:"duplicates"`            // of Events
	Late       int64       `json:"late"`                  // of Events, duplicates not among them; chunks of earlier releases counted those, too
	Dead       int64       `json:"dead"`                  // dead letters
	Progress   Progress    `json:"progress"`              // of the fold at Next
	Missing    [][2]int64  `json:"missing,omitempty"`     // offsets [a, b) that retention took before the archive could read them
	Revision   int         `json:"revision,omitempty"`    // number of the last erasure that took records out of it; 0: none did
	Erased     int64       `json:"erased,omitempty"`      // events that erasures took out of it, duplicates among them
	ErasedDead int64       `json:"erased_dead,omitempty"` // dead letters that erasures took out of it

	tag string // of the open intent, for Commit
}

func (i Intent) validate() error {
	switch {
	case i.First < 0 || i.Next <= i.First:
		return fmt.Errorf("offsets [%d, %d) are empty or negative", i.First, i.Next)
	case i.Last < i.First-1 || i.Last >= i.Next:
		return fmt.Errorf("last offset %d is outside [%d, %d)", i.Last, i.First, i.Next)
	case i.Definition == "":
		return errors.New("no definition")
	}
	return nil
}

func (c *Chunk) validate() error {
	if err := c.Intent.validate(); err != nil {
		return err
	}
	var events, dead int64
	for _, f := range c.Files {
		if f.Rows <= 0 || f.SHA256 == "" || f.First < c.First || f.Last > c.Last || f.First > f.Last {
			return fmt.Errorf("file %s: %d rows of offsets %d to %d, sha256 %q do not fit the chunk [%d, %d)",
				f.Key, f.Rows, f.First, f.Last, f.SHA256, c.First, c.Next)
		}
		if f.Dead {
			dead += f.Rows
		} else {
			events += f.Rows
		}
	}
	if events != c.Events || dead != c.Dead {
		return fmt.Errorf("its files hold %d events and %d dead letters, it counts %d and %d", events, dead, c.Events, c.Dead)
	}
	return nil
}

// PutIntent announces the next chunk of a partition. The loser of a race gets ErrExists and the chunk that stands, open or committed, to
// finish or to go on from. An intent that does not begin where the chain of chunks ends is refused: it would be a gap or an overlap.
func (l *Lake) PutIntent(ctx context.Context, t Topic, partition int, in Intent) (Chunk, error) {
	key := chunkKey(t, partition, in.First)
	fail := func(err error) (Chunk, error) {
		return Chunk{}, fmt.Errorf("put intent %s p%d [%d, %d): %w", t, partition, in.First, in.Next, err)
	}
	if err := in.validate(); err != nil {
		return fail(err)
	}
	chunks, err := l.Chunks(ctx, t, partition, in.First)
	if err != nil {
		return fail(err)
	}
	if len(chunks) > 0 {
		standing := chunks[0]
		if standing.First != in.First {
			return fail(fmt.Errorf("%w: the chunk [%d, %d) is in its way", ErrChanged, standing.First, standing.Next))
		}
		_, err := fail(ErrExists)
		return standing, err
	}
	if last := l.lastCommitted(t, partition); last != nil && last.Next != in.First {
		return fail(fmt.Errorf("%w: the last chunk ends at %d", ErrChanged, last.Next))
	}
	if err := l.writeIndex(ctx, t, partition); err != nil {
		return fail(err)
	}
	chunk := Chunk{Intent: in}
	tag, err := l.store.Create(ctx, key, encode(&chunk))
	if errors.Is(err, ErrExists) {
		standing, readErr := l.readChunk(ctx, key)
		if readErr != nil {
			return fail(readErr)
		}
		_, err := fail(ErrExists)
		return standing, err
	}
	if err != nil {
		return fail(err)
	}
	chunk.tag = tag
	return chunk, nil
}

// Commit makes a chunk that PutIntent, Next or Chunks returned, and whose files are written, part of the lake. Losing to somebody who
// committed the same is success; losing to anything else is ErrChanged, and nothing was written.
func (l *Lake) Commit(ctx context.Context, t Topic, partition int, c Chunk) error {
	key := chunkKey(t, partition, c.First)
	c.Committed = true
	if err := c.validate(); err != nil {
		return fmt.Errorf("commit %s: %w", key, err)
	}
	data := encode(&c)
	_, err := l.store.Swap(ctx, key, data, c.tag)
	if errors.Is(err, ErrChanged) {
		standing, _, readErr := l.store.Get(ctx, key)
		if readErr == nil && bytes.Equal(standing, data) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("commit %s: %w", key, err)
	}
	return nil
}

func (l *Lake) readChunk(ctx context.Context, key string) (Chunk, error) {
	data, tag, err := l.store.Get(ctx, key)
	if err != nil {
		return Chunk{}, err
	}
	var c Chunk
	if err := decode(key, data, &c); err != nil {
		return Chunk{}, err
	}
	c.tag = tag
	return c, nil
}

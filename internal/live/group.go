package live

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Group is the unit of the seam: one partition of one life of a topic, seen by one definition of a view.
type Group struct {
	Project     string
	Topic       string
	Incarnation int // n-th life of the topic, from 1
	Partition   int
	View        string
	Hash        string // of the view's definition
}

// String names the group as errors and logs do.
func (g Group) String() string {
	h := g.Hash
	if len(h) > 12 {
		h = h[:12]
	}
	return fmt.Sprintf("%s@%s of %s/%d partition %d", g.View, h, g.Topic, g.Incarnation, g.Partition)
}

// prefix is what every key of the group begins with: layout tells states of this form from those that releases before wrote and cannot read. All groups
// of a partition share the hash tag and so a cluster's slot.
func (g Group) prefix() string { return g.former() + layout }

const layout = "segments:"

// former is what the keys of the group began with when each cell was a field of its own.
func (g Group) former() string {
	return fmt.Sprintf("{%s/%s/%d/%d}:%s@%s:", g.Project, g.Topic, g.Incarnation, g.Partition, g.View, g.Hash)
}

func (g Group) meta() string  { return g.prefix() + "meta" }
func (g Group) index() string { return g.prefix() + "chunks" }

// ChunkID names a run of buckets of one grain within one epoch: one key in Redis.
type ChunkID struct {
	Start int64  // the epoch: its first offset
	Grain string // its name
	Chunk int64  // view.Grain.Chunk of each bucket in it
}

// field is the chunk's name in the group's index.
func (c ChunkID) field() string {
	b := make([]byte, 0, 48)
	b = strconv.AppendInt(b, c.Start, 10)
	b = append(b, ':')
	b = append(b, c.Grain...)
	b = append(b, ':')
	return string(strconv.AppendInt(b, c.Chunk, 10))
}

func parseChunkID(s string) (ChunkID, error) {
	start, rest, ok1 := strings.Cut(s, ":")
	grain, chunk, ok2 := strings.Cut(rest, ":")
	a, err1 := strconv.ParseInt(start, 10, 64)
	b, err2 := strconv.ParseInt(chunk, 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return ChunkID{}, fmt.Errorf("chunk name %q is not start:grain:number", s)
	}
	return ChunkID{Start: a, Grain: grain, Chunk: b}, nil
}

// AppendField appends the name of a cell within its chunk: the bucket's start (µs UTC, sign flipped, big-endian, so that names sort
// by time) and the canonical bytes of its dimension values.
func AppendField(dst []byte, bucket int64, key []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(bucket)^(1<<63))
	return append(dst, key...)
}

// SplitField is the inverse of AppendField. key aliases field.
func SplitField(field []byte) (bucket int64, key []byte, err error) {
	if len(field) < 8 {
		return 0, nil, fmt.Errorf("cell name of %d bytes is too short", len(field))
	}
	return int64(binary.BigEndian.Uint64(field) ^ (1 << 63)), field[8:], nil
}

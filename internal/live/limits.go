package live

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Limits is the grain, which no view has, of the chunks in which an epoch keeps what its limits did. They belong to the epoch as its cells
// do: they are written by the same flushes, are lost with it and are dropped with it.
//
// Chunk i, from 0 on, holds the values of dimension i that the epoch knows, each a field; chunk deferredChunk holds the ranges of event
// time whose events were left to the next batch, as the one field deferredField; chunk gapsChunk the offsets that the epoch passed over.
const Limits = "limits"

const deferredChunk = -1

// deferredField is the one name in chunk deferredChunk.
const deferredField = "ranges"

// ValuesID names the chunk that holds the known values of a dimension, by its position.
func ValuesID(start int64, dimension int) ChunkID {
	return ChunkID{Start: start, Grain: Limits, Chunk: int64(dimension)}
}

// Deferred is a range of event time, [From, To) in µs UTC, of which an epoch lacks so many events. A range of no events lacks rows that
// only count failed expressions.
type Deferred struct {
	From, To int64
	Events   int64
}

// DeferredWrite is the content of a flush that says which ranges an epoch lacks events of. fresh: it said nothing before.
func DeferredWrite(start int64, fresh bool, ranges []Deferred) ChunkWrite {
	return ChunkWrite{ID: ChunkID{Start: start, Grain: Limits, Chunk: deferredChunk}, New: fresh,
		Fields: [][]byte{[]byte(deferredField)}, Values: [][]byte{appendDeferred(nil, ranges)}}
}

// LimitsReply is what the limits of a group's epochs did, from a boundary on.
type LimitsReply struct {
	Served Served
	Meta   Meta // without Chunks
	Epochs
}

// Epochs is what the limits of some epochs did, by their starts; those without an entry never met one.
type Epochs map[int64]*Limited

// Limited is what the limits of one epoch did.
type Limited struct {
	Values   map[int][][]byte // the known values of each dimension that has some
	Deferred []Deferred       // ascending and apart
	Missing  [][2]int64       // offsets [a, b) that it passed over, ascending and apart
}

// Limits reads what the limits of the epochs from v on did. With values the known values come too, which may be many.
func (r *Redis) Limits(ctx context.Context, g Group, v int64, values bool) (LimitsReply, error) {
	q := ReadRequest{V: v, Grain: Limits, MinChunk: gapsChunk, MaxChunk: deferredChunk}
	if values {
		q.MaxChunk = narrowRange / 2 // more text dimensions than a view has
	}
	reply, err := r.Read(ctx, g, q)
	if err != nil {
		return LimitsReply{}, err
	}
	out := LimitsReply{Served: reply.Served, Meta: reply.Meta}
	if out.Epochs, err = epochsOf(reply.Chunks); err != nil {
		return LimitsReply{}, fmt.Errorf("read the limits of %s: %w", g, err)
	}
	return out, nil
}

// epochsOf takes the chunks of grain Limits apart.
func epochsOf(chunks []ReadChunk) (Epochs, error) {
	all := Epochs{}
	for _, c := range chunks {
		l := all[c.ID.Start]
		if l == nil {
			l = &Limited{Values: map[int][][]byte{}}
			all[c.ID.Start] = l
		}
		if c.ID.Chunk >= 0 {
			l.Values[int(c.ID.Chunk)] = c.Cells.Fields
			continue
		}
		if len(c.Cells.Values) != 1 {
			return nil, fmt.Errorf("chunk %s has %d fields, not 1", c.ID.field(), len(c.Cells.Values))
		}
		var err error
		if c.ID.Chunk == gapsChunk {
			l.Missing, err = decodeGaps(c.Cells.Values[0])
		} else {
			l.Deferred, err = decodeDeferred(c.Cells.Values[0])
		}
		if err != nil {
			return nil, fmt.Errorf("chunk %s: %w", c.ID.field(), err)
		}
	}
	return all, nil
}

// addLimits adds up what the limits of two epochs did: a value is known where one knew it, and events are missing that either lacks.
func addLimits(chunk int64) AddCells {
	if chunk == gapsChunk {
		return addGaps
	}
	return func(dst, a, b []byte) ([]byte, error) {
		if chunk != deferredChunk {
			return append(dst, a...), nil
		}
		x, err := decodeDeferred(a)
		if err != nil {
			return nil, err
		}
		y, err := decodeDeferred(b)
		if err != nil {
			return nil, err
		}
		return appendDeferred(dst, JoinDeferred(append(x, y...))), nil
	}
}

func appendDeferred(dst []byte, ranges []Deferred) []byte {
	for _, r := range ranges {
		dst = binary.AppendVarint(dst, r.From)
		dst = binary.AppendVarint(dst, r.To)
		dst = binary.AppendVarint(dst, r.Events)
	}
	return dst
}

func decodeDeferred(b []byte) (ranges []Deferred, err error) {
	r := varints{rest: b}
	for len(r.rest) > 0 && r.err == nil {
		ranges = append(ranges, Deferred{From: r.next(), To: r.next(), Events: r.next()})
	}
	return ranges, r.err
}

// varints reads numbers, one after the other. After an error they are 0.
type varints struct {
	rest []byte
	err  error
}

func (v *varints) next() int64 {
	x, n := binary.Varint(v.rest)
	if n <= 0 {
		v.err = errors.New("the ranges end too early")
		v.rest = nil
		return 0
	}
	v.rest = v.rest[n:]
	return x
}

// Lacking returns the ranges of all epochs that keep accepts, those that touch or overlap joined, ascending.
func (e Epochs) Lacking(keep func(start int64) bool) []Deferred {
	var all []Deferred
	for start, epoch := range e {
		if keep(start) {
			all = append(all, epoch.Deferred...)
		}
	}
	return JoinDeferred(all)
}

// JoinDeferred sorts ranges and joins those that touch or overlap.
func JoinDeferred(all []Deferred) []Deferred {
	slices.SortFunc(all, func(a, b Deferred) int { return cmp.Compare(a.From, b.From) })
	out := all[:0]
	for _, r := range all {
		if n := len(out); n > 0 && r.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, r.To)
			out[n-1].Events += r.Events
			continue
		}
		out = append(out, r)
	}
	return out
}

package speed

import (
	"slices"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
)

// segments are what Redis has of a chunk, or a flush on its way there: a log, in which the newest segment with a cell has its state. A flush adds
// one, and takes those away that have little or nothing left which counts, so that the log is never more than about twice as large as its cells.
type segments struct {
	list []segment // in the order of their numbers
	next uint32    // number of the next
}

// segment is one of them.
type segment struct {
	number uint32
	cells  []uint32 // that it was written with
	count  int      // of them that no newer segment has
	bytes  int
}

// How segments are put together: small ones are written again with what comes after them, so that a chunk that is flushed often and little has few;
// and a flush writes so many cells that did not change and no more, beside as many as did.
const (
	smallSegment = 4 << 10 // bytes
	spareCells   = 256
)

// in is the segment of a number, which is there.
func (s *segments) in(number uint32) *segment {
	i, _ := slices.BinarySearchFunc(s.list, number, func(x segment, n uint32) int { return int(int64(x.number) - int64(n)) })
	return &s.list[i]
}

// write makes the content of a flush out of the chunk's dirty cells, which stay dirty. It says how many of them Redis did not have before. arena holds
// the bytes.
func (c *chunk) write(tmp *algebra.State, arena []byte) (w live.ChunkWrite, added int, _ []byte) {
	w = live.ChunkWrite{ID: c.id, New: !c.exists}
	s := &c.segments
	seg := segment{number: s.next}
	s.next++
	from := len(arena)
	list := func(cell uint32) {
		c.encoded = c.plan.Append(c.encoded[:0], c.state(cell, tmp))
		arena = live.AppendCell(arena, c.name(cell), c.encoded)
		seg.cells = append(seg.cells, cell)
		c.homes[cell] = seg.number
	}
	seg.cells = make([]uint32, 0, len(c.dirty))
	for _, cell := range c.dirty {
		if home := c.homes[cell]; home == 0 {
			added++
		} else {
			s.in(home).count--
		}
		list(cell)
	}
	take := func(old *segment) {
		if old.count > 0 {
			for _, cell := range old.cells {
				if c.homes[cell] == old.number {
					list(cell)
				}
			}
		}
		w.Gone = append(w.Gone, live.SegmentName(old.number))
		old.count, old.cells = 0, nil
	}
	most := 2*len(c.dirty) + spareCells
	s.list = slices.DeleteFunc(s.list, func(old segment) bool {
		worth := old.count > len(old.cells)/2 || old.count > 0 && len(seg.cells) >= most
		if !worth {
			take(&old)
		}
		return !worth
	})
	for n := len(s.list); n > 0; n = len(s.list) {
		old := &s.list[n-1]
		if size := len(arena) - from; old.bytes > size || size >= smallSegment {
			break
		}
		take(old)
		s.list = s.list[:n-1]
	}
	seg.count, seg.bytes = len(seg.cells), len(arena)-from
	s.list = append(s.list, seg)
	w.Cells = len(seg.cells)
	w.Fields, w.Values = [][]byte{live.SegmentName(seg.number)}, [][]byte{arena[from:len(arena):len(arena)]}
	return w, added, arena
}

// adopt takes over the chunk as Redis has it. Cells that were made meanwhile have no state yet.
func (c *chunk) adopt(held []live.Segment, tmp *algebra.State) error {
	s := &c.segments
	*s = segments{next: 1}
	for _, from := range slices.Backward(held) {
		seg := segment{number: from.Number, cells: make([]uint32, 0, len(from.Fields)), bytes: from.Bytes}
		for i, name := range from.Fields {
			cell := c.find(name)
			seg.cells = append(seg.cells, cell)
			if c.homes[cell] != 0 {
				continue // a newer one has it
			}
			if err := c.decode(cell, from.Values[i], tmp); err != nil {
				return err
			}
			c.homes[cell] = seg.number
			seg.count++
		}
		s.list = append(s.list, seg)
		s.next = max(s.next, seg.number+1)
	}
	slices.Reverse(s.list)
	c.complete = true
	return nil
}

// bytes is the memory that the segments take.
func (s *segments) bytes() (n int64) {
	for i := range s.list {
		n += 56 + 4*int64(cap(s.list[i].cells))
	}
	return n
}

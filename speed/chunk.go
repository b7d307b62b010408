package speed

import (
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/live"
	"github.com/zeebo/xxh3"
)

// chunk holds the cells of one chunk of a group's newest epoch that are in memory: an open-addressing table without a pointer per
// cell where the view's states are plain words. The states include what has been merged but not yet acknowledged.
type chunk struct {
	id       live.ChunkID
	exists   bool  // in Redis, or in a flush that is on its way there
	complete bool  // memory has what Redis has of it, so that a name not found is a new cell
	touched  int64 // the micro-batch that used it last
	large    int64 // bytes beyond the fixed ones, of states that are no plain words

	plan   *algebra.Plan
	slots  []uint64        // high half of the name's hash | index of the cell + 1; 0: free. A power of two.
	names  []byte          // of all cells, one after the other
	ends   []uint32        // of each name in names
	words  []uint64        // Plan.Width per cell, where the plan is scalar
	states []algebra.State // one per cell otherwise
	marks  []uint32        // the flush that listed the cell last, or inRedis, or notInRedis
	homes  []uint32        // number of the segment that has the cell's state, of those that Redis has or a flush on its way; 0: none

	segments segments
	dirty    []uint32 // cells that the flush being built has changed
	wanted   bool     // it is noted as to be read back
	encoded  []byte   // scratch: a state
}

const firstSlots = 16

// Marks of cells that no flush has listed yet; flushes are numbered from firstFlush on.
const (
	notInRedis uint32 = iota // it is new, and no flush has it yet
	inRedis                  // it was read back, or is about to be listed
	firstFlush
)

func newChunk(id live.ChunkID, plan *algebra.Plan) *chunk {
	return &chunk{id: id, plan: plan, slots: make([]uint64, firstSlots), segments: segments{next: 1}}
}

func (c *chunk) len() int { return len(c.ends) }

// name is the field of cell i. It is never written to again.
func (c *chunk) name(i uint32) []byte {
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.names[from:c.ends[i]:c.ends[i]]
}

// slot is where a name stands in slots, or the free place for it.
func (c *chunk) slot(name []byte, h uint64) (i uint64, found bool) {
	const high = 0xffffffff00000000
	mask := uint64(len(c.slots) - 1)
	for i = h & mask; c.slots[i] != 0; i = (i + 1) & mask {
		if s := c.slots[i]; s&high == h&high && string(c.name(uint32(s)-1)) == string(name) {
			return i, true
		}
	}
	return i, false
}

// look returns the cell of that name, if there is one, and where it has its slot or would have it, for add.
func (c *chunk) look(name []byte) (cell uint32, held bool, at home) {
	h := xxh3.Hash(name)
	i, held := c.slot(name, h)
	return uint32(c.slots[i]) - 1, held, home{h, i}
}

// home is a name's hash, and the position in slots where the search for it ended.
type home struct{ hash, slot uint64 }

// find returns the cell of that name, made if there was none.
func (c *chunk) find(name []byte) (cell uint32) {
	cell, held, at := c.look(name)
	if held {
		return cell
	}
	return c.add(name, at)
}

// add makes the cell of a name that has none, where look found its place.
func (c *chunk) add(name []byte, at home) (cell uint32) {
	h, i := at.hash, at.slot
	if (len(c.ends)+1)*4 > len(c.slots)*3 {
		c.grow()
		i, _ = c.slot(name, h)
	}
	cell = uint32(len(c.ends))
	c.slots[i] = h&^0xffffffff | uint64(cell+1)
	c.names = append(c.names, name...)
	c.ends = append(c.ends, uint32(len(c.names)))
	c.marks, c.homes = append(c.marks, notInRedis), append(c.homes, 0)
	if c.plan.Scalar() {
		for range c.plan.Width() {
			c.words = append(c.words, 0)
		}
	} else {
		c.states = append(c.states, c.plan.NewStates(1)[0])
		c.large += int64(c.plan.Size(&c.states[cell]))
	}
	return cell
}

func (c *chunk) grow() {
	slots := make([]uint64, 2*len(c.slots))
	mask := uint64(len(slots) - 1)
	for cell := range uint32(len(c.ends)) {
		h := xxh3.Hash(c.name(cell))
		i := h & mask
		for ; slots[i] != 0; i = (i + 1) & mask {
		}
		slots[i] = h&^0xffffffff | uint64(cell+1)
	}
	c.slots = slots
}

// state is the state of a cell. Plain words are wrapped into tmp; the result is good until the next find.
func (c *chunk) state(cell uint32, tmp *algebra.State) *algebra.State {
	if !c.plan.Scalar() {
		return &c.states[cell]
	}
	w := uint32(c.plan.Width())
	*tmp = c.plan.Wrap(c.words[cell*w : (cell+1)*w : (cell+1)*w])
	return tmp
}

// merge adds a partial to a cell.
func (c *chunk) merge(cell uint32, partial, tmp *algebra.State) {
	s := c.state(cell, tmp)
	if c.plan.Scalar() {
		c.plan.Merge(s, partial)
		return
	}
	before := c.plan.Size(s)
	c.plan.Merge(s, partial)
	c.large += int64(c.plan.Size(s) - before)
}

// bytes is the memory that the chunk takes.
func (c *chunk) bytes() int64 {
	return c.large + int64(8*cap(c.slots)+cap(c.names)+4*cap(c.ends)+8*cap(c.words)+32*cap(c.states)+4*cap(c.marks)+4*cap(c.homes)) + c.segments.bytes() + 256
}

// decode replaces the state of a cell by what Redis has of it.
func (c *chunk) decode(cell uint32, value []byte, tmp *algebra.State) error {
	c.marks[cell] = inRedis
	s := c.state(cell, tmp)
	if c.plan.Scalar() {
		return c.plan.Decode(value, s)
	}
	before := c.plan.Size(s)
	err := c.plan.Decode(value, s)
	c.large += int64(c.plan.Size(s) - before)
	return err
}

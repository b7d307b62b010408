package intake

import "slices"

// arena is append-only memory in blocks whose addresses never move. Go's collector does not move what is on the heap, and the blocks
// stay reachable through the arena, so that a plain number may point into them.
type arena struct {
	blocks [][]byte
	block  int   // the block being filled
	used   int   // bytes of it that are taken
	full   int64 // bytes taken in the blocks before it
}

const (
	firstBlock = 16 << 10
	blockSize  = 1 << 20
	keepBlocks = 16 // that reset never gives back
)

// mark is a place in an arena to go back to.
type mark struct {
	block, used int
	full        int64
}

func (a *arena) taken() int64 { return a.full + int64(a.used) }

func (a *arena) mark() mark { return mark{a.block, a.used, a.full} }

// undo frees what was kept since m.
func (a *arena) undo(m mark) { a.block, a.used, a.full = m.block, m.used, m.full }

// keep copies v into the arena and returns the copy.
func (a *arena) keep(v []byte) []byte {
	if a.block == len(a.blocks) || len(v) > len(a.blocks[a.block])-a.used {
		a.advance(len(v))
	}
	to := a.blocks[a.block][a.used : a.used+len(v) : a.used+len(v)]
	a.used += len(v)
	copy(to, v)
	return to
}

// advance goes on to a block with room for n bytes.
func (a *arena) advance(n int) {
	if a.block < len(a.blocks) {
		a.full += int64(a.used)
		a.block++
	}
	a.used = 0
	if a.block < len(a.blocks) && len(a.blocks[a.block]) >= n {
		return
	}
	size := max(n, min(blockSize, firstBlock<<min(a.block, 6)))
	a.blocks = slices.Insert(a.blocks, a.block, make([]byte, size))
}

// reset frees everything. Blocks made for one outsized value go, and of the others what is far more than the last batch took.
func (a *arena) reset() {
	keep := max(keepBlocks, 4*(a.block+1))
	a.blocks = slices.DeleteFunc(a.blocks, func(b []byte) bool { return len(b) > blockSize })
	if len(a.blocks) > keep {
		clear(a.blocks[keep:])
		a.blocks = a.blocks[:keep]
	}
	a.block, a.used, a.full = 0, 0, 0
}

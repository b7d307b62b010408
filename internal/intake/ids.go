package intake

import "github.com/zeebo/xxh3"

// ids remembers the ids that stood in the last records of a partition, exactly as far back as the horizon reaches. Its memory follows
// what lies within the horizon: 32 bytes per occurrence and 8 to 32 per id for finding it; there is no pointer for the collector to follow but
// one per 4,096 occurrences.
//
// Occurrences stand in the order of arrival, in blocks. Both bounds, on the running maximum of record timestamps and on the offset, only
// ever move forward over that order, so that forgetting is taking from the front, and whatever is found is within the horizon. The table
// beside it is open addressing with linear probing; a slot holds 31 bits of the hash and the low 32 bits of the latest occurrence's position.
type ids struct {
	horizon int64 // µs
	records int64 // offsets

	blocks [][]occurrence // of blockLen; blocks[0] holds the position first
	spare  []occurrence   // the block that was emptied last; nil: none
	first  uint64         // position of the oldest occurrence
	next   uint64         // position of the one after the latest

	slots []uint64 // tag<<32 | position; 0: free, as a tag is odd
	held  int      // slots that are not free
}

// occurrence is one record with an id.
type occurrence struct {
	id     xxh3.Uint128
	clock  int64 // running maximum of record timestamps, this record's included, µs
	offset int64
}

const (
	blockBits = 12
	blockLen  = 1 << blockBits
	minSlots  = 1 << 10
)

func newIDs(horizon, records int64) ids { return ids{horizon: horizon, records: records} }

// meet notes that id stands at the offset, where the running maximum of record timestamps is clock, and says whether it stood within
// the horizon before. Neither offset nor clock may go back.
func (t *ids) meet(id xxh3.Uint128, offset, clock int64) (before bool) {
	t.forget(offset, clock)
	if (t.held+1)*4 > len(t.slots)*3 {
		t.resize(max(minSlots, 2*len(t.slots)))
	}
	at, found := t.find(id)
	if !found {
		t.held++
	}
	t.slots[at] = tag(id)<<32 | uint64(uint32(t.next))
	t.push(occurrence{id, clock, offset})
	return found
}

// forget takes away what is out of the horizon of a record at offset and clock.
func (t *ids) forget(offset, clock int64) {
	for t.first < t.next {
		o := t.at(t.first)
		if uint64(clock)-uint64(o.clock) <= uint64(t.horizon) && offset-o.offset <= t.records {
			return
		}
		// A later occurrence of the same id has taken over the slot; then only this one goes.
		if at, found := t.find(o.id); found && uint32(t.slots[at]) == uint32(t.first) {
			t.remove(at)
		}
		t.first++
		if t.first&(blockLen-1) == 0 {
			t.spare = t.blocks[0]
			t.blocks[0] = nil
			t.blocks = t.blocks[1:]
		}
	}
}

func (t *ids) push(o occurrence) {
	if t.next&(blockLen-1) == 0 {
		if t.spare == nil {
			t.spare = make([]occurrence, blockLen)
		}
		t.blocks, t.spare = append(t.blocks, t.spare), nil
	}
	t.next++
	*t.at(t.next - 1) = o
}

// at returns the occurrence at a position between first and next.
func (t *ids) at(position uint64) *occurrence {
	return &t.blocks[position>>blockBits-t.first>>blockBits][position&(blockLen-1)]
}

// latest returns the occurrence that a slot names.
func (t *ids) latest(slot uint64) *occurrence {
	return t.at(t.first + uint64(uint32(slot)-uint32(t.first)))
}

func tag(id xxh3.Uint128) uint64 { return id.Hi>>32 | 1 }

// home is the slot at which the search for a tag begins.
func (t *ids) home(tag uint64) uint64 { return tag >> 1 & uint64(len(t.slots)-1) }

// find returns the slot of the id, or the free one where it belongs.
func (t *ids) find(id xxh3.Uint128) (at uint64, found bool) {
	want, mask := tag(id), uint64(len(t.slots)-1)
	for at = t.home(want); ; at = (at + 1) & mask {
		slot := t.slots[at]
		if slot == 0 {
			return at, false
		}
		if slot>>32 == want && t.latest(slot).id == id {
			return at, true
		}
	}
}

// remove frees a slot and moves back what would no longer be found behind it (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
func (t *ids) remove(at uint64) {
	mask := uint64(len(t.slots) - 1)
	for next := (at + 1) & mask; t.slots[next] != 0; next = (next + 1) & mask {
		if (next-t.home(t.slots[next]>>32))&mask >= (next-at)&mask {
			t.slots[at] = t.slots[next]
			at = next
		}
	}
	t.slots[at] = 0
	if t.held--; len(t.slots) > minSlots && t.held*8 < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
}

// resize moves the slots into a table of n, a power of two.
func (t *ids) resize(n int) {
	old := t.slots
	t.slots = make([]uint64, n)
	mask := uint64(n - 1)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		at := t.home(slot >> 32)
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = slot
	}
}

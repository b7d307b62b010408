package intake

import (
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"
)

// plainIDs is the twin of ids: a Go map of everything that was ever met.
type plainIDs struct {
	horizon, records int64
	last             map[xxh3.Uint128]occurrence
}

func (p *plainIDs) meet(id xxh3.Uint128, offset, clock int64) bool {
	o, found := p.last[id]
	p.last[id] = occurrence{id, clock, offset}
	return found && clock-o.clock <= p.horizon && offset-o.offset <= p.records
}

func TestIDsAgreeWithAPlainMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		horizon, records := int64(rapid.IntRange(0, 3000).Draw(t, "horizon")), int64(rapid.IntRange(0, 20000).Draw(t, "records"))
		universe := uint64(rapid.IntRange(1, 20000).Draw(t, "universe"))
		// Few distinct tags: probing runs are long and tags collide.
		tags := uint64(rapid.SampledFrom([]int{1, 7, 300, 1 << 30}).Draw(t, "tags"))
		if tags == 1 {
			universe = min(universe, 200)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		table := newIDs(horizon, records)
		twin := plainIDs{horizon, records, map[xxh3.Uint128]occurrence{}}
		var offset, clock int64
		for i := range 20000 {
			seed = seed*6364136223846793005 + 1442695040888963407
			n := seed >> 33 % universe
			id := xxh3.Uint128{Hi: n % tags << 33, Lo: n}
			offset += int64(seed>>20&3) + 1
			clock += int64(seed >> 24 & 1)
			if seed>>40&0xfff == 0 {
				clock += horizon / 2
			}
			if got, want := table.meet(id, offset, clock), twin.meet(id, offset, clock); got != want {
				t.Fatalf("occurrence %d of id %v at offset %d, clock %d: got %v, want %v", i, id, offset, clock, got, want)
			}
		}
	})
}

// What is held is bounded by dedup_records however long the clock stands still, and by the horizon however many offsets there are.
func TestIDsKeepNoMoreThanTheHorizon(t *testing.T) {
	for _, c := range []struct {
		name             string
		horizon, records int64
		step             int64 // of the clock, per record
	}{
		{"dedup_records", 1 << 40, 10000, 0},
		{"horizon", 10000, 1 << 30, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := newIDs(c.horizon, c.records)
			for i := range int64(200000) {
				table.meet(xxh3.Hash128([]byte{byte(i), byte(i >> 8), byte(i >> 16)}), i, i*c.step)
				if held := int64(table.next - table.first); held > 10001 || int64(table.held) > held || len(table.slots) > 1<<15 || len(table.blocks) > 4 {
					t.Fatalf("after %d ids: %d occurrences, %d ids, %d slots, %d blocks", i+1, held, table.held, len(table.slots), len(table.blocks))
				}
			}
			table.meet(xxh3.Uint128{}, 1<<31, 1<<41)
			if table.held != 1 || len(table.slots) > 1<<12 || len(table.blocks) > 1 {
				t.Errorf("after a long silence: %d ids, %d slots, %d blocks", table.held, len(table.slots), len(table.blocks))
			}
		})
	}
}

// Positions are kept in 32 bits; a log is longer.
func TestIDsGoOnBeyondFourBillionOccurrences(t *testing.T) {
	table := newIDs(1<<40, 5000)
	table.first = 1<<32 - 4096*2
	table.next = table.first
	for i := range int64(40000) {
		id := xxh3.Hash128([]byte{byte(i), byte(i >> 8)})
		if table.meet(id, 2*i, i) {
			t.Fatalf("id %d: met before", i)
		}
		if !table.meet(id, 2*i+1, i) {
			t.Fatalf("id %d: not met before", i)
		}
	}
	if table.first < 1<<32 {
		t.Fatalf("the log was not long enough: %d", table.first)
	}
}

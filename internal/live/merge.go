package live

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AddCells appends the encoded sum of two encoded states of one cell to dst.
type AddCells func(dst, a, b []byte) ([]byte, error)

// stageScript writes cells of a chunk in the making, which goes by itself if nobody finishes it.
var stageScript = newScript(`
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {'ok'}
`, false)

// swapScript is the one step in which two epochs become one. Each chunk has three keys (of the first epoch, of the second, the sum that was
// staged) and seven arguments: its name in both, its version in both, how many fields each has, and how many are staged; of a chunk that
// only the second epoch has, none are, and it is taken over as it is. The coarser grains must have passed both, up to the end of the second. Renaming and unlinking come before what a full Redis would refuse.
var swapScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'starts', 'n', 'coarse')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or redis.call('HLEN', KEYS[2]) ~= tonumber(m[3]) then return {'no'} end
if m[4] and (#m[4] < #ARGV[4] or #m[4] == #ARGV[4] and m[4] < ARGV[4]) then return {'no'} end
local chunks = (#KEYS - 2) / 3
for i = 0, chunks - 1 do
  local k, p = 3 + 3 * i, 5 + 7 * i
  if (redis.call('HGET', KEYS[2], ARGV[p]) or '') ~= ARGV[p + 2] or redis.call('HGET', KEYS[2], ARGV[p + 1]) ~= ARGV[p + 3] then return {'no'} end
  for j = 0, 2 do
    if redis.call('HLEN', KEYS[k + j]) ~= tonumber(ARGV[p + 4 + j]) then return {'no'} end
  end
end
for i = 0, chunks - 1 do
  local k, p = 3 + 3 * i, 5 + 7 * i
  if ARGV[p + 6] == '0' then
    redis.call('RENAME', KEYS[k + 1], KEYS[k])
  else
    redis.call('UNLINK', KEYS[k], KEYS[k + 1])
    redis.call('RENAME', KEYS[k + 2], KEYS[k])
    redis.call('PERSIST', KEYS[k])
  end
  redis.call('HSET', KEYS[2], ARGV[p], ARGV[p + 3])
  redis.call('HDEL', KEYS[2], ARGV[p + 1])
end
redis.call('HSET', KEYS[1], 'starts', ARGV[3], 'n', string.format('%d', redis.call('HLEN', KEYS[2])))
return {'ok'}
`, false)

// How cells are staged: so many of them or bytes in one segment, so many fields of limits in one call, and how long what nobody finishes stays.
const (
	stageCells  = 4000
	stageBytes  = 1 << 20
	stageFields = 450
	stageTTL    = 10 * time.Minute
)

// merging is a merge of two adjacent closed epochs on its way.
type merging struct {
	redis      *Redis
	group      Group
	at         Meta
	into, from int64
	end        int64  // of the second epoch
	nonce      string // tells what this attempt stages from what others do
	chunks     []mergedChunk
}

// mergedChunk is a chunk of the second epoch, and the one of the first that it is added to, if there is one.
type mergedChunk struct {
	into, from                     ChunkID
	intoVersion                    string // "" = the first epoch has no such chunk
	fromVersion                    int64
	intoFields, fromFields, fields int // fields: that are staged; 0 where the chunk is taken over
}

// Merge makes the closed epoch that starts at from a part of the one before it, which starts at into: the boundary between them is
// forgotten. Readers see either the two or the one. It is for boundaries that no snapshot and no run names; v is the boundary of CURRENT.
// Not ok: the epochs are not there, are not adjacent or not both closed, the coarser grains have not passed both, v starts none, or the group
// changed meanwhile, and nothing was changed. The epoch that is being written is never touched. An error leaves either the old state or the new one.
//
// A chunk's version stays the offset after its last record, and so goes on naming its content: no record of the second epoch lies below
// its start, none of the first above.
func (r *Redis) Merge(ctx context.Context, g Group, v, into, from int64, add AddCells) (ok bool, err error) {
	m, err := r.startMerge(ctx, g, v, into, from)
	if err != nil || m == nil {
		return false, err
	}
	defer m.clean(ctx)
	if err := m.stage(ctx, add); err != nil {
		return false, err
	}
	return m.swap(ctx)
}

// startMerge looks at what there is to merge; nil: nothing.
func (r *Redis) startMerge(ctx context.Context, g Group, v, into, from int64) (*merging, error) {
	at, ok, err := r.Peek(ctx, g)
	if err != nil || !ok || !at.Holds(v) {
		return nil, err
	}
	i := slices.Index(at.Starts, from)
	if i < 1 || i == len(at.Starts)-1 || at.Starts[i-1] != into {
		return nil, nil
	}
	if at.Coarse < at.Starts[i+1] {
		return nil, nil
	}
	m := &merging{redis: r, group: g, at: at, into: into, from: from, end: at.Starts[i+1], nonce: rand.Text()}
	for id, version := range at.Chunks {
		if id.Start != from {
			continue
		}
		c := mergedChunk{into: ChunkID{into, id.Grain, id.Chunk}, from: id, fromVersion: version}
		if before, both := at.Chunks[c.into]; both {
			c.intoVersion = strconv.FormatInt(before, 10)
		}
		m.chunks = append(m.chunks, c)
	}
	return m, nil
}

// key is where a chunk stands.
func (m *merging) key(id ChunkID) string { return m.group.prefix() + m.at.Inst + ":" + id.field() }

// staged is where a chunk is put together.
func (m *merging) staged(id ChunkID) string {
	return m.group.prefix() + m.at.Inst + ":merge:" + m.nonce + ":" + id.field()
}

// stage adds up the chunks that both epochs have, under names of their own.
func (m *merging) stage(ctx context.Context, add AddCells) error {
	for i := range m.chunks {
		c := &m.chunks[i]
		if err := m.stageChunk(ctx, c, add); err != nil {
			return fmt.Errorf("merge chunk %s of %s into epoch %d: %w", c.from.field(), m.group, m.into, err)
		}
	}
	return nil
}

func (m *merging) stageChunk(ctx context.Context, c *mergedChunk, add AddCells) error {
	if c.intoVersion == "" {
		n, err := m.redis.client.HLen(ctx, m.key(c.from)).Result()
		c.fromFields = int(n)
		return err
	}
	cells, n, err := m.read(ctx, c.into)
	if err != nil {
		return err
	}
	c.intoFields = n
	more, n, err := m.read(ctx, c.from)
	if err != nil {
		return err
	}
	c.fromFields = n
	if c.from.Grain == Limits {
		add = addLimits(c.from.Chunk)
	}
	for name, state := range more {
		if before, both := cells[name]; both {
			if state, err = add(nil, before, state); err != nil {
				return err
			}
		}
		cells[name] = state
	}
	if c.into.Grain == Limits {
		return m.stageFields(ctx, c, cells)
	}
	return m.stageCells(ctx, c, cells)
}

// stageCells stages cells as segments.
func (m *merging) stageCells(ctx context.Context, c *mergedChunk, cells map[string][]byte) error {
	var segment []byte
	n := 0
	put := func() error {
		err := m.put(ctx, c.into, SegmentName(uint32(c.fields+1)), segment)
		c.fields++
		segment, n = segment[:0], 0
		return err
	}
	for name, state := range cells {
		segment = AppendCell(segment, []byte(name), state)
		if n++; n < stageCells && len(segment) < stageBytes {
			continue
		}
		if err := put(); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	return put()
}

// stageFields stages what limits did.
func (m *merging) stageFields(ctx context.Context, c *mergedChunk, fields map[string][]byte) error {
	c.fields = len(fields)
	var some []any
	for name, value := range fields {
		if some = append(some, name, value); len(some) >= 2*stageFields {
			if err := m.put(ctx, c.into, some...); err != nil {
				return err
			}
			some = nil
		}
	}
	if len(some) == 0 {
		return nil
	}
	return m.put(ctx, c.into, some...)
}

// put writes fields of a chunk in the making.
func (m *merging) put(ctx context.Context, id ChunkID, fields ...any) error {
	args := append([]any{strconv.FormatInt(stageTTL.Milliseconds(), 10)}, fields...)
	_, _, err := m.redis.run(ctx, stageScript, []string{m.staged(id)}, args...)
	return err
}

// read reads a chunk of a closed epoch, a part at a time: nobody writes to it. That all of its fields came is checked at the swap, by their number.
func (m *merging) read(ctx context.Context, id ChunkID) (cells map[string][]byte, fields int, err error) {
	held, some := map[string]string{}, int64(loadSegments)
	if id.Grain == Limits {
		some = stageFields
	}
	for cursor := uint64(0); ; {
		var flat []string
		if flat, cursor, err = m.redis.client.HScan(ctx, m.key(id), cursor, "", some).Result(); err != nil {
			return nil, 0, err
		}
		for i := 0; i+1 < len(flat); i += 2 {
			held[flat[i]] = flat[i+1]
		}
		if cursor == 0 {
			break
		}
	}
	var all Cells
	for name, value := range held {
		all.Fields, all.Values = append(all.Fields, []byte(name)), append(all.Values, []byte(value))
	}
	if id.Grain != Limits {
		if all, err = newest(all); err != nil {
			return nil, 0, err
		}
	}
	cells = make(map[string][]byte, len(all.Fields))
	for i, name := range all.Fields {
		cells[string(name)] = all.Values[i]
	}
	return cells, len(held), nil
}

// swap puts what was staged in the place of both epochs.
func (m *merging) swap(ctx context.Context) (ok bool, err error) {
	prefix := m.group.prefix()
	keys := []string{prefix + "meta", prefix + "chunks"}
	args := []any{m.at.Inst, joinStarts(m.at.Starts, -1), joinStarts(m.at.Starts, m.from), strconv.FormatInt(m.end, 10)}
	for _, c := range m.chunks {
		keys = append(keys, m.key(c.into), m.key(c.from), m.staged(c.into))
		args = append(args, c.into.field(), c.from.field(), c.intoVersion, strconv.FormatInt(c.fromVersion, 10),
			strconv.Itoa(c.intoFields), strconv.Itoa(c.fromFields), strconv.Itoa(c.fields))
	}
	word, _, err := m.redis.run(ctx, swapScript, keys, args...)
	if err != nil {
		return false, fmt.Errorf("merge epoch %d of %s into epoch %d: %w", m.from, m.group, m.into, err)
	}
	return word == "ok", nil
}

// clean takes away what was staged and not swapped. What it does not reach goes by itself.
func (m *merging) clean(ctx context.Context) {
	for _, c := range m.chunks {
		if c.fields > 0 {
			_ = m.redis.client.Unlink(ctx, m.staged(c.into)).Err()
		}
	}
}

// joinStarts is the list of starts as meta has it, without one of them.
func joinStarts(starts []int64, without int64) string {
	var names []string
	for _, s := range starts {
		if s != without {
			names = append(names, strconv.FormatInt(s, 10))
		}
	}
	return strings.Join(names, ",")
}

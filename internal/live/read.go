package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// readScript is SEAM Reader 16 and 17. Starts are kept ascending, so those from V on are the tail of the list that begins with V.
// A narrow range of chunks is looked up by name, a wide one by listing the index.
var readScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'starts', 'n', 'token')
if not m[1] then return {'missing'} end
local v, grain, lo, hi, narrow, same = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1', ARGV[7] == m[1] .. ':' .. m[4]
local starts, from = {}, false
for s in string.gmatch(m[2], '[^,]+') do
  if s == v then from = true end
  if from then starts[#starts + 1] = s end
end
local head = redis.call('HMGET', KEYS[1], `+metaFields+`)
if not from then return {'no boundary', head} end
if redis.call('HLEN', KEYS[2]) ~= tonumber(m[3]) then return {'lost', head, 'the index'} end
local known = {}
if same then
  for i = 9, #ARGV, 2 do known[ARGV[i]] = ARGV[i + 1] end
end
local names, versions = {}, {}
local function look(f)
  local got = redis.call('HMGET', KEYS[2], unpack(f))
  for j = 1, #f do
    if got[j] then names[#names + 1] = f[j]; versions[#versions + 1] = got[j] end
  end
end
if narrow then
  for i = 1, #starts do
    local f = {}
    for c = lo, hi do f[#f + 1] = starts[i] .. ':' .. grain .. ':' .. string.format('%d', c) end
    look(f)
  end
else
  local held = {}
  for i = 1, #starts do held[starts[i]] = true end
  local idx = redis.call('HGETALL', KEYS[2])
  for i = 1, #idx, 2 do
    local s, g, c = string.match(idx[i], '^([^:]+):([^:]+):([^:]+)$')
    c = tonumber(c)
    if held[s] and g == grain and c >= lo and c <= hi then
      names[#names + 1] = idx[i]
      versions[#versions + 1] = idx[i + 1]
    end
  end
end
if ARGV[8] == '1' then
  for i = 1, #starts do
    local f = {}
    for c = `+fmt.Sprintf("%d, %d", gapsChunk, deferredChunk)+` do f[#f + 1] = starts[i] .. ':`+Limits+`:' .. string.format('%d', c) end
    look(f)
  end
end
local out = {'ok', head}
for i = 1, #names do
  if known[names[i]] == versions[i] then
    out[#out + 1] = {names[i], versions[i]}
  else
    local cells = redis.call('HGETALL', ARGV[6] .. m[1] .. ':' .. names[i])
    if #cells == 0 then return {'lost', head, names[i]} end
    out[#out + 1] = {names[i], versions[i], cells}
  end
end
return out
`, true)

// narrowest range of chunks that is cheaper to list than to name; also below what one command may carry.
const narrowRange = 200

// ReadRequest asks for the cells of one grain from boundary V on.
type ReadRequest struct {
	V                  int64 // the snapshot's boundary; the start of an epoch
	Grain              string
	MinChunk, MaxChunk int64             // both included
	Tenure             string            // Meta.Tenure of what Known is of
	Known              map[ChunkID]int64 // chunks that the caller keeps, with their versions: they are not sent again
	Limits             bool              // whether to read too what the limits of the epochs did, without the known values
}

// Served says whether a read can be answered.
type Served string

// Any but ServedWhole means that the speed layer cannot say what lies beyond V.
const (
	ServedWhole   Served = "ok"
	ServedNothing Served = "missing"     // there is no state
	ServedNoStart Served = "no boundary" // V starts no epoch
	ServedLost    Served = "lost"        // a chunk is gone
)

// ReadReply is one consistent view of a group.
type ReadReply struct {
	Served Served
	Meta   Meta        // without Chunks; empty where there is no state
	Lost   string      // the chunk that is gone
	Chunks []ReadChunk // all of the grain and range that exist in epochs from V on
	Epochs Epochs      // what limits did; nil where that was not asked
}

// ReadChunk is one chunk of a reply.
type ReadChunk struct {
	ID      ChunkID
	Version int64
	Same    bool // the caller knows this version; Cells is empty
	Cells   Cells
}

// Read reads a group for a query in one script that writes nothing: meta and cells belong together.
func (r *Redis) Read(ctx context.Context, g Group, q ReadRequest) (ReadReply, error) {
	narrow := "0"
	if n := q.MaxChunk - q.MinChunk; n >= 0 && n < narrowRange {
		narrow = "1"
	}
	limits := "0"
	if q.Limits {
		limits = "1"
	}
	args := make([]any, 0, 8+2*len(q.Known))
	args = append(args, strconv.FormatInt(q.V, 10), q.Grain, strconv.FormatInt(q.MinChunk, 10), strconv.FormatInt(q.MaxChunk, 10),
		narrow, g.prefix(), q.Tenure, limits)
	for id, version := range q.Known {
		args = append(args, id.field(), strconv.FormatInt(version, 10))
	}
	word, v, err := r.run(ctx, readScript, []string{g.meta(), g.index()}, args...)
	if err != nil {
		return ReadReply{}, fmt.Errorf("read %s: %w", g, err)
	}
	out, err := readReply(Served(word), v)
	if err == nil && q.Limits {
		own := slices.IndexFunc(out.Chunks, func(c ReadChunk) bool { return c.ID.Grain == Limits })
		if own < 0 {
			own = len(out.Chunks)
		}
		out.Epochs, err = epochsOf(out.Chunks[own:])
		out.Chunks = out.Chunks[:own]
	}
	if err != nil {
		return ReadReply{}, fmt.Errorf("read %s: %w", g, err)
	}
	return out, nil
}

func readReply(word Served, v []any) (ReadReply, error) {
	out := ReadReply{Served: word}
	if word == ServedNothing {
		return out, nil
	}
	if len(v) == 0 {
		return out, fmt.Errorf("the script answered %q alone", word)
	}
	head, _ := v[0].([]any)
	var err error
	if out.Meta, err = headOf(head); err != nil {
		return out, err
	}
	v = v[1:]
	if word == ServedLost && len(v) == 1 {
		out.Lost, _ = v[0].(string)
	}
	if word != ServedWhole {
		return out, nil
	}
	for _, x := range v {
		c, err := readChunk(x)
		if err != nil {
			return out, err
		}
		out.Chunks = append(out.Chunks, c)
	}
	return out, nil
}

func readChunk(x any) (c ReadChunk, err error) {
	parts, _ := x.([]any)
	if len(parts) < 2 {
		return c, fmt.Errorf("a chunk came as %v", x)
	}
	name, _ := parts[0].(string)
	version, _ := parts[1].(string)
	if c.ID, err = parseChunkID(name); err != nil {
		return c, err
	}
	if c.Version, err = strconv.ParseInt(version, 10, 64); err != nil {
		return c, fmt.Errorf("version of chunk %s: %w", name, err)
	}
	if len(parts) == 2 {
		c.Same = true
		return c, nil
	}
	if c.Cells, err = pairsOf(parts[2]); err == nil && c.ID.Grain != Limits {
		c.Cells, err = newest(c.Cells)
	}
	if err != nil {
		err = fmt.Errorf("chunk %s: %w", name, err)
	}
	return c, err
}

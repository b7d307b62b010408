package live

import (
	"context"
	"fmt"
	"strconv"

	"github.com/caudal/caudal/internal/intake"
)

// Taken says what a take found.
type Taken string

// Held means that the state is as it was; the others, that it began afresh at V, and why.
const (
	Held       Taken = "held"
	NewMissing Taken = "missing"     // there was none
	NewStart   Taken = "no boundary" // V was the start of no epoch
	NewChunk   Taken = "chunk lost"  // Redis had lost a part of it
)

// takeScript is SEAM Worker 1. A lost chunk counts as a lost state: without that, a group that Redis damaged would never heal. What a release
// with another layout left of the group goes: nobody could read it again.
var takeScript = newScript(`
local former = redis.call('HGET', KEYS[3], 'inst')
if former then
  for _, name in ipairs(redis.call('HKEYS', KEYS[4])) do redis.call('UNLINK', ARGV[7] .. former .. ':' .. name) end
  redis.call('UNLINK', KEYS[3], KEYS[4])
end
local m = redis.call('HMGET', KEYS[1], 'inst', 'starts', 'n')
local idx = redis.call('HGETALL', KEYS[2])
local why = 'held'
if not m[1] then
  why = 'missing'
elseif not string.find(',' .. m[2] .. ',', ',' .. ARGV[1] .. ',', 1, true) then
  why = 'no boundary'
elseif #idx / 2 ~= tonumber(m[3]) then
  why = 'chunk lost'
else
  for i = 1, #idx, 2 do
    if redis.call('EXISTS', ARGV[6] .. m[1] .. ':' .. idx[i]) == 0 then why = 'chunk lost' end
  end
end
if why ~= 'held' then
  if m[1] then
    for i = 1, #idx, 2 do redis.call('UNLINK', ARGV[6] .. m[1] .. ':' .. idx[i]) end
  end
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'inst', ARGV[3], 'start', ARGV[1], 'off', ARGV[1], 'starts', ARGV[1],
    'at', ARGV[4], 'counts', ARGV[5], 'n', '0', 'coarse', ARGV[1], 'coarse_at', ARGV[4], 'cells', '0')
  idx = {}
end
redis.call('HSET', KEYS[1], 'token', ARGV[2])
return {why, redis.call('HMGET', KEYS[1], `+metaFields+`), idx}
`, false)

// Take makes the caller, by its random token, the owner of a group. Where Redis holds no state that has an epoch starting at v, the
// boundary of CURRENT, a new life named newInst begins there with the progress at v. The reply is what is held now, chunks too, and how
// many cells the newest epoch has.
func (r *Redis) Take(ctx context.Context, g Group, v int64, at intake.Progress, token, newInst string) (Meta, Taken, error) {
	word, v0, err := r.run(ctx, takeScript, []string{g.meta(), g.index(), g.former() + "meta", g.former() + "chunks"},
		strconv.FormatInt(v, 10), token, newInst, encodeProgress(at), encodeCounts(Counts{}), g.prefix(), g.former())
	if err != nil {
		return Meta{}, "", fmt.Errorf("take %s: %w", g, err)
	}
	m, err := metaOf(v0)
	if err != nil {
		return Meta{}, "", fmt.Errorf("take %s: %w", g, err)
	}
	return m, Taken(word), nil
}

// metaOf reads the values of metaFields and an index.
func metaOf(v []any) (Meta, error) {
	if len(v) != 2 {
		return Meta{}, fmt.Errorf("the script answered %d values, not 2", len(v))
	}
	head, ok := v[0].([]any)
	if !ok {
		return Meta{}, fmt.Errorf("meta is %T", v[0])
	}
	m, err := headOf(head)
	if err != nil {
		return Meta{}, err
	}
	m.Chunks, err = indexOf(v[1])
	return m, err
}

package live

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// dropScript is SEAM Batch 13. An epoch below a later start is written no more, so the chunks that were listed before are all of it.
var dropScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'inst', 'starts', 'n')
if not m[1] or m[1] ~= ARGV[1] or not string.find(',' .. m[2] .. ',', ',' .. ARGV[2] .. ',', 1, true) then return {'no'} end
if redis.call('HLEN', KEYS[2]) ~= tonumber(m[3]) then return {'no'} end
local gone = {}
for s in string.gmatch(ARGV[3], '[^,]+') do gone[s] = true end
local kept = {}
for s in string.gmatch(m[2], '[^,]+') do
  if not gone[s] then kept[#kept + 1] = s end
end
for i = 3, #KEYS do
  redis.call('UNLINK', KEYS[i])
  redis.call('HDEL', KEYS[2], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'starts', table.concat(kept, ','), 'n', string.format('%d', redis.call('HLEN', KEYS[2])))
return {'ok'}
`, false)

// Drop forgets the epochs that start below the offset below, which is at most v, the boundary of CURRENT. Not ok: v starts no epoch,
// or the group changed meanwhile, and nothing was written.
func (r *Redis) Drop(ctx context.Context, g Group, v, below int64) (dropped []int64, ok bool, err error) {
	if below > v {
		return nil, false, fmt.Errorf("drop epochs of %s: %d is beyond CURRENT's boundary %d", g, below, v)
	}
	m, ok, err := r.Peek(ctx, g)
	if err != nil || !ok || !m.Holds(v) {
		return nil, false, err
	}
	var names []string
	for _, s := range m.Starts {
		if s < below {
			dropped = append(dropped, s)
			names = append(names, strconv.FormatInt(s, 10))
		}
	}
	if len(dropped) == 0 {
		return nil, true, nil
	}
	prefix := g.prefix()
	keys := []string{prefix + "meta", prefix + "chunks"}
	args := []any{m.Inst, strconv.FormatInt(v, 10), strings.Join(names, ",")}
	for id := range m.Chunks {
		if id.Start < below {
			keys = append(keys, prefix+m.Inst+":"+id.field())
			args = append(args, id.field())
		}
	}
	word, _, err := r.run(ctx, dropScript, keys, args...)
	if err != nil {
		return nil, false, fmt.Errorf("drop epochs of %s: %w", g, err)
	}
	if word != "ok" {
		return nil, false, nil
	}
	return dropped, true, nil
}

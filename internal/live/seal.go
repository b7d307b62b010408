package live

import (
	"context"
	"fmt"

	"github.com/caudal/caudal/internal/intake"
)

// sealScript is a cut that takes the group from its owner, so that whoever still holds records in memory writes no more. Like a cut it begins
// with a DEL, so that a full Redis does not refuse it.
var sealScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'off', 'start', 'starts')
if not m[1] then return {'missing'} end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'token', ARGV[1])
if m[1] ~= m[2] then redis.call('HSET', KEYS[1], 'start', m[1], 'starts', m[3] .. ',' .. m[1], 'cells', '0') end
return {'ok', redis.call('HMGET', KEYS[1], `+metaFields+`)}
`, false)

// Seal cuts a group of a life of the topic that is over, and takes it from its owner: the offset that it returns is the last word on what the
// speed layer has counted. Not ok: the group holds nothing.
func (r *Redis) Seal(ctx context.Context, g Group, token string) (off int64, at intake.Progress, ok bool, err error) {
	word, v, err := r.run(ctx, sealScript, []string{g.meta(), g.prefix() + "cut"}, token)
	if err != nil {
		return 0, at, false, fmt.Errorf("seal %s: %w", g, err)
	}
	if word != "ok" {
		return 0, at, false, nil
	}
	head, _ := v[0].([]any)
	m, err := headOf(head)
	if err != nil {
		return 0, at, false, fmt.Errorf("seal %s: %w", g, err)
	}
	return m.Off, m.Progress, true, nil
}

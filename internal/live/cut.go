package live

import (
	"context"
	"fmt"

	"github.com/caudal/caudal/internal/intake"
)

// cutScript is SEAM Batch 9. It deletes a key first, which need not exist: after a write, and a DEL is never refused, Redis lets a
// script go on although its memory is full, and the cut is what leads to memory being freed.
var cutScript = newScript(`
local m = redis.call('HMGET', KEYS[1], 'off', 'start', 'starts')
if not m[1] then return {'missing'} end
if m[1] ~= m[2] then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'start', m[1], 'starts', m[3] .. ',' .. m[1], 'cells', '0')
end
return {'ok', redis.call('HMGET', KEYS[1], `+metaFields+`)}
`, false)

// Cut begins a new epoch of the group at the offset where it stands, and returns that offset with the intake's progress there. Not
// ok: the group holds nothing, and nothing was written. Repeated without a flush in between it changes nothing.
func (r *Redis) Cut(ctx context.Context, g Group) (off int64, at intake.Progress, ok bool, err error) {
	word, v, err := r.run(ctx, cutScript, []string{g.meta(), g.prefix() + "cut"})
	if err != nil {
		return 0, at, false, fmt.Errorf("cut %s: %w", g, err)
	}
	if word != "ok" {
		return 0, at, false, nil
	}
	head, _ := v[0].([]any)
	m, err := headOf(head)
	if err != nil {
		return 0, at, false, fmt.Errorf("cut %s: %w", g, err)
	}
	return m.Off, m.Progress, true, nil
}

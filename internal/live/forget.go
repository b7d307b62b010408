package live

import (
	"context"
	"fmt"
)

// forgetScript removes the chunks that are named, of the life that they were read of, and the group when none is left.
var forgetScript = newScript(`
if redis.call('HGET', KEYS[1], 'inst') ~= ARGV[1] then return {'more'} end
for i = 3, #KEYS do
  redis.call('UNLINK', KEYS[i])
  redis.call('HDEL', KEYS[2], ARGV[i - 1])
end
if redis.call('HLEN', KEYS[2]) > 0 then return {'more'} end
redis.call('DEL', KEYS[1], KEYS[2])
return {'ok'}
`, false)

// forgetChunks bounds one call, so that Redis is never blocked for long.
const forgetChunks = 500

// Forget removes all that Redis holds of a group of a definition that is no longer in use, and says how many chunks that were. Whoever
// still works on it finds its state gone.
func (r *Redis) Forget(ctx context.Context, g Group) (chunks int, err error) {
	for {
		m, ok, err := r.Peek(ctx, g)
		if err != nil || !ok {
			return chunks, err
		}
		keys, args := []string{g.meta(), g.index()}, []any{m.Inst}
		for id := range m.Chunks {
			if len(keys) == forgetChunks {
				break
			}
			keys, args = append(keys, g.prefix()+m.Inst+":"+id.field()), append(args, id.field())
		}
		word, _, err := r.run(ctx, forgetScript, keys, args...)
		if err != nil {
			return chunks, fmt.Errorf("forget %s: %w", g, err)
		}
		chunks += len(keys) - 2
		if word == "ok" {
			return chunks, nil
		}
	}
}

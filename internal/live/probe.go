package live

import (
	"context"
	"crypto/rand"
	"fmt"
)

// probeScript does what the scripts of the protocol do, on a key of its own that it deletes again.
var probeScript = newScript(`
redis.call('HSET', KEYS[1], 'a', '1')
local got = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
return {'ok', #got}
`, false)

// Probe tries whether we may do what the speed layer does: run a script that writes, reads and deletes.
func (r *Redis) Probe(ctx context.Context, project string) error {
	if _, _, err := r.run(ctx, probeScript, []string{"{" + project + "/probe}:" + rand.Text()}); err != nil {
		return fmt.Errorf("run a script that writes: %w", err)
	}
	return nil
}

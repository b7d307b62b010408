package live

import (
	"context"
	"fmt"
)

var forgetScript = newScript(`
for i = 1, #KEYS do redis.call('UNLINK', KEYS[i]) end
return {'ok'}
`, false)

// Forget deletes all that is held of a group which nobody works on any more, such as one of a definition that the project has no longer.
// A worker that does all the same takes it anew from the boundary of CURRENT.
func (r *Redis) Forget(ctx context.Context, g Group) error {
	m, ok, err := r.Peek(ctx, g)
	if err != nil || !ok {
		return err
	}
	keys := []string{g.meta(), g.index()}
	for id := range m.Chunks {
		keys = append(keys, g.prefix()+m.Inst+":"+id.field())
	}
	if _, _, err := r.run(ctx, forgetScript, keys); err != nil {
		return fmt.Errorf("forget %s: %w", g, err)
	}
	return nil
}

package live

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

var peekScript = newScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return {'missing'} end
return {'ok', redis.call('HMGET', KEYS[1], `+metaFields+`), redis.call('HGETALL', KEYS[2])}
`, true)

// Peek reads what a group holds, its chunks too, and changes nothing. False: it holds nothing.
func (r *Redis) Peek(ctx context.Context, g Group) (Meta, bool, error) {
	word, v, err := r.run(ctx, peekScript, []string{g.meta(), g.index()})
	if err != nil {
		return Meta{}, false, fmt.Errorf("look at %s: %w", g, err)
	}
	if word != "ok" {
		return Meta{}, false, nil
	}
	m, err := metaOf(v)
	if err != nil {
		return Meta{}, false, fmt.Errorf("look at %s: %w", g, err)
	}
	return m, true, nil
}

// Head is the answer of Heads for one group. Not OK: the group holds nothing.
type Head struct {
	Meta // without Chunks
	OK   bool
	Err  error
}

// Heads reads the metas of many groups in one pipeline: what an owner polls (SEAM Worker 7) and a status page shows.
func (r *Redis) Heads(ctx context.Context, groups []Group) []Head {
	out := make([]Head, len(groups))
	if len(groups) == 0 {
		return out
	}
	pipe := r.client.Pipeline()
	cmds := make([]*redis.SliceCmd, len(groups))
	for i, g := range groups {
		cmds[i] = pipe.HMGet(ctx, g.meta(), metaNames()...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, c := range cmds {
		v, err := c.Result()
		if err == nil && len(v) > 0 && v[0] != nil {
			out[i].Meta, err = headOf(v)
			out[i].OK = err == nil
		}
		if err != nil {
			out[i].Err = fmt.Errorf("look at %s: %w", groups[i], err)
		}
	}
	return out
}

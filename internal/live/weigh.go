package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// weighedChunks is how many chunks of a group Weigh asks for. A group that has no more is weighed whole.
const weighedChunks = 16

// Weigh estimates the bytes of Redis' memory that each group takes, in the order of groups: the mean of a random sample of its chunks, as
// MEMORY USAGE has them, times how many there are, and its meta and index. A group that holds nothing weighs nothing.
func (r *Redis) Weigh(ctx context.Context, groups []Group) ([]int64, error) {
	weights := make([]int64, len(groups))
	if len(groups) == 0 {
		return weights, nil
	}
	type asked struct {
		inst   *redis.StringCmd
		chunks *redis.IntCmd
		some   *redis.StringSliceCmd
		own    [2]*redis.IntCmd // meta and index
		sample []*redis.IntCmd
	}
	pipe := r.client.Pipeline()
	of := make([]asked, len(groups))
	for i, g := range groups {
		of[i] = asked{
			inst: pipe.HGet(ctx, g.meta(), "inst"), chunks: pipe.HLen(ctx, g.index()), some: pipe.HRandField(ctx, g.index(), weighedChunks),
			own: [2]*redis.IntCmd{pipe.MemoryUsage(ctx, g.meta()), pipe.MemoryUsage(ctx, g.index())},
		}
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	sampling := false
	for i, g := range groups {
		inst, err := of[i].inst.Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("weigh %s: %w", g, err)
		}
		for _, name := range of[i].some.Val() {
			of[i].sample = append(of[i].sample, pipe.MemoryUsage(ctx, g.prefix()+inst+":"+name))
			sampling = true
		}
	}
	if sampling {
		_, _ = pipe.Exec(ctx)
	}
	for i, g := range groups {
		own, err := usageOf(of[i].own[:])
		if err != nil {
			return nil, fmt.Errorf("weigh %s: %w", g, err)
		}
		sample, err := usageOf(of[i].sample)
		if err != nil {
			return nil, fmt.Errorf("weigh %s: %w", g, err)
		}
		weights[i] = own
		if n := int64(len(of[i].sample)); n > 0 {
			weights[i] += sample * of[i].chunks.Val() / n
		}
	}
	return weights, nil
}

// usageOf adds up what MEMORY USAGE said of some keys. One that went meanwhile has none.
func usageOf(keys []*redis.IntCmd) (sum int64, err error) {
	for _, k := range keys {
		n, err := k.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

package live

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// HighMemory is the share of a node's memory from which on a batch should run before its time: epochs that it covers are dropped, and
// what a Redis that is full refuses is not reached.
const HighMemory = 0.7

// Memory is how full a Redis is; of a cluster, its fullest node.
type Memory struct {
	Addr        string
	Used, Limit int64 // bytes; Limit 0: the server has none, or does not say
}

// Share is the part of the limit that is used; 0 without a limit.
func (m Memory) Share() float64 {
	if m.Limit <= 0 {
		return 0
	}
	return float64(m.Used) / float64(m.Limit)
}

// High says whether memory is to be freed.
func (m Memory) High() bool { return m.Share() >= HighMemory }

// String is for people.
func (m Memory) String() string {
	return fmt.Sprintf("redis %s holds %d of its %d bytes (%.0f %%)", m.Addr, m.Used, m.Limit, 100*m.Share())
}

// Memory asks every node how full it is.
func (r *Redis) Memory(ctx context.Context) (Memory, error) {
	var mu sync.Mutex
	var fullest Memory
	err := r.eachNode(ctx, func(ctx context.Context, n *redis.Client) error {
		m := Memory{Addr: n.Options().Addr}
		text, err := n.Info(ctx).Result()
		if err != nil {
			return fmt.Errorf("ask redis %s for its memory: %w", m.Addr, err)
		}
		if err := m.read(text); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if fullest.Addr == "" || m.Share() > fullest.Share() {
			fullest = m
		}
		return nil
	})
	return fullest, err
}

// read takes in what a node says of itself.
func (m *Memory) read(info string) (err error) {
	for name, into := range map[string]*int64{"used_memory": &m.Used, "maxmemory": &m.Limit} {
		if v := infoField(info, name); v != "" {
			if *into, err = strconv.ParseInt(v, 10, 64); err != nil {
				return fmt.Errorf("redis %s reports %s: %w", m.Addr, name, err)
			}
		}
	}
	return nil
}

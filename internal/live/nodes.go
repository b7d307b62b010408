package live

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Node is what one Redis says of itself; what it does not say is empty.
type Node struct {
	Memory
	Version string
	Policy  string // maxmemory-policy
	Saves   bool   // it appends to a file, which a restart reads
	Unsaved string // why its last snapshot or append failed
}

// Nodes asks every node that holds state, whether it is fit or not; Check says what makes one unfit.
func (r *Redis) Nodes(ctx context.Context) ([]Node, error) {
	var mu sync.Mutex
	var nodes []Node
	err := r.eachNode(ctx, func(ctx context.Context, one *redis.Client) error {
		n, err := nodeOf(ctx, one)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		nodes = append(nodes, n)
		return nil
	})
	return nodes, err
}

func nodeOf(ctx context.Context, one *redis.Client) (Node, error) {
	n := Node{Memory: Memory{Addr: one.Options().Addr}}
	text, err := one.Info(ctx).Result()
	if err != nil {
		return n, fmt.Errorf("ask redis %s about itself: %w", n.Addr, err)
	}
	if err := n.read(text); err != nil {
		return n, err
	}
	n.Version, n.Policy, n.Saves = infoField(text, "redis_version"), infoField(text, "maxmemory_policy"), infoField(text, "aof_enabled") == "1"
	for field, what := range map[string]string{"rdb_last_bgsave_status": "its last snapshot failed", "aof_last_write_status": "its last write to the append-only file failed"} {
		if v := infoField(text, field); v != "" && v != "ok" {
			n.Unsaved = what
		}
	}
	return n, nil
}

// slotsOfCluster is how many slots a cluster shares out.
const slotsOfCluster = "16384"

// Slots says what is wrong with how a cluster shares out its keys; "" where nothing is, or where there is no cluster.
func (r *Redis) Slots(ctx context.Context) (string, error) {
	c, ok := r.client.(*redis.ClusterClient)
	if !ok {
		return "", nil
	}
	text, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("ask the redis cluster for its slots: %w", err)
	}
	if state, slots := infoField(text, "cluster_state"), infoField(text, "cluster_slots_ok"); state != "ok" || slots != slotsOfCluster {
		return fmt.Sprintf("the cluster's state is %s, and %s of its %s slots are served", state, slots, slotsOfCluster), nil
	}
	return "", nil
}

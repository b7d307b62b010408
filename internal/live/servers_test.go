package live

import (
	"context"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/testservices"
)

// eachServer runs a test against the embedded Redis, a real one, and a real one in cluster mode.
func eachServer(t *testing.T, test func(t *testing.T, r *Redis)) {
	t.Run("embedded", func(t *testing.T) {
		s, err := embedded.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		test(t, connect(t, Config{Addrs: []string{s.Addr()}}))
	})
	t.Run("redis", func(t *testing.T) { test(t, realRedis(t)) })
	t.Run("cluster", func(t *testing.T) { test(t, connect(t, Config{Addrs: cluster(t).Addrs()[:1], Cluster: true})) })
}

func connect(t testing.TB, c Config) *Redis {
	t.Helper()
	r, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	empty(t, r)
	return r
}

// The real servers are this test binary's own: tests empty them and change their settings.
var (
	ownRedis   = sync.OnceValues(testservices.StartRedis)
	ownCluster = sync.OnceValues(func() (*testservices.RedisCluster, error) { return testservices.StartRedisCluster(3, 1) })
)

func realRedis(t testing.TB) *Redis {
	t.Helper()
	s, err := ownRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	return connect(t, Config{Addrs: []string{s.Addr()}})
}

// cluster is a real cluster of three masters, each with a replica.
func cluster(t *testing.T) *testservices.RedisCluster {
	t.Helper()
	c, err := ownCluster()
	if err != nil {
		testservices.Missing(t, "a Redis cluster", err)
	}
	return c
}

// empty takes everything out of a Redis.
func empty(t testing.TB, r *Redis) {
	t.Helper()
	if err := r.eachNode(context.Background(), func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() }); err != nil {
		t.Fatal(err)
	}
}

// Package live keeps the speed layer's state in Redis: the groups of SEAM "Keys", and each step of the protocol as one Lua script.
//
// Every script makes all of its checks before its first write, because Redis rolls nothing back. Offsets are strings in Lua, whose
// numbers are doubles: they are compared for equality only, and ordered in Go. All keys of a partition share one hash tag, so the
// scripts run on one Redis and on a cluster. Only commands of Redis 7.0 core are used, so that Valkey and miniredis work too.
package live

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says where Redis is. More than one address: a cluster.
type Config struct {
	Addrs              []string
	Username, Password string
	Cluster            bool        // a cluster of which one address is known
	TLS                *tls.Config // nil: plain
	Timeout            time.Duration
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if len(c.Addrs) == 0 {
		return errors.New("redis: no address")
	}
	for _, a := range c.Addrs {
		if a == "" {
			return errors.New("redis: an empty address")
		}
	}
	return nil
}

// Redis is the speed state's store. It is safe for concurrent use.
type Redis struct{ client redis.UniversalClient }

// Connect prepares the client; nothing is sent until the first call. A write is never sent twice by the client of one Redis
// (MaxRetries -1); a cluster client may, and every script is safe to repeat because it compares the offset.
func Connect(c Config) (*Redis, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	// The client would print what it also returns; the setting is the whole process's, and this package its only importer.
	redis.SetLogger(silent{})
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	if len(c.Addrs) > 1 || c.Cluster {
		return &Redis{redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: c.Addrs, Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
			MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
			DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout,
			// A failover is otherwise noticed after a minute.
			ClusterStateReloadInterval: time.Second,
		})}, nil
	}
	return &Redis{redis.NewClient(&redis.Options{
		Addr: c.Addrs[0], Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout,
	})}, nil
}

type silent struct{}

// Printf prints nothing.
func (silent) Printf(context.Context, string, ...any) {}

// Close closes the connections.
func (r *Redis) Close() error { return r.client.Close() }

// ErrUnfit says that a Redis answers but must not hold speed state.
var ErrUnfit = errors.New("redis is not fit to hold speed state")

// Check asks every node whether it can hold speed state: a version that has EVAL_RO, and a policy that evicts nothing. What a
// server does not report (miniredis has no policy) is taken to be right. ErrUnfit if not; any other error means that it could not be asked.
func (r *Redis) Check(ctx context.Context) error {
	return r.eachNode(ctx, func(ctx context.Context, n *redis.Client) error { return checkNode(ctx, n, n.Options().Addr) })
}

// eachNode calls f for every node that holds state, of a cluster for many at once.
func (r *Redis) eachNode(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	if c, ok := r.client.(*redis.ClusterClient); ok {
		return c.ForEachMaster(ctx, f)
	}
	return f(ctx, r.client.(*redis.Client))
}

func checkNode(ctx context.Context, n *redis.Client, addr string) error {
	text, err := n.Info(ctx).Result()
	if err != nil {
		return fmt.Errorf("ask redis %s for its settings: %w", addr, err)
	}
	if p := infoField(text, "maxmemory_policy"); p != "" && p != "noeviction" {
		return fmt.Errorf("%w: %s evicts keys (maxmemory-policy %s), which would make answers wrong: set maxmemory-policy noeviction", ErrUnfit, addr, p)
	}
	if v := infoField(text, "redis_version"); v != "" {
		major, _, _ := strings.Cut(v, ".")
		if m, err := strconv.Atoi(major); err == nil && m < 7 {
			return fmt.Errorf("%w: %s is version %s, and 7.0 or newer is needed", ErrUnfit, addr, v)
		}
	}
	return nil
}

func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && k == name {
			return v
		}
	}
	return ""
}

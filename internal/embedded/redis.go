package embedded

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// Redis is a Redis inside the process. It keeps nothing: what caudal has in Redis can be rebuilt from the log and the
// lake.
type Redis struct{ server *miniredis.Miniredis }

// StartRedis starts a Redis on addr, as host:port; "" is a free port of the loopback.
func StartRedis(addr string) (*Redis, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("start embedded redis on %s: %w", addr, err)
	}
	return &Redis{m}, nil
}

// Addr returns where it listens, as host:port.
func (r *Redis) Addr() string { return r.server.Addr() }

// FlushAll loses everything, as a Redis that was restarted does.
func (r *Redis) FlushAll() { r.server.FlushAll() }

// Close stops it.
func (r *Redis) Close() error {
	r.server.Close()
	return nil
}

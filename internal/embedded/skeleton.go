// Package embedded runs the services that a project leaves out inside the process: a Kafka broker and a Redis.
package embedded

import "errors"

// BrokerConfig says where the broker listens and keeps its data.
type BrokerConfig struct {
	Dir  string // "" keeps the log in memory
	Addr string // host:port; default 127.0.0.1:0
}

var errNotYet = errors.New("embedded: not built yet")

type Broker struct{}

func StartBroker(cfg BrokerConfig) (*Broker, error) { return nil, errNotYet }
func (b *Broker) Addrs() []string                   { return nil }
func (b *Broker) Close() error                      { return nil }

type Redis struct{}

func StartRedis(addr string) (*Redis, error) { return nil, errNotYet }
func (r *Redis) Addr() string                { return "" }
func (r *Redis) FlushAll()                   {}
func (r *Redis) Close() error                { return nil }

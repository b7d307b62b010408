// Package embedded runs the services that a project leaves out inside the process: a Kafka broker and a Redis. They
// speak the real protocols, so every other part runs as it does against the real ones.
package embedded

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	// maxMessageBytes bounds one produce request per partition.
	maxMessageBytes = 16 << 20
	// retentionEvery is how often segments beyond a topic's retention are looked for; Kafka's own default is 5 min.
	retentionEvery = time.Minute
)

// BrokerConfig says where the broker listens and keeps its log. The zero value listens on a free port of the loopback
// and keeps everything in memory.
type BrokerConfig struct {
	Dir  string // "" keeps the log in memory
	Addr string // host:port; default 127.0.0.1:0

	// Forever keeps every record, whatever its age; otherwise a topic's retention holds, 7 days unless the topic says so.
	Forever bool

	// Sync makes every acknowledged record survive the loss of power, and not only the death of the process.
	Sync bool
}

// Validate reports a setting that cannot work.
func (c BrokerConfig) Validate() error {
	if c.Addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("embedded broker: address %q is not host:port: %w", c.Addr, err)
	}
	return nil
}

// Broker is a Kafka broker inside the process: one node, each partition once.
type Broker struct {
	cluster *kfake.Cluster
	lock    *dirLock
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once

	faults sync.Mutex
	failed []*kfake.FaultHandle // installed; guarded by faults
	calmed atomic.Int64         // times that the faults were taken back
}

// StartBroker starts a broker. With a Dir it continues the log that it finds there: acknowledged records, topic and
// cluster ids and committed offsets outlive the process, however it ends. Only one broker may use a Dir: a second one
// fails and names the holder.
func StartBroker(cfg BrokerConfig) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Broker{stop: make(chan struct{})}
	addr := cfg.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID(newClusterID()), // a log that is continued keeps its own
		kfake.DefaultNumPartitions(1),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, addr) }),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes":          strconv.Itoa(maxMessageBytes),
			"default.replication.factor": "1",
			"min.insync.replicas":        "1",
		}),
	}
	if cfg.Dir != "" {
		var err error
		if b.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
		opts = append(opts, kfake.DataDir(filepath.Join(cfg.Dir, "log")))
		if cfg.Sync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		b.lock.unlock()
		return nil, fmt.Errorf("start embedded broker on %s: %w", addr, err)
	}
	b.cluster = c
	if !cfg.Forever {
		b.done.Go(b.retain)
	}
	return b, nil
}

// Addrs returns where the broker listens, as host:port.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker.
func (b *Broker) Close() error {
	b.once.Do(func() {
		close(b.stop)
		b.done.Wait()
		b.cluster.Close()
		b.lock.unlock()
	})
	return nil
}

// retain applies the topics' retention, which the broker does only when it is told to.
func (b *Broker) retain() {
	t := time.NewTicker(retentionEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			b.cluster.ApplyRetention()
		case <-b.stop:
			return
		}
	}
}

func newClusterID() string {
	var id [16]byte
	rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

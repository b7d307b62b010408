package testservices

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clusterSlots is how many slots a Redis cluster shares out.
const clusterSlots = 16384

// RedisCluster is a Redis cluster without persistence and without eviction.
type RedisCluster struct {
	Nodes []*RedisServer // those that began as masters first, then the replicas of each
}

// StartRedisCluster starts so many masters, each with so many replicas, and waits until all slots are served and each replica holds what its
// master holds: one that has not synced is never promoted.
func StartRedisCluster(masters, replicas int) (*RedisCluster, error) {
	c := &RedisCluster{}
	fail := func(err error) (*RedisCluster, error) { return nil, errors.Join(err, c.Stop()) }
	for range masters * (1 + replicas) {
		port, bus, err := clusterPorts()
		if err != nil {
			return fail(err)
		}
		n, err := startRedis(port, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", strconv.Itoa(bus),
			"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")
		if err != nil {
			return fail(err)
		}
		c.Nodes = append(c.Nodes, n)
		if err := n.meet(c.Nodes[0], bus); err != nil {
			return fail(err)
		}
	}
	for i, n := range c.Nodes[:masters] {
		if _, err := n.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*clusterSlots/masters), strconv.Itoa((i+1)*clusterSlots/masters-1)); err != nil {
			return fail(err)
		}
	}
	for i, n := range c.Nodes[masters:] {
		if err := n.await(redisClusterStart, func() error { return n.replicate(c.Nodes[i%masters]) }); err != nil {
			return fail(err)
		}
	}
	if err := c.Whole(); err != nil {
		return fail(err)
	}
	return c, nil
}

// redisClusterStart bounds how long the nodes may take to hear of each other.
const redisClusterStart = 30 * time.Second

// clusterPorts are two free ports: for clients, and for the other nodes.
func clusterPorts() (port, bus int, err error) {
	if port, err = freePort(); err != nil {
		return 0, 0, err
	}
	bus, err = freePort()
	return port, bus, err
}

// meet makes a node known to another.
func (r *RedisServer) meet(other *RedisServer, bus int) error {
	if r == other {
		return nil
	}
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return err
	}
	_, err = other.Do("CLUSTER", "MEET", host, port, strconv.Itoa(bus))
	return err
}

// replicate makes a node of a cluster the replica of another, of which it may not have heard yet.
func (r *RedisServer) replicate(master *RedisServer) error {
	id, err := master.Do("CLUSTER", "MYID")
	if err == nil {
		_, err = r.Do("CLUSTER", "REPLICATE", id)
	}
	return err
}

// Addrs returns the addresses of all nodes as host:port.
func (c *RedisCluster) Addrs() []string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.addr)
	}
	return all
}

// Stop ends all nodes and removes their folders.
func (c *RedisCluster) Stop() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}

// Whole waits until each node that runs says that all slots are served, and each replica among them follows its master.
func (c *RedisCluster) Whole() error {
	for _, n := range c.Nodes {
		if !n.runs() {
			continue
		}
		if err := n.await(redisClusterStart, func() error {
			info, err := n.Do("CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))) {
				return fmt.Errorf("the cluster is not whole: %s", strings.Join(strings.Fields(info), " "))
			}
			if info, err = n.Do("INFO", "replication"); err == nil && strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
				err = errors.New("the link to its master is down")
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// Slot returns the slot of a key.
func (c *RedisCluster) Slot(key string) (int, error) {
	n, err := c.first().Do("CLUSTER", "KEYSLOT", key)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(n)
}

// Master returns the node that serves a slot, as the others believe.
func (c *RedisCluster) Master(slot int) (*RedisServer, error) {
	text, err := c.first().Do("CLUSTER", "NODES")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line) // id address flags master ping pong epoch link slots...
		if len(fields) < 9 || !strings.Contains(fields[2], "master") || strings.Contains(fields[2], "fail") {
			continue
		}
		addr, _, _ := strings.Cut(fields[1], "@")
		for _, s := range fields[8:] {
			from, to, ranged := strings.Cut(s, "-")
			if !ranged {
				to = from
			}
			lo, loErr := strconv.Atoi(from)
			hi, hiErr := strconv.Atoi(to)
			if loErr != nil || hiErr != nil || slot < lo || slot > hi {
				continue // also a slot that is on its way
			}
			if i := slices.Index(c.Addrs(), addr); i >= 0 {
				return c.Nodes[i], nil
			}
		}
	}
	return nil, fmt.Errorf("nobody serves slot %d:\n%s", slot, text)
}

// Replica returns a running node that follows a master.
func (c *RedisCluster) Replica(master *RedisServer) (*RedisServer, error) {
	_, port, err := net.SplitHostPort(master.addr)
	if err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if !n.runs() || n == master {
			continue
		}
		info, err := n.Do("INFO", "replication")
		if err != nil {
			return nil, err
		}
		if strings.Contains(info, "role:slave") && strings.Contains(info, "master_port:"+port+"\r\n") {
			return n, nil
		}
	}
	return nil, fmt.Errorf("redis %s has no replica", master.addr)
}

// first is a node that runs.
func (c *RedisCluster) first() *RedisServer {
	for _, n := range c.Nodes {
		if n.runs() {
			return n
		}
	}
	return c.Nodes[0]
}

// Move moves a slot with its keys from one master to another, as resharding does; between is called when the slot is on its way, again and
// again, after each key.
func (c *RedisCluster) Move(slot int, from, to *RedisServer, between func()) error {
	fromID, err := from.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	toID, err := to.Do("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	number := strconv.Itoa(slot)
	if _, err := to.Do("CLUSTER", "SETSLOT", number, "IMPORTING", fromID); err != nil {
		return err
	}
	if _, err := from.Do("CLUSTER", "SETSLOT", number, "MIGRATING", toID); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(to.addr)
	if err != nil {
		return err
	}
	for {
		keys, err := from.List("CLUSTER", "GETKEYSINSLOT", number, "1")
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		if _, err := from.Do("MIGRATE", host, port, keys[0], "0", "5000"); err != nil {
			return err
		}
		between()
	}
	for _, n := range []*RedisServer{to, from} {
		if _, err := n.Do("CLUSTER", "SETSLOT", number, "NODE", toID); err != nil {
			return err
		}
	}
	return nil
}

// Promoted waits until a node serves a slot, in the eyes of all that run.
func (c *RedisCluster) Promoted(slot int, node *RedisServer) error {
	if err := node.await(redisClusterStart, func() error {
		serves, err := c.Master(slot)
		if err == nil && serves != node {
			err = fmt.Errorf("slot %d is served by %s", slot, serves.addr)
		}
		return err
	}); err != nil {
		return err
	}
	return c.Whole()
}

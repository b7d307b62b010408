package main

import (
	"slices"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// clusterSite is a site over a Redis cluster of three masters with a replica each, and both roles at work.
type clusterSite struct {
	*site
	redis          *testservices.RedisCluster
	speed, archive *life
}

func newClusterSite(t *testing.T) *clusterSite {
	t.Helper()
	cluster, err := testservices.StartRedisCluster(3, 1)
	if err != nil {
		testservices.Missing(t, "a Redis cluster", err)
	}
	t.Cleanup(func() { cluster.Stop() })
	s := &clusterSite{site: siteOf(t, where{cluster: cluster.Addrs()}), redis: cluster}
	s.speed, s.archive = s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	s.ask()
	return s
}

// holder is the master that holds what the speed layer keeps of a partition, and the slot.
func (s *clusterSite) holder(partition string) (master *testservices.RedisServer, slot int) {
	s.t.Helper()
	slot, err := s.redis.Slot("{" + s.name + "/" + s.name + "/1/" + partition + "}")
	s.check(err)
	master, err = s.redis.Master(slot)
	s.check(err)
	return master, slot
}

// TestFaultARedisClusterLosesAMaster: a master dies, and its replica, which lacks the last writes, takes its place.
func TestFaultARedisClusterLosesAMaster(t *testing.T) {
	t.Parallel()
	s := newClusterSite(t)
	for i := range 2 {
		master, slot := s.holder("0")
		replica, err := s.redis.Replica(master)
		s.check(err)
		s.check(replica.Pause())
		s.do(master, "CLIENT", "KILL", "TYPE", "replica") // from here on it gets nothing of what the master acknowledges
		s.produce(200)
		s.heals()
		if i == 1 {
			s.batch() // a cut is among what is lost
		}
		before := s.said("speed")
		s.check(master.Kill())
		s.check(replica.Resume())
		s.produce(200)
		s.check(s.redis.Promoted(slot, replica))
		s.heals()
		s.awaitSaid("speed", "partition dropped", before) // it has found out that what it had flushed is gone
		s.check(master.Restart())
		s.check(s.redis.Whole())
	}
	s.ends()
}

// TestFaultASlotOfARedisClusterMoves: the slot of a partition moves to another master, key by key, while its cells are written and read.
func TestFaultASlotOfARedisClusterMoves(t *testing.T) {
	long(t)
	t.Parallel()
	s := newClusterSite(t)
	for range 3 {
		from, slot := s.holder("0")
		to := s.redis.Nodes[slices.IndexFunc(s.redis.Nodes[:3], func(n *testservices.RedisServer) bool { return n != from })]
		moved := 0
		s.check(s.redis.Move(slot, from, to, func() { moved++; s.produce(20) }))
		s.heals()
		if moved < 3 {
			t.Errorf("%d keys of the partition moved: hardly any was on its way while others were written", moved)
		}
	}
	s.ends()
}

// TestFaultAMasterOfARedisClusterIsFrozen: a master stands still for longer than the cluster bears, its replica takes its place, and it wakes
// with commands at its door that it has not carried out.
func TestFaultAMasterOfARedisClusterIsFrozen(t *testing.T) {
	long(t)
	t.Parallel()
	s := newClusterSite(t)
	for range 2 {
		master, slot := s.holder("0")
		replica, err := s.redis.Replica(master)
		s.check(err)
		s.produce(100)
		s.check(master.Pause())
		s.produce(200)
		s.check(s.redis.Promoted(slot, replica))
		s.produce(200)
		s.check(master.Resume())
		s.check(s.redis.Whole())
		s.heals()
	}
	s.ends()
}

func (s *clusterSite) do(server *testservices.RedisServer, args ...string) {
	s.t.Helper()
	_, err := server.Do(args...)
	s.check(err)
}

// ends settles the site and stops the roles.
func (s *clusterSite) ends() {
	s.t.Helper()
	s.produce(200)
	s.settles()
	s.speed.terminate()
	s.archive.terminate()
}

package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// relay is an address behind which a test can put another server, as a failover does.
type relay struct {
	listener net.Listener

	mu    sync.Mutex
	to    string
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
	t.Cleanup(func() { l.Close(); r.swing("") })
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// swing ends all connections, and leads new ones to another server.
func (r *relay) swing(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func (r *relay) carry(c net.Conn) {
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		c.Close()
		return
	}
	r.mu.Lock()
	if r.to != to {
		server.Close()
		c.Close()
	}
	r.conns = append(r.conns, c, server)
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, c)
		server.Close()
	}()
	_, _ = io.Copy(c, server)
	c.Close()
}

// redisSite is a site with a Redis of its own behind a relay, and both roles at work.
type redisSite struct {
	*site
	primary        *testservices.RedisServer
	relay          *relay
	speed, archive *life
}

func newRedisSite(t *testing.T) *redisSite {
	t.Helper()
	primary, err := testservices.StartRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	t.Cleanup(func() { primary.Stop() })
	r := newRelay(t, primary.Addr())
	s := &redisSite{site: siteOf(t, where{redis: r.addr()}), primary: primary, relay: r}
	s.speed, s.archive = s.start("speed", none), s.start("archive", none)
	s.produce(300)
	s.heals()
	s.ask()
	return s
}

func (s *redisSite) do(server *testservices.RedisServer, args ...string) {
	s.t.Helper()
	_, err := server.Do(args...)
	s.check(err)
}

// ends settles the site and stops the roles.
func (s *redisSite) ends() {
	s.t.Helper()
	s.produce(200)
	s.settles()
	s.speed.terminate()
	s.archive.terminate()
}

// awaitSaid waits until a role has said something after what it had said before.
func (s *site) awaitSaid(role, what, before string) {
	s.t.Helper()
	s.until(role+" says "+what, func() error {
		if !strings.Contains(strings.TrimPrefix(s.said(role), before), what) {
			return errors.New("it has not yet")
		}
		return nil
	})
}

func TestFaultRedisIsFlushed(t *testing.T) {
	t.Parallel()
	s := newRedisSite(t)
	for i := range 4 {
		s.produce(200)
		if i == 2 {
			s.batch() // what is below its cut need not be rebuilt
		}
		s.do(s.primary, "FLUSHALL")
		s.produce(200)
		if i%2 == 1 {
			s.heals()
		}
	}
	s.ends()
}

func TestFaultRedisFailsOverWithLostWrites(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct {
		name string
		lost func(*redisSite)
	}{
		{"flushes", func(s *redisSite) {}},
		{"a cut and flushes", func(s *redisSite) { s.batch(); s.produce(200); s.heals() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newRedisSite(t)
			replica, err := s.primary.StartReplica()
			s.check(err)
			t.Cleanup(func() { replica.Stop() })
			s.produce(200)
			s.heals()
			s.do(replica, "REPLICAOF", "NO", "ONE") // from here on it knows nothing of what the primary acknowledges
			s.produce(200)
			s.heals()
			c.lost(s)
			s.check(s.primary.Kill())
			s.produce(200)
			s.relay.swing(replica.Addr())
			s.heals()
			s.ends()
		})
	}
}

func TestFaultRedisStartsAgainWithAnOlderCopy(t *testing.T) {
	long(t)
	t.Parallel()
	s := newRedisSite(t)
	s.batch()
	s.produce(200)
	s.heals()
	s.do(s.primary, "SAVE")
	for range 2 {
		s.produce(200)
		s.heals()
		s.batch()
		s.produce(200)
		s.check(s.primary.Kill())
		s.produce(200)
		s.check(s.primary.Restart())
		s.heals()
	}
	s.ends()
}

// TestFaultRedisIsOutOfMemory: flushes wait, a batch can still cut, and all goes on by itself once there is memory.
func TestFaultRedisIsOutOfMemory(t *testing.T) {
	long(t)
	t.Parallel()
	s := newRedisSite(t)
	before := s.said("speed")
	s.do(s.primary, "CONFIG", "SET", "maxmemory", "1")
	s.produce(200)
	s.awaitSaid("speed", "OOM", before)
	report := s.once()
	for _, v := range report.Views {
		if v.Snapshot == "" {
			t.Errorf("a full Redis forbade the batch: %+v", v)
		}
	}
	s.produce(200)
	s.do(s.primary, "CONFIG", "SET", "maxmemory", "0")
	s.heals()
	s.ends()
}

// TestFaultRedisIsReadOnly: Redis refuses every write, as a replica or because its replicas are away. Flushes wait; a batch cannot cut
// and says so, and the old snapshot stays.
func TestFaultRedisIsReadOnly(t *testing.T) {
	long(t)
	t.Parallel()
	for _, c := range []struct {
		name, word string
		begin, end func(s *redisSite, replica *testservices.RedisServer)
	}{
		{"a replica", "READONLY",
			func(s *redisSite, replica *testservices.RedisServer) { s.relay.swing(replica.Addr()) },
			func(s *redisSite, replica *testservices.RedisServer) { s.do(replica, "REPLICAOF", "NO", "ONE") }},
		{"too few replicas", "NOREPLICAS",
			func(s *redisSite, _ *testservices.RedisServer) {
				s.do(s.primary, "CONFIG", "SET", "min-replicas-to-write", "2")
			},
			func(s *redisSite, _ *testservices.RedisServer) {
				s.do(s.primary, "CONFIG", "SET", "min-replicas-to-write", "0")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newRedisSite(t)
			replica, err := s.primary.StartReplica()
			s.check(err)
			t.Cleanup(func() { replica.Stop() })
			before := s.said("speed")
			c.begin(s, replica)
			s.produce(200)
			s.awaitSaid("speed", c.word, before)
			if _, err := s.tryBatch(); err == nil || !strings.Contains(s.said("batch"), c.word) {
				t.Errorf("a batch without a cut: %v", err)
			}
			s.produce(200)
			c.end(s, replica)
			s.heals()
			s.ends()
		})
	}
}

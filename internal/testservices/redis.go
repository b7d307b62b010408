package testservices

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// RedisServer is one redis-server without persistence and without eviction.
type RedisServer struct {
	*process
	addr string
}

// StartRedis starts a redis-server and waits until it answers.
func StartRedis() (*RedisServer, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", ErrNotInstalled)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := newProcess("redis")
	if err != nil {
		return nil, err
	}
	p.args = []string{bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--hash-max-listpack-entries", "64"}
	r := &RedisServer{process: p, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if err := r.Restart(); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// Addr returns its address as host:port. It stays the same over Kill and Restart.
func (r *RedisServer) Addr() string { return r.addr }

// Restart starts it again after Kill, empty, and waits until it answers.
func (r *RedisServer) Restart() error {
	if err := r.start(); err != nil {
		return err
	}
	return r.await(20*time.Second, func() error {
		c, err := net.DialTimeout("tcp", r.addr, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
			return err
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && strings.TrimSpace(line) != "+PONG" {
			err = fmt.Errorf("it answers %q", line)
		}
		return err
	})
}

package testservices

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return startRedis(port)
}

// startRedis starts a redis-server on a port; more are further arguments of it.
func startRedis(port int, more ...string) (*RedisServer, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", ErrNotInstalled)
	}
	p, err := newProcess("redis")
	if err != nil {
		return nil, err
	}
	p.args = append([]string{bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0", "--hash-max-listpack-entries", "64"}, more...)
	r := &RedisServer{process: p, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if err := r.Restart(); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// Addr returns its address as host:port. It stays the same over Kill and Restart.
func (r *RedisServer) Addr() string { return r.addr }

// Restart starts it again after Kill, with what the last SAVE wrote, and waits until it answers.
func (r *RedisServer) Restart() error {
	if err := r.start(); err != nil {
		return err
	}
	return r.await(20*time.Second, func() error {
		answer, err := r.Do("PING")
		if err == nil && answer != "PONG" {
			err = fmt.Errorf("it answers %q", answer)
		}
		return err
	})
}

// StartReplica starts another Redis that follows r, and waits until it holds what r holds.
func (r *RedisServer) StartReplica() (*RedisServer, error) {
	replica, err := StartRedis()
	if err != nil {
		return nil, err
	}
	if err := replica.Follow(r); err != nil {
		return nil, errors.Join(err, replica.Stop())
	}
	return replica, nil
}

// Follow makes r a replica of another and waits until it holds what that one holds.
func (r *RedisServer) Follow(primary *RedisServer) error {
	host, port, err := net.SplitHostPort(primary.addr)
	if err != nil {
		return err
	}
	if _, err := r.Do("REPLICAOF", host, port); err != nil {
		return err
	}
	return r.await(20*time.Second, func() error {
		info, err := r.Do("INFO", "replication")
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("the link to its primary is down")
		}
		return err
	})
}

// Do sends a command and returns the answer: a status, a number or a string. It is all that is needed of Redis' protocol here, so that
// this package can serve the tests of the package that speaks it.
func (r *RedisServer) Do(args ...string) (string, error) {
	all, err := r.List(args...)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("redis %s: %s: %d answers", r.addr, args[0], len(all))
	}
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// List is Do for a command that answers a list of these.
func (r *RedisServer) List(args ...string) ([]string, error) {
	c, err := net.DialTimeout("tcp", r.addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write(b); err != nil {
		return nil, err
	}
	all, err := readReply(bufio.NewReader(c))
	if err != nil {
		err = fmt.Errorf("redis %s: %s: %w", r.addr, args[0], err)
	}
	return all, err
}

// readReply reads one answer, or a flat list of them.
func readReply(in *bufio.Reader) ([]string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "-"):
		return nil, errors.New(line[1:])
	case strings.HasPrefix(line, "+"), strings.HasPrefix(line, ":"):
		return []string{line[1:]}, nil
	case strings.HasPrefix(line, "$"):
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return []string{""}, err
		}
		text := make([]byte, n+len("\r\n"))
		_, err = io.ReadFull(in, text)
		return []string{string(text[:n])}, err
	case strings.HasPrefix(line, "*"):
		n, err := strconv.Atoi(line[1:])
		all := []string{}
		for range n {
			one, err := readReply(in)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, err
	}
	return nil, fmt.Errorf("an answer %q that is not read here", line)
}

package testservices

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// SecureRedis is a redis-server that lets nobody in without TLS, a user and a password. The user may do what caudal does, and no more.
type SecureRedis struct {
	*process
	Certificates
	Addr               string // host:port
	Username, Password string
}

// redisRights are those that caudal needs: scripts, hashes, and looking at the server.
const redisRights = "~* +@read +@write +@scripting +@connection +info +cluster -@dangerous +info"

// StartSecureRedis starts one and waits until it answers.
func StartSecureRedis() (*SecureRedis, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", ErrNotInstalled)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := newProcess("redis-secure")
	if err != nil {
		return nil, err
	}
	r := &SecureRedis{process: p, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Username: "caudal", Password: "open-sesame"}
	if r.Certificates, err = makeCertificates(p.dir); err != nil {
		return nil, err
	}
	p.args = []string{bin, "--port", "0", "--tls-port", strconv.Itoa(port), "--bind", "127.0.0.1", "--tls-cert-file", r.Cert, "--tls-key-file", r.Key,
		"--tls-ca-cert-file", r.CA, "--tls-auth-clients", "no", "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
		"--user", "default", "off", "--user", r.Username, "on", ">" + r.Password}
	p.args = append(p.args, strings.Fields(redisRights)...)
	if err := r.start(); err != nil {
		return nil, err
	}
	if err := r.await(20*time.Second, r.ready); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// ready asks without a name: an answer, even a refusal, means that it listens.
func (r *SecureRedis) ready() error {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", r.Addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "-NOAUTH") {
		err = fmt.Errorf("it lets in whoever comes: %q", line)
	}
	return err
}

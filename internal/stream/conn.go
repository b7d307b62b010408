package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// errUnsupported: the broker does not speak a version of the protocol that is needed.
var errUnsupported = errors.New("the broker does not support this")

// maxAnswer bounds what one answer may make us allocate.
const maxAnswer = 1 << 30

// conn is one connection to one broker with at most one request in flight. Messages that kafka-go knows go through
// call, the two that it knows only in old versions through exchange.
type conn struct {
	*protocol.Conn
	clientID string
	timeout  time.Duration
	versions map[protocol.ApiKey][2]int16 // what the broker offers
	sequence int32
	out      encoder

	busy sync.Mutex
}

// dial connects to the broker at addr and learns which versions it speaks.
func (c *Client) dial(ctx context.Context, addr string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	raw, err := c.cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka broker %s: %w", addr, err)
	}
	open, err := c.secured(ctx, raw, addr)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect to kafka broker %s: %w", addr, err)
	}
	cn := &conn{Conn: protocol.NewConn(open, c.cfg.ClientID), clientID: c.cfg.ClientID, timeout: c.cfg.RequestTimeout}
	if err := cn.negotiate(ctx); err != nil {
		open.Close()
		return nil, fmt.Errorf("negotiate versions with kafka broker %s: %w", addr, err)
	}
	if c.sasl == nil {
		return cn, nil
	}
	if err := cn.authenticate(ctx, c.sasl, addr); err != nil {
		open.Close()
		return nil, fmt.Errorf("log in to kafka broker %s: %w", addr, err)
	}
	return cn, nil
}

func (cn *conn) negotiate(ctx context.Context) error {
	m, err := cn.call(ctx, new(apiversions.Request))
	if err != nil {
		return err
	}
	res := m.(*apiversions.Response)
	if err := codeErr(res.ErrorCode); err != nil {
		return err
	}
	cn.versions = make(map[protocol.ApiKey][2]int16, len(res.ApiKeys))
	use := make(map[protocol.ApiKey]int16, len(res.ApiKeys))
	for _, k := range res.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		cn.versions[key] = [2]int16{k.MinVersion, k.MaxVersion}
		use[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	cn.SetVersions(use)
	return nil
}

// guard makes ctx and the time limit end whatever the connection is blocked in. After either the connection is of no
// more use. The returned function lifts the guard.
func (cn *conn) guard(ctx context.Context, limit time.Duration) (lift func()) {
	deadline := time.Now().Add(limit)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	cn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { cn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// cause prefers the context's error to the time-out that it made of the connection.
func cause(ctx context.Context, err error) error {
	var n net.Error
	if err != nil && ctx.Err() != nil && errors.As(err, &n) {
		return ctx.Err()
	}
	return unexpectedEOF(err)
}

// call sends a message of kafka-go and returns its answer.
func (cn *conn) call(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	cn.busy.Lock()
	defer cn.busy.Unlock()
	defer cn.guard(ctx, cn.timeout)()
	m, err := cn.RoundTrip(req)
	cn.retire(err)
	return m, cause(ctx, err)
}

// retire closes a connection whose exchange failed, while it is still held: the answer may yet arrive, and whoever waits to hold the
// connection next would take it for its own.
func (cn *conn) retire(err error) {
	if err != nil {
		cn.Close()
	}
}

// supports reports an error unless the broker speaks the version of the API.
func (cn *conn) supports(key protocol.ApiKey, version int16) error {
	if v, ok := cn.versions[key]; !ok || version < v[0] || version > v[1] {
		return fmt.Errorf("%w: %v version %d (it offers %d to %d)", errUnsupported, key, version, v[0], v[1])
	}
	return nil
}

// exchange sends one request, whose body fill appends, and reads the body of the answer into buf, growing it if it must.
// wait is what the request asks the broker to wait at most.
func (cn *conn) exchange(ctx context.Context, key protocol.ApiKey, version int16, flexible bool, wait time.Duration, buf []byte, fill func(*encoder)) ([]byte, error) {
	cn.busy.Lock()
	defer cn.busy.Unlock()
	defer cn.guard(ctx, cn.timeout+wait)()
	body, err := cn.send(key, version, flexible, buf, fill)
	cn.retire(err)
	return body, cause(ctx, err)
}

func (cn *conn) send(key protocol.ApiKey, version int16, flexible bool, buf []byte, fill func(*encoder)) ([]byte, error) {
	cn.sequence++
	e := &cn.out
	e.b = append(e.b[:0], 0, 0, 0, 0)
	e.int16(int16(key))
	e.int16(version)
	e.int32(cn.sequence)
	e.string(cn.clientID)
	if flexible {
		e.uvarint(0)
	}
	fill(e)
	binary.BigEndian.PutUint32(e.b, uint32(len(e.b)-4))
	if _, err := cn.Write(e.b); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(cn, head[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(head[:4]))) - 4
	if n < 0 || n > maxAnswer {
		return nil, fmt.Errorf("%w: a length of %d bytes", errMalformed, n)
	}
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != cn.sequence {
		return nil, fmt.Errorf("%w: it answers request %d, not %d", errMalformed, id, cn.sequence)
	}
	if cap(buf) < n {
		buf = make([]byte, n, n+n/8)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(cn, buf); err != nil {
		return nil, err
	}
	if flexible {
		d := decoder{b: buf}
		d.tags()
		return d.b, d.err()
	}
	return buf, nil
}

// any returns a connection to one of the configured brokers, kept for the next caller. One that is open already is
// preferred, so that a broker that is away does not delay every question.
func (c *Client) any(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	for _, addr := range c.cfg.Brokers {
		if cn := c.conns[addr]; cn != nil {
			c.mu.Unlock()
			return cn, nil
		}
	}
	c.mu.Unlock()
	var errs []error
	for _, addr := range c.cfg.Brokers {
		cn, err := c.to(ctx, addr)
		if err == nil {
			return cn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// to returns the client's shared connection to a broker, for requests that the broker answers at once.
func (c *Client) to(ctx context.Context, addr string) (*conn, error) {
	c.mu.Lock()
	cn, closed := c.conns[addr], c.closed
	c.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if cn != nil {
		return cn, nil
	}
	cn, err := c.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		cn.Close()
		return nil, errClosed
	}
	if other := c.conns[addr]; other != nil {
		cn.Close()
		return other, nil
	}
	c.conns[addr] = cn
	return cn, nil
}

// drop forgets a shared connection that failed.
func (c *Client) drop(cn *conn) {
	c.mu.Lock()
	for addr, x := range c.conns {
		if x == cn {
			delete(c.conns, addr)
		}
	}
	c.mu.Unlock()
	cn.Close()
}

// ask calls f with a shared connection and drops the connection when it broke. A connection that was idle and has died
// in the meantime is replaced once, so that a broker's restart is not every next caller's error.
func (c *Client) ask(ctx context.Context, get func(context.Context) (*conn, error), f func(*conn) error) error {
	for try := 0; ; try++ {
		cn, err := get(ctx)
		if err != nil {
			return err
		}
		err = f(cn)
		if !brokenConnection(err) {
			return err
		}
		c.drop(cn)
		if try > 0 || ctx.Err() != nil || !temporary(err) {
			return err
		}
	}
}

func kafkaBroker(host string, port int32) string {
	return net.JoinHostPort(host, fmt.Sprint(port))
}

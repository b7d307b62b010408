// Package stream is caudal's only way to Kafka: topics and their identity, reading a partition from an offset,
// producing, and consumer groups. No other package imports a Kafka client.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go/sasl"
)

// Config says where Kafka is and how to speak to it. The zero value of every field but Brokers is a default.
type Config struct {
	Brokers  []string    // host:port of at least one broker; the others are found through it
	ClientID string      // how brokers name us in their logs and quotas; default "caudal"
	TLS      *tls.Config // nil: the connection is not encrypted. Without a ServerName the certificate must be the broker's host's
	SASL     SASL

	DialTimeout       time.Duration // per connection; default 5 s
	RequestTimeout    time.Duration // for an answer, beyond what the request asks the broker to wait; default 15 s
	SessionTimeout    time.Duration // after which a silent group member is expelled; default 6 s
	HeartbeatInterval time.Duration // of a group member; a rebalance costs about one; default 500 ms
	FetchBytes        int           // asked for per fetch request; a larger record still passes; default 4 MB
	BatchBytes        int           // of produced records per partition and request, uncompressed; default 900 KB

	// OnError is told of every failure that is being retried, with what was being done. It must not block. May be nil.
	OnError func(error)
	// Dial opens every connection, so that a test can put a faulty network in between. Default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.ClientID == "" {
		c.ClientID = "caudal"
	}
	def(&c.DialTimeout, 5*time.Second)
	def(&c.RequestTimeout, 15*time.Second)
	def(&c.SessionTimeout, 6*time.Second)
	def(&c.HeartbeatInterval, 500*time.Millisecond)
	if c.FetchBytes == 0 {
		c.FetchBytes = 4 << 20
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 900_000
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	return c
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("kafka: no brokers are given")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("kafka: broker %q is not host:port: %w", b, err)
		}
	}
	if _, err := c.SASL.mechanism(); err != nil {
		return err
	}
	if c.SASL.Mechanism == Plain && c.TLS == nil {
		return errors.New("kafka: SASL PLAIN sends the password as it is: turn TLS on, or use SCRAM-SHA-512")
	}
	if c.SASL.Mechanism == MSKIAM && c.TLS == nil {
		return errors.New("kafka: SASL AWS_MSK_IAM over a connection that is not encrypted can be used by whoever hears it: turn TLS on")
	}
	for _, d := range []time.Duration{c.DialTimeout, c.RequestTimeout, c.SessionTimeout, c.HeartbeatInterval} {
		if d < 0 {
			return errors.New("kafka: a time limit is negative")
		}
	}
	if c.SessionTimeout > 0 && c.HeartbeatInterval >= c.SessionTimeout {
		return fmt.Errorf("kafka: heartbeat interval %v is not below the session timeout %v", c.HeartbeatInterval, c.SessionTimeout)
	}
	if c.FetchBytes < 0 || c.BatchBytes < 0 {
		return errors.New("kafka: a size is negative")
	}
	return nil
}

// Client speaks to one Kafka cluster. It is safe for concurrent use.
type Client struct {
	cfg  Config
	sasl sasl.Mechanism // nil: none

	mu     sync.Mutex
	conns  map[string]*conn // by address; shared, for requests that are answered at once
	closed bool
}

var errClosed = errors.New("the kafka client is closed")

// Connect checks the configuration and returns a client. It opens no connection, so no broker needs to be up.
func Connect(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg.withDefaults(), sasl: mechanism, conns: map[string]*conn{}}, nil
}

// Close closes the client's own connections. Readers and producers are closed by those who opened them.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, cn := range c.conns {
		cn.Close()
	}
	clear(c.conns)
	return nil
}

// retry calls f until it succeeds, fails for good, or ctx ends, with growing pauses; Config.OnError sees each failure
// that is tried again. When ctx ends, the error says what went wrong last, too.
func (c *Client) retry(ctx context.Context, f func() error) error {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 20*time.Millisecond, 2*time.Second
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f()
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if err != nil && !temporary(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) { c.cfg.OnError(err) }))
	if err != nil && ctx.Err() != nil && last != nil && !errors.Is(err, last) {
		return fmt.Errorf("%w (last failure: %w)", err, last)
	}
	return err
}

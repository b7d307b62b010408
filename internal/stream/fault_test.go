package stream_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// deaf is a network that loses what brokers say, on every nth large request.
type deaf struct {
	every   int64
	written atomic.Int64
}

func (d *deaf) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &deafConn{Conn: c, d: d}, nil
}

type deafConn struct {
	net.Conn
	d    *deaf
	lost bool
}

func (c *deafConn) Write(b []byte) (int, error) {
	if len(b) > 1000 && c.d.written.Add(1)%c.d.every == 0 {
		c.lost = true
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lost && err == nil {
		c.Conn.Close()
		return 0, errors.New("the network lost the answer")
	}
	return n, err
}

func TestLostAcknowledgementsDoNotMakeDuplicates(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		d := &deaf{every: 3}
		p := f.connect(t, stream.Config{Dial: d.dial}).Producer(f.topic)
		defer p.Close()
		const writes, each = 20, 50
		value := func(i int) string { return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, i))) } // does not compress
		for i := range writes {
			var msgs []stream.Message
			for j := range each {
				msgs = append(msgs, stream.Message{Value: []byte(value(i*each + j))})
			}
			if err := p.Write(f.ctx, msgs); err != nil {
				t.Fatal(err)
			}
		}
		if lost := d.written.Load() / 3; lost < 5 {
			t.Fatalf("only %d answers were lost", lost)
		}
		recs := f.all(t, 0)
		if len(recs) != writes*each {
			t.Fatalf("%d records, want %d", len(recs), writes*each)
		}
		for i, r := range recs {
			if string(r.Value) != value(i) {
				t.Fatalf("record %d is %s", i, r.Value)
			}
		}
	})
}

func TestReaderAndProducerOutliveTheBrokersRestart(t *testing.T) {
	addr, err := testservices.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	cfg := embedded.BrokerConfig{Dir: t.TempDir(), Addr: addr}
	b, err := embedded.StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, b.Addrs())
	f.create(t, 1)
	p := f.c.Producer(f.topic)
	defer p.Close()
	r := f.c.Reader(f.topic, 0, 0)
	defer r.Close()
	const rounds = 3
	for i := range rounds {
		if i > 0 {
			b.Close()
			written := make(chan error, 1)
			go func() { written <- p.Write(f.ctx, []stream.Message{{Value: []byte("while away")}}) }()
			if recs, err := r.Fetch(f.ctx, 10, 100*time.Millisecond, nil); err != nil || len(recs) > 0 {
				t.Fatalf("broker away: %d records, %v", len(recs), err)
			}
			if b, err = embedded.StartBroker(cfg); err != nil {
				t.Fatal(err)
			}
			if err := <-written; err != nil {
				t.Fatal(err)
			}
		} else if err := p.Write(f.ctx, []stream.Message{{Value: []byte("first")}}); err != nil {
			t.Fatal(err)
		}
		recs, err := readTo(f.ctx, r, int64(i+1), 10)
		if err != nil || len(recs) != 1 || recs[0].Offset != int64(i) {
			t.Fatalf("round %d: %v, %v", i, recs, err)
		}
	}
	b.Close()
}

func TestWriteEndsWithItsContextWhileBrokersAreAway(t *testing.T) {
	b, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, b.Addrs())
	f.create(t, 1)
	p := f.c.Producer(f.topic)
	if err := p.Write(f.ctx, make([]stream.Message, 1)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	ctx, cancel := context.WithTimeout(f.ctx, 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := p.Write(ctx, make([]stream.Message, 1)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("Close hangs")
	}
	if err := p.Write(f.ctx, make([]stream.Message, 1)); err == nil {
		t.Fatal("a closed producer writes")
	}
}

func TestNothingAcknowledgedIsLostOrDoubledWhenKafkaIsKilled(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("CAUDAL_TEST_FAULTS") == "" {
		t.Skip("SKIP kill -9 of a real Kafka: it takes half a minute; CAUDAL_TEST_FAULTS=1 runs it")
	}
	k, err := testservices.StartKafka()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Stop()
	f := newFixture(t, k.Brokers())
	f.create(t, 2)
	p := f.c.Producer(f.topic)
	defer p.Close()
	stop := make(chan struct{})
	written := make(chan error, 1)
	progress := make(chan struct{})
	await := func(writes int) {
		for range writes {
			select {
			case <-progress:
			case <-f.ctx.Done():
				t.Fatal(f.ctx.Err())
			}
		}
	}
	n := 0
	go func() {
		for {
			select {
			case <-stop:
				written <- nil
				return
			default:
			}
			select {
			case progress <- struct{}{}:
			default:
			}
			var msgs []stream.Message
			for range 100 {
				msgs = append(msgs, stream.Message{Key: fmt.Append(nil, n), Value: fmt.Append(nil, n)})
				n++
			}
			if err := p.Write(f.ctx, msgs); err != nil {
				written <- err
				return
			}
		}
	}()
	await(20)
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := k.Restart(); err != nil {
		t.Fatal(err)
	}
	await(20)
	close(stop)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for part := range 2 {
		for _, r := range f.all(t, part) {
			seen[string(r.Value)]++
		}
	}
	if len(seen) != n {
		t.Errorf("%d different records, want %d", len(seen), n)
	}
	for v, times := range seen {
		if times != 1 {
			t.Errorf("record %s is there %d times", v, times)
		}
	}
	t.Logf("%d records written over a kill -9", n)
}

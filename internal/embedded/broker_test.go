package embedded

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
)

func connect(t *testing.T, addrs []string) *stream.Client {
	t.Helper()
	c, err := stream.Connect(stream.Config{Brokers: addrs, OnError: func(err error) { t.Log("retried:", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSmoke(t *testing.T) {
	b, err := StartBroker(BrokerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := connect(t, b.Addrs())
	if err := c.EnsureTopic(ctx, "x", 3); err != nil {
		t.Fatal(err)
	}
	tp, err := c.Topic(ctx, "x")
	t.Log(tp, err)
	p := c.Producer("x")
	var ms []stream.Message
	for i := range 10000 {
		ms = append(ms, stream.Message{Key: fmt.Append(nil, i), Value: fmt.Append(nil, "value ", i), Timestamp: int64(i) * 1000})
	}
	t0 := time.Now()
	if err := p.Write(ctx, ms); err != nil {
		t.Fatal(err)
	}
	t.Log("wrote", time.Since(t0))
	for i := range 3 {
		f, n, err := c.Bounds(ctx, "x", i)
		t.Log(f, n, err)
		o, err := c.OffsetAt(ctx, "x", i, 5000*1000)
		t.Log(o, err)
		r := c.Reader("x", i, 0)
		rs, err := r.Fetch(ctx, 100000, 100*time.Millisecond, nil)
		t.Log(len(rs), r.Offset(), err, string(rs[len(rs)-1].Value), rs[o].Timestamp)
		r.Close()
	}
	_, err = c.Reader("x", 0, 1e6).Fetch(ctx, 1, time.Second, nil)
	t.Log(err)
}

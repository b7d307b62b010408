package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

func connect(t *testing.T, addrs ...string) *stream.Client {
	t.Helper()
	c, err := stream.Connect(stream.Config{Brokers: addrs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, cfg BrokerConfig) *Broker {
	t.Helper()
	b, err := StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestMain lets the test binary be a broker that TestAcknowledgedRecordsSurviveKill can kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CAUDAL_EMBEDDED_CHILD"); dir != "" {
		b, err := StartBroker(BrokerConfig{Dir: dir, Addr: os.Getenv("CAUDAL_EMBEDDED_ADDR")})
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		fmt.Println("ready:", b.Addrs()[0])
		select {}
	}
	os.Exit(m.Run())
}

// child is a broker in a process of its own.
func child(t *testing.T, dir, addr string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CAUDAL_EMBEDDED_CHILD="+dir, "CAUDAL_EMBEDDED_ADDR="+addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready: "+addr) {
		t.Fatalf("the broker says %q (%v)", line, err)
	}
	return kill
}

func TestAcknowledgedRecordsSurviveKill(t *testing.T) {
	ctx, dir := deadline(t), t.TempDir()
	addr, err := testservices.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	kill := child(t, dir, addr)
	c := connect(t, addr)
	if err := c.EnsureTopic(ctx, "orders", 2); err != nil {
		t.Fatal(err)
	}
	before, err := c.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	err = c.RunGroup(ctx, "g", []string{"orders"}, func(ctx context.Context, a stream.Assignment) error {
		return stream.Permanent(errors.Join(errors.New("done"), a.Commit(ctx, map[string]map[int]int64{"orders": {0: 7}})))
	})
	if err == nil || err.Error() != "done" {
		t.Fatal(err)
	}

	// Write without pause, and kill in the middle of it.
	const killAt = 300
	p := c.Producer("orders")
	defer p.Close()
	acked, killed := make(chan int), make(chan struct{})
	stop, cancel := context.WithCancel(ctx)
	go func() {
		n := 0
		for {
			msg := stream.Message{Key: fmt.Append(nil, n), Value: []byte(strings.Repeat(strconv.Itoa(n)+" ", 20)), Timestamp: 1_700_000_000_000_000 + int64(n)*1000}
			if p.Write(stop, []stream.Message{msg}) != nil {
				acked <- n
				return
			}
			if n++; n == killAt {
				go func() { kill(); close(killed) }()
			}
		}
	}()
	select {
	case <-killed:
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
	cancel()
	n := <-acked
	if n < killAt {
		t.Fatalf("only %d records were acknowledged", n)
	}

	child(t, dir, addr)
	after, err := c.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the topic is %+v now, was %+v", after, before)
	}
	if next, err := c.Committed(ctx, "g", "orders"); err != nil || next[0] != 7 {
		t.Errorf("committed %v (%v), want 7", next, err)
	}
	seen := map[string]int{}
	for part := range 2 {
		_, next, err := c.Bounds(ctx, "orders", part)
		if err != nil {
			t.Fatal(err)
		}
		r := c.Reader("orders", part, 0)
		for r.Offset() < next {
			recs, err := r.Fetch(ctx, 1000, 100*time.Millisecond, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				seen[string(rec.Key)]++
			}
		}
		r.Close()
		// Its index by time is the same as well.
		at, err := c.OffsetAt(ctx, "orders", part, 1_700_000_000_000_000+killAt/2*1000)
		if err != nil || at == 0 || at >= next {
			t.Errorf("partition %d: offset by time %d of %d, %v", part, at, next, err)
		}
	}
	for i := range n {
		if seen[strconv.Itoa(i)] != 1 {
			t.Errorf("acknowledged record %d is there %d times", i, seen[strconv.Itoa(i)])
		}
	}
	if extra := len(seen) - n; extra < 0 || extra > 1 { // the one whose acknowledgement the kill swallowed
		t.Errorf("%d records were acknowledged, %d are there", n, len(seen))
	}
}

func TestFolderServesOneBrokerAtATime(t *testing.T) {
	dir := t.TempDir()
	b := start(t, BrokerConfig{Dir: dir})
	_, err := StartBroker(BrokerConfig{Dir: dir})
	if !errors.Is(err, ErrDirInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("a second broker: %v", err)
	}
	b.Close()
	start(t, BrokerConfig{Dir: dir})
}

func TestRecordsOfFiveMegabytesPassAndThoseBeyondSixteenDoNot(t *testing.T) {
	ctx := deadline(t)
	c := connect(t, start(t, BrokerConfig{Dir: t.TempDir()}).Addrs()...)
	if err := c.EnsureTopic(ctx, "big", 1); err != nil {
		t.Fatal(err)
	}
	p := c.Producer("big")
	defer p.Close()
	noise := make([]byte, 17<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	if err := p.Write(ctx, []stream.Message{{Value: noise[:15<<20]}}); err != nil {
		t.Error(err)
	}
	if err := p.Write(ctx, []stream.Message{{Value: noise}}); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("17 MB: %v", err)
	}
}

func TestMemoryBrokersAreDifferentClusters(t *testing.T) {
	ids := map[string]bool{}
	for range 2 {
		c := connect(t, start(t, BrokerConfig{}).Addrs()...)
		if err := c.EnsureTopic(deadline(t), "x", 1); err != nil {
			t.Fatal(err)
		}
		topic, err := c.Topic(deadline(t), "x")
		if err != nil {
			t.Fatal(err)
		}
		ids[topic.ClusterID] = true
	}
	if len(ids) != 2 {
		t.Fatal("two brokers pass for one cluster")
	}
}

func TestBadAddressIsRefused(t *testing.T) {
	for _, addr := range []string{"nowhere", "127.0.0.1:http"} {
		if b, err := StartBroker(BrokerConfig{Addr: addr}); err == nil {
			b.Close()
			t.Errorf("%q was accepted", addr)
		}
	}
	taken := start(t, BrokerConfig{})
	dir := t.TempDir()
	if b, err := StartBroker(BrokerConfig{Dir: dir, Addr: taken.Addrs()[0]}); err == nil {
		b.Close()
		t.Error("two brokers on one port")
	}
	start(t, BrokerConfig{Dir: dir}) // the failed start has given the folder back
}

func TestRedisStartsAnswersAndForgets(t *testing.T) {
	r, err := StartRedis("")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ask := func(cmd string) string {
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		words := strings.Fields(cmd)
		fmt.Fprintf(c, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(w), w)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	if got := ask("SET a 1"); got != "+OK" {
		t.Fatal(got)
	}
	r.FlushAll()
	if got := ask("GET a"); got != "$-1" {
		t.Fatal(got)
	}
	if other, err := StartRedis(r.Addr()); err == nil {
		other.Close()
		t.Error("two on one port")
	}
}

package live

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
)

// eachServer runs a test against the embedded Redis, a real one, and a real one in cluster mode.
func eachServer(t *testing.T, test func(t *testing.T, r *Redis)) {
	t.Run("embedded", func(t *testing.T) {
		s, err := embedded.StartRedis("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		test(t, connect(t, Config{Addrs: []string{s.Addr()}}))
	})
	t.Run("redis", func(t *testing.T) { test(t, connect(t, Config{Addrs: []string{realServer(t, false)}})) })
	t.Run("cluster", func(t *testing.T) { test(t, connect(t, Config{Addrs: []string{realServer(t, true)}, Cluster: true})) })
}

func connect(t *testing.T, c Config) *Redis {
	t.Helper()
	r, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.client.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return r
}

// running are the real servers of this test process: starting one costs more than a test.
var running struct {
	sync.Mutex
	addrs map[bool]string
	stops []func()
}

func TestMain(m *testing.M) {
	m.Run()
	for _, stop := range running.stops {
		stop()
	}
}

func realServer(t *testing.T, cluster bool) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	running.Lock()
	defer running.Unlock()
	if addr, ok := running.addrs[cluster]; ok {
		return addr
	}
	addr, stop := startServer(t, path, cluster)
	if running.addrs == nil {
		running.addrs = map[bool]string{}
	}
	running.addrs[cluster] = addr
	running.stops = append(running.stops, stop)
	return addr
}

func startServer(t *testing.T, path string, cluster bool) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	args := []string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}
	if cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", t.TempDir()+"/nodes.conf", "--cluster-port", fmt.Sprint(port-10000+5000))
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	single, err := Connect(Config{Addrs: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	assigned := !cluster
	for {
		if !assigned {
			assigned = single.client.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err() == nil
		}
		if assigned && single.client.Set(ctx, "ready", "1", 0).Err() == nil {
			return addr, stop
		}
		select {
		case <-ctx.Done():
			stop()
			t.Fatalf("redis-server at %s does not answer", addr)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

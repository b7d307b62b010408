package live

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/testservices"
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
	t.Run("redis", func(t *testing.T) { test(t, realRedis(t)) })
	t.Run("cluster", func(t *testing.T) { test(t, connect(t, Config{Addrs: []string{clusterNode(t)}, Cluster: true})) })
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

// The real servers are this test binary's own: tests empty them and change their settings.
var (
	ownRedis   = sync.OnceValues(testservices.StartRedis)
	ownCluster = sync.OnceValues(startClusterNode)
)

func realRedis(t *testing.T) *Redis {
	t.Helper()
	s, err := ownRedis()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	return connect(t, Config{Addrs: []string{s.Addr()}})
}

func clusterNode(t *testing.T) string {
	t.Helper()
	addr, err := ownCluster()
	if err != nil {
		testservices.Missing(t, "real Redis", err)
	}
	return addr
}

func TestMain(m *testing.M) {
	code := m.Run()
	if clusterProcess != nil {
		clusterProcess.Kill()
	}
	os.Exit(code)
}

// clusterProcess is the cluster's node, if one was started.
var clusterProcess *os.Process

// startClusterNode starts a cluster of one node that has all slots.
func startClusterNode() (addr string, err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "caudal-cluster-")
	if err != nil {
		return "", err
	}
	bus := port - 5000
	if bus < 1024 {
		bus = port + 5000
	}
	cmd := exec.Command(path, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", fmt.Sprint(bus))
	if err := cmd.Start(); err != nil {
		return "", err
	}
	clusterProcess = cmd.Process
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	single, err := Connect(Config{Addrs: []string{addr}})
	if err != nil {
		return "", err
	}
	defer single.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for assigned := false; ; {
		if !assigned {
			assigned = single.client.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err() == nil
		}
		if assigned && single.client.Set(ctx, "ready", "1", 0).Err() == nil {
			return addr, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("redis-server at %s does not answer", addr)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

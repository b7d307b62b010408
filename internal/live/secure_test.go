package live

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

func TestARedisThatAsksForTLSAndAPasswordIsServedWithFewRights(t *testing.T) {
	server := testservices.RedisWithPassword(t)
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(server.CA)
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("no authority in %s: %v", server.CA, err)
	}
	config := Config{Addrs: []string{server.Addr}, Username: server.Username, Password: server.Password,
		TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, Timeout: 5 * time.Second}
	r, err := Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := take(t, r, 0, "owner", "life")
	flushed(t, r, step(m, 5, write(minute(0, 1), true, "cell", "state")))
	if off, _, ok, err := r.Cut(t.Context(), group); off != 5 || !ok || err != nil {
		t.Errorf("cut at %d, %v, %v", off, ok, err)
	}
	reply, err := r.Read(t.Context(), group, ReadRequest{V: 0, Grain: "1m", MinChunk: 0, MaxChunk: 9})
	if err != nil || len(reply.Chunks) != 1 {
		t.Errorf("read %+v, %v", reply, err)
	}
	if weights, err := r.Weigh(t.Context(), []Group{group}); err != nil || weights[0] == 0 {
		t.Errorf("weighs %v, %v", weights, err)
	}
	if _, ok, err := r.Drop(t.Context(), group, 5, 5); !ok || err != nil {
		t.Errorf("drop: %v, %v", ok, err)
	}

	for name, spoil := range map[string]func(*Config){
		"wrong password":    func(c *Config) { c.Password = "open-barley" },
		"unknown authority": func(c *Config) { c.TLS = &tls.Config{} },
		"no TLS":            func(c *Config) { c.TLS = nil },
	} {
		bad := config
		spoil(&bad)
		stranger, err := Connect(bad)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = stranger.Check(ctx)
		cancel()
		if err == nil || strings.Contains(err.Error(), bad.Password) {
			t.Errorf("%s: %v", name, err)
		}
		if err := stranger.Close(); err != nil {
			t.Error(err)
		}
	}
}

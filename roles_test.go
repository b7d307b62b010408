package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// TestEachRoleRunsAsAProcessOfItsOwnOnRealServices is production: the roles apart, cron's batch run beside them, queries by anybody.
func TestEachRoleRunsAsAProcessOfItsOwnOnRealServices(t *testing.T) {
	brokers, redis, s3 := testservices.Kafka(t), testservices.Redis(t), testservices.S3(t)
	t.Setenv("TEST_SECRET_KEY", s3.SecretKey)
	name := projectName(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "caudal.yaml"), strings.NewReplacer("project: shop", "project: "+name+`
kafka: {brokers: ["`+strings.Join(brokers, `", "`)+`"]}
redis: {addrs: ["`+redis+`"]}
lake: {url: "s3://`+s3.Bucket+"/"+name+`", endpoint: "`+s3.Endpoint+`", region: "`+s3.Region+`", access_key: "`+s3.AccessKey+`", secret_key: "${TEST_SECRET_KEY}", path_style: true}
`, "  orders:", "  orders:\n    topic: "+name).Replace(shopProject))
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	write(t, filepath.Join(dir, "orders.csv"), shopOrders)

	d := &devProcess{t: t, dir: dir}
	d.must("produce", "orders", filepath.Join(dir, "orders.csv"))
	for _, role := range []string{"speed", "archive", "serve"} {
		c := caudal(t, "run", role, "--project", dir, "--http", "127.0.0.1:0")
		log, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		url := listening(t, log)
		t.Cleanup(func() {
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("caudal run %s does not stop cleanly: %v", role, err)
			}
		})
		awaitOK(t, url+"/readyz")
		for _, path := range []string{"/livez", "/metrics"} {
			awaitOK(t, url+path)
		}
	}
	ask := []string{"--measures", "revenue,lines", "--dimensions", "country", "--grain", "1d", "--order", "country"}
	const answer = "time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,%,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,%,exact\n"
	d.awaitQuery(strings.ReplaceAll(answer, "%", "speed"), ask...)
	d.must("batch", "run")
	d.awaitQuery(strings.ReplaceAll(answer, "%", "batch"), ask...)
	if out := d.must("erase", "--source", "orders", "--where", "invoice = 'B'"); !strings.Contains(out, "2 events") || !strings.Contains(out, "found 0 of the records") {
		t.Errorf("erase: %s", out)
	}
	d.awaitQuery(strings.ReplaceAll(answer[:strings.Index(answer, "2026-01-01T00:00:00Z,Spain")], "%", "batch"), ask...)
	if out := d.must("status"); strings.Contains(out, s3.SecretKey) {
		t.Error("status prints the secret key")
	}
}

// listening returns the address that a role says it listens on, and lets the rest of its log go.
func listening(t *testing.T, log io.Reader) string {
	t.Helper()
	buf := make([]byte, 0, 4096)
	for {
		if _, rest, ok := strings.Cut(string(buf), "listening on "); ok {
			if url, _, ok := strings.Cut(rest, "\n"); ok {
				go func() { _, _ = io.Copy(io.Discard, log) }() // until the process ends
				return url
			}
		}
		n, err := log.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil || len(buf) == cap(buf) {
			t.Fatalf("the role does not say where it listens: %v\n%s", err, buf)
		}
	}
}

// awaitOK asks until the answer is 200.
func awaitOK(t *testing.T, url string) {
	t.Helper()
	status := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode == http.StatusOK {
			return
		}
		status = response.Status
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s answers %s", url, status)
}

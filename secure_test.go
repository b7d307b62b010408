package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// TestSecretsComeFromFilesAndAreNeverPrinted runs a project on services that ask for TLS and passwords, which stand in files.
func TestSecretsComeFromFilesAndAreNeverPrinted(t *testing.T) {
	kafka, redis := testservices.KafkaWithPassword(t), testservices.RedisWithPassword(t)
	name := projectName(t)
	dir := t.TempDir()
	for variable, secret := range map[string]string{"TEST_KAFKA_PASSWORD": kafka.Password, "TEST_REDIS_PASSWORD": redis.Password} {
		file := filepath.Join(t.TempDir(), "secret")
		write(t, file, secret+"\n")
		t.Setenv(variable+"_FILE", file)
	}
	write(t, filepath.Join(dir, "caudal.yaml"), strings.NewReplacer("project: shop", "project: "+name+`
kafka:
  brokers: ["`+kafka.Secure+`"]
  tls: {ca: "`+kafka.CA+`"}
  sasl: {mechanism: SCRAM-SHA-512, username: `+kafka.Username+`, password: "${TEST_KAFKA_PASSWORD}"}
redis: {addrs: ["`+redis.Addr+`"], username: `+redis.Username+`, password: "${TEST_REDIS_PASSWORD}", tls: {ca: "`+redis.CA+`"}}
`, "  orders:", "  orders:\n    topic: "+name).Replace(shopProject))
	write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
	write(t, filepath.Join(dir, "orders.csv"), shopOrders)

	d := &devProcess{t: t, dir: dir}
	d.must("produce", "orders", filepath.Join(dir, "orders.csv"))
	c := caudal(t, "run", "all", "--project", dir, "--http", "127.0.0.1:0", "--sql", "", "--log-level", "debug", "--log-format", "json")
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ask := []string{"--measures", "revenue,lines", "--dimensions", "country", "--grain", "1d", "--order", "country"}
	d.awaitQuery("time,country,revenue,lines,source,exactness\n2026-01-01T00:00:00Z,France,12.50,2,speed,exact\n2026-01-01T00:00:00Z,Spain,7.25,1,speed,exact\n", ask...)
	printed := d.must("batch", "run") + d.must("status") + d.must("status", "-o", "json") + d.must("lint", "-o", "json") + d.must("doctor", "-o", "json", "--log-level", "debug")
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if printed += log.String(); strings.Contains(printed, kafka.Password) || strings.Contains(printed, redis.Password) {
		t.Errorf("a secret is printed:\n%s", printed)
	}
	if !strings.Contains(log.String(), `"level":"DEBUG"`) {
		t.Errorf("the role does not log all that it might:\n%s", log.String())
	}

	t.Setenv("TEST_KAFKA_PASSWORD", "open-barley") // wins over the file
	out, err := caudal(t, "status", "--project", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SCRAM-SHA-512") || strings.Contains(string(out), "open-barley") {
		t.Errorf("with a wrong password, status says %q, %v", out, err)
	}
	t.Setenv("TEST_REDIS_PASSWORD_FILE", filepath.Join(dir, "none"))
	out, err = caudal(t, "status", "--project", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "TEST_REDIS_PASSWORD_FILE") {
		t.Errorf("with a file that is not there, status says %q, %v", out, err)
	}
}

package testservices

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The services that the tests of one binary share: each is started when the first test asks for it and dies with the
// binary. Topics, keys and prefixes keep the tests apart.
var (
	sharedKafka = sync.OnceValues(StartKafka)
	sharedRedis = sync.OnceValues(StartRedis)
	sharedS3    = sync.OnceValues(StartS3)
	sharedTrino = sync.OnceValues(startTrinoOverS3)

	sharedKafkas      = sync.OnceValues(func() (*KafkaCluster, error) { return StartKafkaCluster(3) })
	sharedSecureKafka = sync.OnceValues(StartSecureKafka)
	sharedSecureRedis = sync.OnceValues(StartSecureRedis)
)

// Kafka returns the addresses of a real Apache Kafka. CAUDAL_TEST_KAFKA=host:port[,host:port] names one that is there
// already. A machine that has none skips the test, loudly; under CI=true it fails.
func Kafka(tb testing.TB) []string {
	tb.Helper()
	if s := os.Getenv("CAUDAL_TEST_KAFKA"); s != "" {
		return strings.Split(s, ",")
	}
	k, err := sharedKafka()
	if err != nil {
		Missing(tb, "real Kafka", err)
	}
	return k.Brokers()
}

// ThreeKafkas returns a real Apache Kafka of three nodes, every topic of which is on all of them. Whoever takes a node away brings it back. It
// takes some 20 s to start. A machine that has none skips the test, loudly; under CI=true it fails.
func ThreeKafkas(tb testing.TB) *KafkaCluster {
	tb.Helper()
	c, err := sharedKafkas()
	if err != nil {
		Missing(tb, "real Kafka of three nodes", err)
	}
	return c
}

// Redis returns the address of a real Redis with noeviction. CAUDAL_TEST_REDIS=host:port names one that is there
// already. A machine that has none skips the test, loudly; under CI=true it fails.
func Redis(tb testing.TB) string {
	tb.Helper()
	if s := os.Getenv("CAUDAL_TEST_REDIS"); s != "" {
		return s
	}
	r, err := sharedRedis()
	if err != nil {
		Missing(tb, "real Redis", err)
	}
	return r.Addr()
}

// S3 returns a bucket of a real S3 server. CAUDAL_TEST_S3_ENDPOINT, _BUCKET, _ACCESS_KEY, _SECRET_KEY and _REGION name
// one that is there already. A machine that has none skips the test, loudly; under CI=true it fails.
func S3(tb testing.TB) S3Server {
	tb.Helper()
	if s := os.Getenv("CAUDAL_TEST_S3_ENDPOINT"); s != "" {
		return S3Server{
			Endpoint:  s,
			Bucket:    os.Getenv("CAUDAL_TEST_S3_BUCKET"),
			AccessKey: os.Getenv("CAUDAL_TEST_S3_ACCESS_KEY"),
			SecretKey: os.Getenv("CAUDAL_TEST_S3_SECRET_KEY"),
			Region:    os.Getenv("CAUDAL_TEST_S3_REGION"),
		}
	}
	g, err := sharedS3()
	if err != nil {
		Missing(tb, "real S3", err)
	}
	return g.S3Server
}

// Trino returns a real Trino that reads folders of this machine, and the bucket of S3. A machine that has none skips the test, loudly; under
// CI=true it fails.
func Trino(tb testing.TB) *TrinoServer {
	tb.Helper()
	s, err := sharedTrino()
	if err != nil {
		Missing(tb, "real Trino", err)
	}
	return s
}

// startTrinoOverS3 starts a Trino that knows the shared bucket, where there is one.
func startTrinoOverS3() (*TrinoServer, error) {
	if g, err := sharedS3(); err == nil {
		return StartTrino(&g.S3Server)
	}
	return StartTrino(nil)
}

// KafkaWithPassword returns a real Kafka that asks for TLS and a password. A machine that has none skips the test, loudly; under CI=true
// it fails.
func KafkaWithPassword(tb testing.TB) *SecureKafka {
	tb.Helper()
	k, err := sharedSecureKafka()
	if err != nil {
		Missing(tb, "real Kafka with TLS", err)
	}
	return k
}

// RedisWithPassword returns a real Redis that asks for TLS, a user and a password. A machine that has none skips the test, loudly; under
// CI=true it fails.
func RedisWithPassword(tb testing.TB) *SecureRedis {
	tb.Helper()
	r, err := sharedSecureRedis()
	if err != nil {
		Missing(tb, "real Redis with TLS", err)
	}
	return r
}

// Missing ends a test that cannot have its service. `go test` hides the reasons of skips, so they are noted in .services/skipped, which
// `make test` prints at its end.
func Missing(tb testing.TB, what string, err error) {
	tb.Helper()
	end(tb, what, err, note)
}

func end(tb testing.TB, what string, err error, note func(line string) error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s: %v", what, err)
		return
	}
	line := fmt.Sprintf("SKIP %s: %s: %v (make services installs it)", tb.Name(), what, err)
	if err := note(line); err != nil {
		tb.Fatalf("%s; and this cannot be noted: %v", line, err)
	}
	tb.Skip(line)
}

func note(line string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, ".services"), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(root, ".services", "skipped"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, line)
	return errors.Join(err, file.Close())
}

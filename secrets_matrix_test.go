package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/testservices"
)

// Secrets that must not be seen. Each is in the environment of every process of the matrix.
var canaries = map[string]string{
	"CANARY_KAFKA": "canary-of-kafka", "CANARY_REDIS": "canary-of-redis", "CANARY_S3": "canary-of-s3", "CANARY_HOOK": "canary-of-the-hook", "CANARY_URL": "canary-of-the-url",
	"CAUDAL_TOKEN": "canary-of-the-token", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary-of-the-collector",
	"CANARY_QUOTED": `canary-with-a-quote": [`, "CANARY_LINES": "canary-with\n  lines: {",
}

// TestNoSecretIsShownByWhatFails breaks every connection that has a secret, one after the other: refused by the real service, not reachable, or in a definition that cannot be read. Whatever is
// printed, logged at level debug, answered and exported then, by every command that meets it, holds none of the secrets.
func TestNoSecretIsShownByWhatFails(t *testing.T) {
	long(t)
	kafka, redis, s3 := testservices.KafkaWithPassword(t), testservices.RedisWithPassword(t), testservices.S3(t)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, "you said %s %s", r.Header.Get("Authorization"), r.URL) // as some services do
	}))
	t.Cleanup(refuses.Close)
	for name, secret := range canaries {
		t.Setenv(name, secret)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refuses.URL)
	goodKafka := fmt.Sprintf(`kafka: {brokers: ["%s"], tls: {ca: "%s"}, sasl: {mechanism: SCRAM-SHA-512, username: %s, password: %s}}`, kafka.Secure, kafka.CA, kafka.Username, kafka.Password)
	goodRedis := fmt.Sprintf(`redis: {addrs: ["%s"], username: %s, password: %s, tls: {ca: "%s"}}`, redis.Addr, redis.Username, redis.Password, redis.CA)
	goodLake := fmt.Sprintf(`lake: {url: "s3://%s/%s", endpoint: "%s", region: %s, path_style: true, access_key: %s, secret_key: %s}`, s3.Bucket, "matrix", s3.Endpoint, s3.Region, s3.AccessKey, s3.SecretKey)
	for _, c := range []struct{ name, kafka, redis, lake, more string }{
		{name: "Kafka refuses the password", kafka: strings.Replace(goodKafka, "password: "+kafka.Password, `password: "${CANARY_KAFKA}"`, 1)},
		{name: "Kafka is away", kafka: `kafka: {brokers: ["127.0.0.1:1"], tls: true, sasl: {mechanism: PLAIN, username: a, password: "${CANARY_KAFKA}"}}`},
		{name: "Kafka's mechanism does not exist", kafka: `kafka: {brokers: ["127.0.0.1:1"], sasl: {mechanism: MAGIC, username: a, password: "${CANARY_KAFKA}"}}`},
		{name: "Redis refuses the password", redis: strings.Replace(goodRedis, "password: "+redis.Password, `password: "${CANARY_REDIS}"`, 1)},
		{name: "Redis is away", redis: `redis: {addrs: ["127.0.0.1:1"], username: a, password: "${CANARY_REDIS}"}`},
		{name: "S3 refuses the key", lake: strings.Replace(goodLake, "secret_key: "+s3.SecretKey, `secret_key: "${CANARY_S3}"`, 1)},
		{name: "S3 is away", lake: `lake: {url: "s3://none/none", endpoint: "http://127.0.0.1:1", access_key: a, secret_key: "${CANARY_S3}"}`},
		{name: "a webhook refuses", more: fmt.Sprintf("sinks: {ops: {webhook: '%s/${CANARY_URL}', secret: '${CANARY_HOOK}'}}\n", refuses.URL)},
		{name: "a webhook is away", more: "sinks: {ops: {webhook: 'http://127.0.0.1:1/${CANARY_URL}', secret: '${CANARY_HOOK}'}}\n"},
		{name: "Slack refuses", more: fmt.Sprintf("sinks: {ops: {slack: '%s/${CANARY_URL}'}}\n", refuses.URL)},
		{name: "a definition with a quote in its secret", kafka: `kafka: {brokers: ["127.0.0.1:1"], sasl: {mechanism: PLAIN, username: a, password: "${CANARY_QUOTED}"}}`},
		{name: "a definition with lines in its secret", kafka: `kafka: {brokers: ["127.0.0.1:1"], sasl: {mechanism: PLAIN, username: a, password: ${CANARY_LINES}}}`},
		{name: "a secret where a number stands", more: "speed: {live_cells: \"${CANARY_S3}\"}\n"},
		{name: "a secret where a name is looked for", redis: `redis: {addrs: ["127.0.0.1:1"], passwort: "${CANARY_REDIS}"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, name := t.TempDir(), projectName(t)
			or := func(text, good string) string {
				if text == "" {
					return good
				}
				return text
			}
			config := or(c.kafka, goodKafka) + "\n" + or(c.redis, goodRedis) + "\n" + or(c.lake, goodLake) + "\n" + c.more
			write(t, filepath.Join(dir, "caudal.yaml"), strings.NewReplacer("project: shop", "project: "+name+"\n"+config, "  orders:", "  orders:\n    topic: "+name).Replace(shopProject))
			write(t, filepath.Join(dir, "views", "sales.yaml"), shopView)
			write(t, filepath.Join(dir, "orders.csv"), shopOrders)
			if strings.Contains(c.more, "sinks") {
				write(t, filepath.Join(dir, "alerts", "any.yaml"), "alert: any\nview: sales\nwhen: \"lines > 0\"\nlook_back: 3000d\nto: [ops]\n")
			}
			said := everythingSaid(t, dir)
			if strings.Contains(c.more, "sinks") && !regexp.MustCompile(`caudal_watch_failures_total\{sink="ops"\} [1-9]`).MatchString(said["/metrics"]) {
				t.Errorf("no sink has failed:\n%s", said["/metrics"])
			}
			for what, text := range said {
				for _, secret := range canaries {
					for _, word := range []string{secret, strings.TrimPrefix(secret, "authorization=")} {
						if strings.Contains(text, word) || strings.Contains(text, strings.SplitN(word, "\n", 2)[0]) {
							t.Errorf("%s shows %q:\n%s", what, word, text)
						}
					}
				}
			}
		})
	}
}

// everythingSaid is all that the commands print and log over a project, and what a process of all roles answers to those who look after it.
func everythingSaid(t *testing.T, dir string) map[string]string {
	said := map[string]string{}
	for _, args := range [][]string{
		{"produce", "orders", filepath.Join(dir, "orders.csv")}, {"lint"}, {"lint", "-o", "json"}, {"doctor"}, {"doctor", "-o", "json"}, {"status", "-o", "json"}, {"query", "sales", "--measures", "lines"},
	} {
		c := caudal(t, append(args, "--project", dir, "--log-level", "debug")...)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		patience := time.AfterFunc(15*time.Second, func() { _ = c.Process.Signal(os.Interrupt) })
		_ = c.Wait() // most of them fail
		patience.Stop()
		said[strings.Join(args, " ")] = out.String()
	}
	c := caudal(t, "run", "all", "--project", dir, "--http", "127.0.0.1:0", "--sql", "", "--notice", "0s", "--log-level", "debug", "--log-format", "json")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	url := ""
	for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, ok := strings.Cut(string(text), "listening on "); ok && url == "" {
			url, _, _ = strings.Cut(rest, "\n")
		}
	}
	for _, path := range []string{"/metrics", "/readyz", "/v1/status", "/v1/alerts", "/v1/views/sales/query"} {
		if url == "" {
			break
		}
		answer, err := http.Get(url + path)
		if err != nil {
			continue // it has ended by itself
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		said[path] = string(text)
	}
	_ = c.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = c.Process.Kill()
		<-ended
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	said["the log of all roles"] = string(text)
	return said
}

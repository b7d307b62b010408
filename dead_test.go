package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

const deadProject = `
project: dead
sources:
  orders:
    partitions: 2
    event_time: {field: at, format: rfc3339}
    event_id: id
    fields:
      id: string
      at: timestamp
      amount: decimal(6,2)
      note: string?
`

const deadView = `
view: totals
source: orders
grains: [1d]
measures:
  - {name: amount, agg: sum, expr: amount, type: "decimal(18,2)"}
  - {name: lines, agg: count}
`

// broken are records that cannot be read, and why.
var broken = []struct{ reason, raw string }{
	{"broken_json", `{"id": "x1", "at": `},
	{"wrong_type", `{"id": 7, "at": "2026-01-01T00:00:00Z", "amount": 1}`},
	{"missing_field", `{"id": "x3", "at": "2026-01-01T00:00:00Z"}`},
	{"unparsable_event_time", `{"id": "x4", "at": "yesterday", "amount": 1}`},
	{"missing_event_time", `{"id": "x5", "amount": 1}`},
	{"out_of_range", `{"id": "x6", "at": "2026-01-01T00:00:00Z", "amount": 123456.78}`},
	{"invalid_utf8", "{\"id\": \"x7\xff\", \"at\": \"2026-01-01T00:00:00Z\", \"amount\": 1}"},
	{"too_large", `{"id": "x8", "at": "2026-01-01T00:00:00Z", "amount": 1, "note": "` + strings.Repeat("n", 5<<20) + `"}`},
	{"empty", ""},
}

func TestEveryRecordIsAnEventADuplicateOrADeadLetterWithItsBytes(t *testing.T) {
	t.Parallel()
	for _, world := range []struct {
		name  string
		kafka func(t *testing.T) []string
		redis func(t *testing.T) string
	}{
		{name: "embedded", kafka: embeddedKafka, redis: embeddedRedis},
		{name: "real Kafka and Redis", kafka: func(t *testing.T) []string { return testservices.Kafka(t) }, redis: func(t *testing.T) string { return testservices.Redis(t) }},
	} {
		t.Run(world.name, func(t *testing.T) { accountForBroken(t, world.kafka(t), world.redis(t)) })
	}
}

func embeddedKafka(t *testing.T) []string {
	b, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.Addrs()
}

func embeddedRedis(t *testing.T) string {
	r, err := embedded.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r.Addr()
}

func accountForBroken(t *testing.T, brokers []string, redis string) {
	dir, name := t.TempDir(), projectName(t)
	write(t, filepath.Join(dir, "caudal.yaml"), strings.ReplaceAll(deadProject, "project: dead", "project: "+name))
	write(t, filepath.Join(dir, "views", "totals.yaml"), deadView)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	project, err := loadProject(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	project.Sources[0].Topic = name
	project.Kafka.Brokers, project.Redis.Addrs = brokers, []string{redis}
	a := &app{projectDir: dir, output: "json", stdout: os.Stdout, stderr: os.Stderr}
	err = a.whole(ctx, project, dir, addresses{}, func(ctx context.Context, w *whole) error {
		src := project.Sources[0]
		out := w.stream.Producer(src.Topic)
		var messages []stream.Message
		for _, b := range broken {
			messages = append(messages, stream.Message{Key: []byte("k"), Value: []byte(b.raw)})
		}
		for _, good := range []string{"a", "b", "c", "b"} { // one of them twice
			messages = append(messages, stream.Message{Key: []byte("k"), Value: []byte(`{"id": "` + good + `", "at": "2026-01-01T10:00:00Z", "amount": "1.25"}`)})
		}
		if err := out.Write(ctx, messages); err != nil {
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
		runner, err := w.runner(0)
		if err != nil {
			return err
		}
		d := &demonstration{app: a, whole: w}
		if err := d.settle(ctx); err != nil {
			return err
		}
		report, err := runner.Run(ctx, batch.RunOptions{})
		if err != nil {
			return err
		}
		v := report.Views[0]
		if v.Events != 4 || v.Duplicates != 1 || v.Dead != int64(len(broken)) {
			t.Errorf("%d events, %d duplicates among them, %d dead letters; want 4, 1, %d", v.Events, v.Duplicates, v.Dead, len(broken))
		}
		checkLetters(t, ctx, w)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkLetters lists the dead letters and shows each as the commands do.
func checkLetters(t *testing.T, ctx context.Context, w *whole) {
	t.Helper()
	var letters []letter
	captured(t, &letters, func(a *app) error { return a.listDeadLetters(ctx, w.services, nil, 0) })
	raw := map[string]string{}
	for _, l := range letters {
		var shown letter
		captured(t, &shown, func(a *app) error {
			return a.showDeadLetter(ctx, w.services, l.Source, jsonNumber(l.Partition)+"/"+jsonNumber(l.Offset))
		})
		text := shown.Raw
		if shown.Base64 != "" {
			bytes, err := base64.StdEncoding.DecodeString(shown.Base64)
			if err != nil {
				t.Fatal(err)
			}
			text = string(bytes)
		}
		raw[l.Reason] = text
	}
	if len(letters) != len(broken) {
		t.Errorf("%d dead letters, want %d", len(letters), len(broken))
	}
	for _, b := range broken {
		if got, ok := raw[b.reason]; !ok || got != b.raw {
			t.Errorf("%s: found %v, %d bytes; want %d bytes", b.reason, ok, len(got), len(b.raw))
		}
	}
}

// captured runs a command that prints JSON, and reads it.
func captured(t *testing.T, into any, run func(*app) error) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	if err := run(&app{output: "json", stdout: file, stderr: os.Stderr}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		t.Fatalf("read %q: %v", text[:min(len(text), 200)], err)
	}
}

func jsonNumber[T int | int64](n T) string {
	text, err := json.Marshal(n)
	if err != nil {
		panic("BUG: a number has no JSON")
	}
	return string(text)
}

// projectName is a name of its own for each call, of a project and of its topic, as real services are shared between tests.
func projectName(t *testing.T) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name()))
	name = "t_" + name[max(0, len(name)-40):] + "_" + strings.ToLower(rand.Text()[:8])
	testservices.LeaveNoTopic(t, name)
	testservices.LeaveNoKeys(t, name)
	return name
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

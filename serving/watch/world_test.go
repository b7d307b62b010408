package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/alert"
	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

const projectYAML = `project: shop
sinks:
  ops: {kafka: ops.alerts}
  hook: {webhook: "HOOK", secret: hush, give_up: 1h}
  chat: {slack: "HOOK/slack"}
sources:
  orders:
    event_time: {field: at, format: rfc3339}
    lateness: 1m
    fields: {at: timestamp, user: string, amount: int64}
`

const viewYAML = `view: sales
source: orders
dimensions: [{name: user, expr: "\"user\""}]
grains: [5m]
measures: [{name: events, agg: count}]
windows: [{name: last_20m, hopping: {size: 20m, every: 5m}}]
`

const alertYAML = `alert: spender
view: sales
by: [user]
when: "events > 10"
to: [ops]
`

// cells is a view whose answers are what a test says.
type cells struct {
	mu        sync.Mutex
	values    map[string]map[int64]int64 // by user and bucket of five minutes, or hop that begins every five minutes
	watermark int64                      // minutes; before there are events: negative
	snapshot  string
	partial   string
	changes   int
	asked     int
}

func (c *cells) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.changes++
}

const minute = int64(time.Minute / time.Microsecond)

func (c *cells) Mark(context.Context, string) (serving.Mark, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return serving.Mark{Text: fmt.Sprint(c.changes), Watermark: c.watermark * minute, Known: c.watermark >= 0}, nil
}

func (c *cells) Query(_ context.Context, q serving.Query) (*serving.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	instant := func(text string, none int64) int64 {
		if text == "" {
			return none
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			panic(err)
		}
		return at.UnixMicro()
	}
	from, to := instant(q.From, math.MinInt64), instant(q.To, math.MaxInt64)
	r := &serving.Result{Provenance: serving.Provenance{Snapshot: c.snapshot, Partial: c.partial != "", Reason: c.partial}}
	if c.watermark >= 0 {
		r.Provenance.Watermark = time.UnixMicro(c.watermark * minute).UTC().Format(time.RFC3339Nano)
	}
	for user, buckets := range c.values {
		for bucket, n := range buckets {
			if at := bucket * 5 * minute; at >= from && at < to {
				row := []algebra.Value{algebra.TimestampValue(at)}
				if q.Window != "" {
					row = append(row, algebra.TimestampValue(at+20*minute))
				}
				if len(q.Dimensions) > 0 {
					row = append(row, algebra.StringValue(user))
				}
				r.Rows = append(r.Rows, append(row, algebra.Int64Value(n)))
			}
		}
	}
	slices.SortFunc(r.Rows, func(a, b []algebra.Value) int { return algebra.Compare(a[0], b[0]) })
	if q.Limit > 0 && len(r.Rows) > q.Limit {
		r.Rows = r.Rows[:q.Limit]
	}
	return r, nil
}

// set makes a cell what it is to be.
func (c *cells) set(user string, bucket, n int64) {
	c.change(func() {
		if c.values[user] == nil {
			c.values[user] = map[int64]int64{}
		}
		c.values[user][bucket] = n
	})
}

// until moves the watermark to a minute.
func (c *cells) until(minutes int64) { c.change(func() { c.watermark = minutes }) }

// world is a project that is watched, over an embedded broker and a lake in a folder.
type world struct {
	t       *testing.T
	cells   *cells
	stream  *stream.Client
	lake    *lake.Lake
	project *view.Project
	adjust  func(*Config)
	mu      sync.Mutex
	began   time.Time
	passed  time.Duration
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.began.Add(time.Since(w.began) + w.passed)
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed += d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, hook, viewText string, alerts ...string) *world {
	t.Helper()
	files := []view.File{{Path: "caudal.yaml", Data: []byte(strings.ReplaceAll(projectYAML, "HOOK", hook))}, {Path: "views/sales.yaml", Data: []byte(viewText)}}
	for i, text := range alerts {
		files = append(files, view.File{Path: fmt.Sprintf("alerts/%d.yaml", i), Data: []byte(text)})
	}
	project, err := engine.Parse(context.Background(), files, func(string) (string, bool) { return "", false })
	must(t, err)
	broker, err := embedded.StartBroker(embedded.BrokerConfig{})
	must(t, err)
	t.Cleanup(func() { must(t, broker.Close()) })
	client, err := stream.Connect(stream.Config{Brokers: broker.Addrs()})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	store, err := lake.Open(context.Background(), t.TempDir(), lake.Options{NoSync: true})
	must(t, err)
	return &world{t: t, project: project, stream: client, lake: lake.New(store), began: time.Now(),
		cells: &cells{values: map[string]map[int64]int64{}, watermark: -1, snapshot: "s0"}, adjust: func(*Config) {}}
}

// start runs a watcher; the returned function ends it, and returns what it ended with.
func (w *world) start(steps func(string) error) (stop func() error) {
	w.t.Helper()
	cfg := Config{Project: w.project, Asker: w.cells, Lake: w.lake, Stream: w.stream, Clock: w.clock, Every: time.Millisecond, LockTTL: 200 * time.Millisecond,
		Backoff: time.Millisecond, Steps: steps, Logger: slog.New(slog.DiscardHandler)}
	if os.Getenv("CAUDAL_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w.adjust(&cfg)
	watcher, err := New(cfg)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		err := <-ended
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	})
}

// eventually waits until something is so.
func (w *world) eventually(what string, so func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("in 20 s it was not so that %s", what)
		}
	}
}

// state is what is kept of an alert.
func (w *world) state(name string) alert.State {
	w.t.Helper()
	data, _, err := w.lake.Note(context.Background(), serving.AlertNote(name))
	must(w.t, err)
	var s alert.State
	if data != nil {
		must(w.t, json.Unmarshal(data, &s))
	}
	return s
}

// seen waits until the alert was judged with the watermark at a minute, and all is told.
func (w *world) seen(name string, minutes int64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s was judged until minute %d and told", name, minutes), func() bool {
		s := w.state(name)
		return s.Through >= minutes*minute && len(s.Outbox) == 0
	})
}

// read reads all of a topic.
func (w *world) read(topic string) []stream.Record {
	w.t.Helper()
	var all []stream.Record
	must(w.t, readBack(context.Background(), w.stream, topic, nil, func(r stream.Record) error {
		r.Key, r.Value = slices.Clone(r.Key), slices.Clone(r.Value)
		all = append(all, r)
		return nil
	}))
	return all
}

// told are the messages in a topic, as "firing anna@0", and fails where one is there twice.
func (w *world) told(topic string) []string {
	w.t.Helper()
	var told []string
	ids := map[string]bool{}
	for _, r := range w.read(topic) {
		var m payload
		must(w.t, json.Unmarshal(r.Value, &m))
		if ids[m.ID] {
			w.t.Errorf("message %s is in the topic twice", m.ID)
		}
		ids[m.ID] = true
		for _, n := range m.Notices {
			user, _ := n.Labels.Get("user")
			at, err := time.Parse(time.RFC3339Nano, n.Bucket)
			must(w.t, err)
			told = append(told, fmt.Sprintf("%s %s@%d", n.Kind, *user, at.UnixMicro()/minute/5))
		}
	}
	return told
}

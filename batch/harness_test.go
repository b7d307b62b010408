package batch

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/live"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/view"
)

// TestMain lets tests run side by side beyond the number of cores: they wait for Trino, and for layers that look for work now and then.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// world is a broker and a lake, empty at first.
type world struct {
	broker  *embedded.Broker
	t       testing.TB
	project *view.Project
	stream  *stream.Client
	store   lake.Store
	lake    *lake.Lake
	live    *live.Redis
	topic   lake.Topic
	sent    map[int]int64 // records by partition
	speeds  bool          // a worker of the speed layer is at work throughout
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func logger() *slog.Logger {
	if os.Getenv("CAUDAL_TEST_LOG") == "" {
		return quiet()
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testSource is a small shop: an id, a time, a country, a price.
func testSource() *view.Source {
	return &view.Source{
		Name: "sales", Topic: "sales", Partitions: 2, Format: "json",
		EventTime: view.EventTime{Field: "at", Format: "unix_ms", Timezone: "UTC"},
		EventID:   "id", DedupHorizon: time.Hour, DedupRecords: 1 << 20, Lateness: 10 * time.Minute, MaxAhead: 5 * time.Minute,
		Fields: []view.Field{
			{Name: "id", Type: view.Type{Kind: view.String}},
			{Name: "at", Type: view.Type{Kind: view.Timestamp}},
			{Name: "country", Type: view.Type{Kind: view.String}},
			{Name: "customer", Type: view.Type{Kind: view.String}, Nullable: true},
			{Name: "price", Type: view.Type{Kind: view.Decimal, Precision: 12, Scale: 2}},
		},
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	p := &view.Project{Name: "test", Sources: []*view.Source{testSource()}}
	p.Batch = view.Batch{MemoryLimit: "512MB", Threads: 2, ArchiveWait: 20 * time.Second, Snapshots: 10, InstantRollbacks: 1}
	return newWorldOf(t, p)
}

// newWorldOf has the topic of the project's first source.
func newWorldOf(t testing.TB, p *view.Project) *world {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	client, err := stream.Connect(stream.Config{Brokers: broker.Addrs(), OnError: func(err error) { logger().Warn("stream", "error", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	w := &world{t: t, broker: broker, stream: client, project: p, sent: map[int]int64{}}
	if w.store, err = lake.Open(t.Context(), t.TempDir(), lake.Options{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	w.lake = lake.New(w.store)
	redis, err := embedded.StartRedis("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	if w.live, err = live.Connect(live.Config{Addrs: []string{redis.Addr()}}); err != nil {
		t.Fatal(err)
	}
	source := p.Sources[0]
	if err := client.EnsureTopic(t.Context(), source.Topic, source.Partitions); err != nil {
		t.Fatal(err)
	}
	seen, err := client.Topic(t.Context(), source.Topic)
	if err != nil {
		t.Fatal(err)
	}
	if w.topic, err = w.lake.Incarnation(t.Context(), source.Topic, lake.Identity{Cluster: seen.ClusterID, TopicID: seen.ID, Partitions: len(seen.Partitions)}); err != nil {
		t.Fatal(err)
	}
	return w
}

// day is the first day of the tests' events.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// produce sends n records over some days from a seed: events, repeated ones, and some that cannot be read.
func (w *world) produce(n int, seed uint64, days int) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	countries := []string{"DE", "FR", "GB", "NL"}
	var messages []stream.Message
	for i := range n {
		key := fmt.Sprintf("k%d", random.IntN(50))
		at := day.Add(time.Duration(float64(days) * 24 * float64(time.Hour) * float64(i) / float64(n)))
		at = at.Add(-time.Duration(random.IntN(1200)) * time.Second)
		value := fmt.Sprintf(`{"id":"%d-%d-%s","at":%d,"country":%q,"customer":"c%d","price":"%d.%02d"}`, seed, i, key, at.UnixMilli(),
			countries[random.IntN(len(countries))], random.IntN(200), random.IntN(100), random.IntN(100))
		switch random.IntN(40) {
		case 0:
			value = `{"id":`
		case 1:
			messages = append(messages, stream.Message{Key: []byte(key), Value: []byte(value)})
		}
		messages = append(messages, stream.Message{Key: []byte(key), Value: []byte(value)})
	}
	w.send(messages)
}

func (w *world) send(messages []stream.Message) {
	w.t.Helper()
	producer := w.stream.Producer(w.project.Sources[0].Topic)
	defer producer.Close()
	if err := producer.Write(w.t.Context(), messages); err != nil {
		w.t.Fatal(err)
	}
	w.measure(w.project.Sources[0])
}

// measure notes how many records each partition holds.
func (w *world) measure(src *view.Source) {
	w.t.Helper()
	for p := range src.Partitions {
		_, next, err := w.stream.Bounds(w.t.Context(), w.topic.Name, p)
		if err != nil {
			w.t.Fatal(err)
		}
		w.sent[p] = next
	}
}

func (w *world) archive(change func(*ArchiveConfig)) *Archive {
	w.t.Helper()
	cfg := ArchiveConfig{Project: w.project, Stream: w.stream, Lake: w.lake, Logger: logger(), AskEvery: 20 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	a, err := NewArchive(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// partition is one partition of an archive without its consumer group.
func (w *world) partition(a *Archive, id int) *partition {
	w.t.Helper()
	f := a.feeds[w.topic.Name]
	if err := w.lake.PutDefinition(w.t.Context(), f.definition, f.source.Canonical()); err != nil {
		w.t.Fatal(err)
	}
	seen, err := a.cfg.Stream.Topic(w.t.Context(), w.topic.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.partition(w.topic, seen, id)
}

// drain archives all that was sent, and calls again whatever life ends with, as long as it is one of the errors allowed.
func (w *world) drain(p *partition, allowed func(error) bool) {
	w.t.Helper()
	p.archive.Close(w.topic.Name, w.sent)
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			next, _, open, err := w.lake.Next(ctx, w.topic, p.id)
			if err == nil && open == nil && next >= w.sent[p.id] {
				cancel()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for ctx.Err() == nil {
		if err := p.life(ctx); ctx.Err() == nil && !allowed(err) {
			cancel()
			<-stopped
			w.t.Fatal(err)
		}
	}
	<-stopped
}

func (w *world) archiveAll(change func(*ArchiveConfig)) {
	w.t.Helper()
	a := w.archive(change)
	for id := range w.project.Sources[0].Partitions {
		w.drain(w.partition(a, id), func(error) bool { return false })
	}
}

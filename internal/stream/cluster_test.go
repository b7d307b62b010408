package stream_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// onEach runs the test against the embedded broker and against Apache Kafka: they must not differ.
func onEach(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Run("embedded", func(t *testing.T) {
		b, err := embedded.StartBroker(embedded.BrokerConfig{Forever: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		test(t, newFixture(t, b.Addrs()))
	})
	t.Run("kafka", func(t *testing.T) {
		if testing.Short() {
			t.Skip("SKIP real Kafka: -short")
		}
		f := newFixture(t, testservices.Kafka(t))
		testservices.LeaveNoTopic(t, f.topic)
		test(t, f)
	})
}

// fixture is a cluster, a client and a topic of the test's own.
type fixture struct {
	ctx     context.Context
	brokers []string
	c       *stream.Client
	topic   string
	retried *retried
}

// retried collects what Config.OnError was told.
type retried struct {
	mu   sync.Mutex
	errs []error
}

func (r *retried) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

func newFixture(t *testing.T, brokers []string) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	f := &fixture{ctx: ctx, brokers: brokers, retried: &retried{}}
	f.c = f.connect(t, stream.Config{})
	f.topic = strings.NewReplacer("/", ".").Replace(t.Name()) + fmt.Sprint(".", time.Now().UnixNano())
	t.Cleanup(func() {
		if t.Failed() {
			for _, err := range f.retried.errs {
				t.Log("retried:", err)
			}
		}
	})
	return f
}

func (f *fixture) connect(t *testing.T, cfg stream.Config) *stream.Client {
	t.Helper()
	cfg.Brokers, cfg.OnError = f.brokers, f.retried.add
	c, err := stream.Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (f *fixture) create(t *testing.T, partitions int) {
	t.Helper()
	if err := f.c.EnsureTopic(f.ctx, f.topic, partitions); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) write(t *testing.T, msgs ...stream.Message) {
	t.Helper()
	p := f.c.Producer(f.topic)
	defer p.Close()
	if err := p.Write(f.ctx, msgs); err != nil {
		t.Fatal(err)
	}
}

// readTo reads from the reader until its position is next, copying what may not outlive a Fetch.
func readTo(ctx context.Context, r *stream.Reader, next int64, max int) ([]stream.Record, error) {
	var all []stream.Record
	for r.Offset() < next {
		recs, err := r.Fetch(ctx, max, 200*time.Millisecond, nil)
		for _, rec := range recs {
			all = append(all, stream.Record{Offset: rec.Offset, Timestamp: rec.Timestamp, Key: clone(rec.Key), Value: clone(rec.Value)})
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// all reads the whole of a partition.
func (f *fixture) all(t *testing.T, partition int) []stream.Record {
	t.Helper()
	first, next, err := f.c.Bounds(f.ctx, f.topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	r := f.c.Reader(f.topic, partition, first)
	defer r.Close()
	recs, err := readTo(f.ctx, r, next, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if r.Offset() != next {
		t.Fatalf("partition %d: read up to %d, the log ends at %d", partition, r.Offset(), next)
	}
	return recs
}

package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/embedded"
	"github.com/caudal/caudal/internal/stream"
	"github.com/caudal/caudal/internal/testservices"
)

// benchRecords is how many records of about 200 bytes each benchmark has in its topic.
const benchRecords = 1_000_000

func onBoth(b *testing.B, bench func(b *testing.B, brokers []string)) {
	b.Run("embedded", func(b *testing.B) {
		br, err := embedded.StartBroker(embedded.BrokerConfig{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer br.Close()
		bench(b, br.Addrs())
	})
	b.Run("kafka", func(b *testing.B) { bench(b, testservices.Kafka(b)) })
}

func benchMessages(n int) []stream.Message {
	msgs := make([]stream.Message, n)
	for i := range msgs {
		msgs[i] = stream.Message{
			Key: fmt.Append(nil, i%1000),
			Value: fmt.Appendf(nil, `{"line_id":"%016x","invoice_no":"%d","stock_code":"%d","description":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":%d,"invoice_date":"2026-11-20 12:00:00","unit_price":2.55,"country":"United Kingdom"}`,
				uint64(i)*0x9E3779B97F4A7C15, i/10, i%3000, i%17),
			Timestamp: 1_700_000_000_000_000 + int64(i)*1000,
		}
	}
	return msgs
}

func benchClient(b *testing.B, brokers []string) (*stream.Client, string) {
	c, err := stream.Connect(stream.Config{Brokers: brokers})
	if err != nil {
		b.Fatal(err)
	}
	topic := fmt.Sprint("bench-", time.Now().UnixNano())
	if err := c.EnsureTopic(b.Context(), topic, 4); err != nil {
		b.Fatal(err)
	}
	return c, topic
}

func BenchmarkWrite(b *testing.B) {
	onBoth(b, func(b *testing.B, brokers []string) {
		c, topic := benchClient(b, brokers)
		defer c.Close()
		p := c.Producer(topic)
		defer p.Close()
		msgs := benchMessages(100_000)
		b.ReportAllocs()
		for n := 0; b.Loop(); n += len(msgs) {
			if err := p.Write(b.Context(), msgs); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(msgs)*b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkFetch reads one partition after the other, on one goroutine; the broker runs on the same machine.
func BenchmarkFetch(b *testing.B) {
	onBoth(b, func(b *testing.B, brokers []string) {
		c, topic := benchClient(b, brokers)
		defer c.Close()
		p := c.Producer(topic)
		defer p.Close()
		msgs := benchMessages(100_000)
		for range benchRecords / len(msgs) {
			if err := p.Write(b.Context(), msgs); err != nil {
				b.Fatal(err)
			}
		}
		var recs []stream.Record
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for part := range 4 {
				_, next, err := c.Bounds(b.Context(), topic, part)
				if err != nil {
					b.Fatal(err)
				}
				r := c.Reader(topic, part, 0)
				for r.Offset() < next {
					if recs, err = r.Fetch(b.Context(), 50_000, 0, recs[:0]); err != nil {
						b.Fatal(err)
					}
					n += len(recs)
				}
				r.Close()
			}
			if n != benchRecords {
				b.Fatalf("%d records", n)
			}
		}
		b.ReportMetric(float64(benchRecords*b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

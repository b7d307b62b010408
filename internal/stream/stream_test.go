package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/caudal/caudal/internal/stream"
)

func TestRecordsComeBackAsTheyWereWritten(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 3)
		var msgs []stream.Message
		for i := range 5000 {
			msgs = append(msgs, stream.Message{Key: fmt.Append(nil, "key ", i%97), Value: fmt.Append(nil, "value ", i), Timestamp: 1_700_000_000_000_000 + int64(i%10)*1000})
		}
		msgs = append(msgs,
			stream.Message{Key: []byte{}, Value: []byte{}, Timestamp: 1_700_000_000_000_000},
			stream.Message{Key: []byte("gone"), Value: nil, Timestamp: 1_700_000_000_000_000})
		f.write(t, msgs...)
		var got []stream.Record
		for p := range 3 {
			recs := f.all(t, p)
			for i, r := range recs {
				if r.Offset != int64(i) {
					t.Fatalf("partition %d: record %d has offset %d", p, i, r.Offset)
				}
				if want := (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: r.Key}, 0, 1, 2); p != want {
					t.Fatalf("key %q is in partition %d, Java's clients put it in %d", r.Key, p, want)
				}
			}
			got = append(got, recs...)
		}
		if len(got) != len(msgs) {
			t.Fatalf("%d records, want %d", len(got), len(msgs))
		}
		// Within a key the order is that of writing; across partitions there is none.
		byKey := func(key []byte) (out []string) {
			for _, m := range msgs {
				if bytes.Equal(m.Key, key) {
					out = append(out, fmt.Sprintf("%q %v %v %d", m.Value, m.Key == nil, m.Value == nil, m.Timestamp))
				}
			}
			return out
		}
		for i := range 97 {
			key := fmt.Append(nil, "key ", i)
			var have []string
			for _, r := range got {
				if bytes.Equal(r.Key, key) {
					have = append(have, fmt.Sprintf("%q %v %v %d", r.Value, r.Key == nil, r.Value == nil, r.Timestamp))
				}
			}
			if !slices.Equal(have, byKey(key)) {
				t.Fatalf("key %q: %v\nwant %v", key, have, byKey(key))
			}
		}
	})
}

func TestMessagesWithoutKeyReachEveryPartition(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 2)
		f.write(t, make([]stream.Message, 3000)...)
		for p := range 2 {
			recs := f.all(t, p)
			if len(recs) < 1000 {
				t.Errorf("partition %d has %d of 3000", p, len(recs))
			}
			if len(recs) > 0 && (recs[0].Key != nil || recs[0].Value != nil) {
				t.Errorf("null became %q, %q", recs[0].Key, recs[0].Value)
			}
			if len(recs) > 0 && time.Since(time.UnixMicro(recs[0].Timestamp)) > time.Minute {
				t.Errorf("timestamp 0 is now, not %v", time.UnixMicro(recs[0].Timestamp))
			}
		}
	})
}

func TestTopicIsKnownByItsIDs(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		if _, err := f.c.Topic(f.ctx, f.topic); !errors.Is(err, stream.ErrNoTopic) {
			t.Fatalf("unknown topic: %v", err)
		}
		f.create(t, 3)
		f.create(t, 5) // is there already: keeps its partitions
		a, err := f.c.Topic(f.ctx, f.topic)
		if err != nil {
			t.Fatal(err)
		}
		if a.Name != f.topic || a.ID == "" || a.ClusterID == "" || !slices.Equal(a.Partitions, []int{0, 1, 2}) {
			t.Fatalf("topic %+v", a)
		}
		if err := f.c.DeleteTopic(f.ctx, f.topic); err != nil {
			t.Fatal(err)
		}
		f.create(t, 3)
		b, err := f.c.Topic(f.ctx, f.topic)
		if err != nil {
			t.Fatal(err)
		}
		if b.ID == a.ID || b.ClusterID != a.ClusterID {
			t.Fatalf("the same name, made anew: %+v, before %+v", b, a)
		}
	})
}

func TestReaderNoticesThatTheTopicWasMadeAnew(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		f.write(t, make([]stream.Message, 10)...)
		r := f.c.Reader(f.topic, 0, 0)
		defer r.Close()
		if _, err := readTo(f.ctx, r, 10, 100); err != nil {
			t.Fatal(err)
		}
		if err := f.c.DeleteTopic(f.ctx, f.topic); err != nil {
			t.Fatal(err)
		}
		f.create(t, 1)
		for {
			_, err := r.Fetch(f.ctx, 1, 100*time.Millisecond, nil)
			if errors.Is(err, stream.ErrTopicReplaced) {
				return
			}
			if err != nil && !errors.Is(err, stream.ErrNoTopic) {
				t.Fatal(err)
			}
		}
	})
}

// A reader that slept through the re-creation of its topic goes on over the connection that it has, at an offset that the new log has too.
func TestAReaderHandsOutNoRecordOfAnotherLifeOfItsTopic(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		f.write(t, make([]stream.Message, 10)...)
		before, err := f.c.Topic(f.ctx, f.topic)
		if err != nil {
			t.Fatal(err)
		}
		r := f.c.Reader(f.topic, 0, 0)
		defer r.Close()
		if _, err := readTo(f.ctx, r, 10, 100); err != nil {
			t.Fatal(err)
		}
		if err := f.c.DeleteTopic(f.ctx, f.topic); err != nil {
			t.Fatal(err)
		}
		f.create(t, 1)
		f.write(t, make([]stream.Message, 20)...)
		pinned := f.c.ReaderOf(before, 0, 5)
		defer pinned.Close()
		for name, r := range map[string]*stream.Reader{"that slept": r, "of the old life": pinned} {
			for {
				records, err := r.Fetch(f.ctx, 100, 100*time.Millisecond, nil)
				if len(records) > 0 {
					t.Fatalf("a reader %s read %d records of the new topic from offset %d on", name, len(records), records[0].Offset)
				}
				if errors.Is(err, stream.ErrTopicReplaced) {
					break
				}
				if err != nil && !errors.Is(err, stream.ErrNoTopic) {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestOffsetAtIsTheFirstRecordFromThatTimeOn(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		const base = 1_700_000_000_000_000
		for _, ms := range []int64{10, 20, 20, 40, 30, 50} { // one batch each, and one out of order
			f.write(t, stream.Message{Timestamp: base + ms*1000})
		}
		for _, c := range []struct{ at, want int64 }{
			{-5, 0}, {0, 0}, {base, 0}, {base + 10_000, 0}, {base + 10_001, 1}, {base + 20_000, 1}, {base + 21_000, 3},
			{base + 30_000, 3}, {base + 41_000, 5}, {base + 50_000, 5}, {base + 50_001, 6}, {base + 90_000, 6},
		} {
			got, err := f.c.OffsetAt(f.ctx, f.topic, 0, c.at)
			if err != nil || got != c.want {
				t.Errorf("at %d: offset %d (%v), want %d", c.at-base, got, err, c.want)
			}
		}
	})
}

func TestOffsetOutsideTheLogIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		f.write(t, make([]stream.Message, 100)...)
		if err := f.c.DeleteRecords(f.ctx, f.topic, 0, 40); err != nil {
			t.Fatal(err)
		}
		if first, next, err := f.c.Bounds(f.ctx, f.topic, 0); first != 40 || next != 100 || err != nil {
			t.Fatalf("bounds [%d, %d), %v", first, next, err)
		}
		for _, offset := range []int64{0, 39, 101, 1 << 40} {
			r := f.c.Reader(f.topic, 0, offset)
			recs, err := r.Fetch(f.ctx, 10, time.Second, nil)
			var oor *stream.OutOfRange
			if !errors.As(err, &oor) || oor.First != 40 || oor.Next != 100 || oor.Offset != offset || len(recs) != 0 {
				t.Errorf("from %d: %d records, %v", offset, len(recs), err)
			}
			if r.Offset() != offset {
				t.Errorf("the position moved from %d to %d", offset, r.Offset())
			}
			r.Close()
		}
		for _, offset := range []int64{40, 99, 100} {
			r := f.c.Reader(f.topic, 0, offset)
			if recs, err := readTo(f.ctx, r, 100, 7); err != nil || len(recs) != int(100-offset) {
				t.Errorf("from %d: %d records, %v", offset, len(recs), err)
			}
			r.Close()
		}
		if _, err := f.c.Reader(f.topic, 7, 0).Fetch(f.ctx, 1, time.Second, nil); !errors.Is(err, stream.ErrNoTopic) {
			t.Errorf("a partition that does not exist: %v", err)
		}
	})
}

func TestFetchReturnsAfterWaitWithWhatIsThere(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		r := f.c.Reader(f.topic, 0, 0)
		defer r.Close()
		began := time.Now()
		recs, err := r.Fetch(f.ctx, 10, 150*time.Millisecond, nil)
		if took := time.Since(began); err != nil || len(recs) != 0 || took < 150*time.Millisecond || took > 5*time.Second {
			t.Fatalf("empty log: %d records, %v, after %v", len(recs), err, took)
		}
		f.write(t, make([]stream.Message, 25)...)
		recs, err = r.Fetch(f.ctx, 10, 10*time.Second, recs)
		if err != nil || len(recs) != 10 || r.Offset() != 10 {
			t.Fatalf("%d records, offset %d, %v", len(recs), r.Offset(), err)
		}
		recs, err = r.Fetch(f.ctx, 100, 100*time.Millisecond, recs)
		if err != nil || len(recs) != 25 || r.Offset() != 25 {
			t.Fatalf("%d records, offset %d, %v", len(recs), r.Offset(), err)
		}
	})
}

func TestFetchEndsWithItsContext(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		r := f.c.Reader(f.topic, 0, 0)
		defer r.Close()
		ctx, cancel := context.WithCancel(f.ctx)
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		if _, err := r.Fetch(ctx, 10, time.Minute, nil); !errors.Is(err, context.Canceled) || time.Since(began) > 10*time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		f.write(t, stream.Message{Value: []byte("later")})
		if recs, err := readTo(f.ctx, r, 1, 10); err != nil || len(recs) != 1 {
			t.Fatalf("after a cancelled Fetch: %d records, %v", len(recs), err)
		}
	})
}

func TestLargeRecordsPassAndTooLargeOnesAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		noise := make([]byte, 20<<20)
		for i, x := 0, uint32(1); i < len(noise); i++ {
			x = x*1664525 + 1013904223
			noise[i] = byte(x >> 24)
		}
		c := f.connect(t, stream.Config{FetchBytes: 1000})
		p := c.Producer(f.topic)
		defer p.Close()
		if err := p.Write(f.ctx, []stream.Message{{Value: []byte("small")}, {Value: noise[:5<<20]}, {Value: []byte("small")}}); err != nil {
			t.Fatal(err)
		}
		if err := p.Write(f.ctx, []stream.Message{{Value: noise}}); !errors.Is(err, stream.ErrTooLarge) {
			t.Fatalf("20 MB: %v", err)
		}
		if err := p.Write(f.ctx, []stream.Message{{Value: []byte("after")}}); err != nil {
			t.Fatal(err)
		}
		r := c.Reader(f.topic, 0, 0)
		defer r.Close()
		recs, err := readTo(f.ctx, r, 4, 10)
		if err != nil || len(recs) != 4 || !bytes.Equal(recs[1].Value, noise[:5<<20]) || string(recs[3].Value) != "after" {
			t.Fatalf("%d records, %v", len(recs), err)
		}
	})
}

func TestOtherProducersCompressionsAreRead(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		var want []string
		for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
			w := &kafka.Writer{Addr: kafka.TCP(f.brokers...), Topic: f.topic, RequiredAcks: kafka.RequireAll, Compression: codec, BatchTimeout: time.Millisecond,
				Transport: &kafka.Transport{}}
			var msgs []kafka.Message
			for i := range 300 {
				v := fmt.Sprintf("%v %d aaaaaaaaaaaaaaaaaaaaaaaaa", codec, i)
				want = append(want, v)
				msgs = append(msgs, kafka.Message{Value: []byte(v), Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}})
			}
			if err := w.WriteMessages(f.ctx, msgs...); err != nil {
				t.Fatal(err)
			}
			w.Close()
		}
		var got []string
		for _, r := range f.all(t, 0) {
			got = append(got, string(r.Value))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d records, want %d, or they differ", len(got), len(want))
		}
		// From the middle of a compressed batch.
		r := f.c.Reader(f.topic, 0, 777)
		defer r.Close()
		recs, err := r.Fetch(f.ctx, 1, 5*time.Second, nil)
		if err != nil || len(recs) != 1 || recs[0].Offset != 777 || string(recs[0].Value) != want[777] {
			t.Fatalf("at 777: %v %v", recs, err)
		}
	})
}

func TestOnlyCommittedTransactionsAreReadAndTheEndIsReached(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.create(t, 1)
		five := func(s string) (out []stream.Message) {
			for i := range 5 {
				out = append(out, stream.Message{Value: fmt.Append(nil, s, i)})
			}
			return out
		}
		begin := func(s string) *stream.Transaction {
			tx, err := f.c.Begin(f.ctx, f.topic+s, f.topic, 0, five(s))
			if err != nil {
				t.Fatal(err)
			}
			return tx
		}
		end := func(tx *stream.Transaction, commit bool) {
			if err := tx.End(f.ctx, commit); err != nil {
				t.Fatal(err)
			}
		}
		// Markers are written by the broker a little after it has answered, which it announces to nobody.
		awaitEnd := func(want int64) {
			for {
				_, next, err := f.c.Bounds(f.ctx, f.topic, 0)
				if err != nil || next > want {
					t.Fatalf("the readable log ends at %d, not %d (%v)", next, want, err)
				}
				if next == want {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		f.write(t, five("a")...)
		kept, dropped := begin("kept"), begin("dropped") // interleaved
		f.write(t, five("b")...)
		end(dropped, false)
		end(kept, true)
		awaitEnd(22) // 5 records 4 times, and two markers
		f.write(t, five("c")...)
		open := begin("open")
		f.write(t, five("behind")...)
		last := begin("last")
		awaitEnd(27) // what is behind an open transaction is not readable yet
		values := func() (out []string) {
			for _, r := range f.all(t, 0) {
				out = append(out, string(r.Value))
			}
			return out
		}
		want := []string{"a0", "a1", "a2", "a3", "a4", "kept0", "kept1", "kept2", "kept3", "kept4",
			"b0", "b1", "b2", "b3", "b4", "c0", "c1", "c2", "c3", "c4"}
		if got := values(); !slices.Equal(got, want) {
			t.Fatalf("read %v\nwant %v", got, want)
		}
		end(open, false)
		end(last, false)
		awaitEnd(44) // the log ends in two markers
		want = append(want, "behind0", "behind1", "behind2", "behind3", "behind4")
		if got := values(); !slices.Equal(got, want) {
			t.Fatalf("read %v\nwant %v", got, want)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]stream.Config{
		"no brokers": {},
		"no port":    {Brokers: []string{"localhost"}},
		"negative":   {Brokers: []string{"localhost:1"}, FetchBytes: -1},
		"heartbeat":  {Brokers: []string{"localhost:1"}, SessionTimeout: time.Second, HeartbeatInterval: time.Second},
	} {
		if _, err := stream.Connect(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConnectNeedsNoBroker(t *testing.T) {
	c, err := stream.Connect(stream.Config{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Topic(t.Context(), "x"); err == nil {
		t.Fatal("a topic where nobody listens")
	}
}
